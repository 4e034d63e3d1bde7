"""A fit, or tie points, applied to any layer of the scene."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
)

from ..choices import TRANSFORMS
from ..engine.words import N_
from ..texts import tr
from .base import (
    POINT_FILES,
    EngineAlgorithm,
    _choice,
    figures,
    report_beside,
    stamp,
)

_FITTING = 0.3  # of the bar


class WarpAlgorithm(EngineAlgorithm):
    """`georeg warp`, after `georeg fit` where tie points are given."""

    COMMAND = "warp"
    TITLE = N_("Apply tie points or a fit")
    ABOUT = N_(
        "Applies a fit that was saved, or tie points, to a raster layer: the one that was aligned, "
        "or another band or product of its scene. Nothing is matched again. Tie points are fitted "
        "first, which needs the layer that moved and the reference; points with enabled = false "
        "are left out."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        """Declare what it takes."""
        self.add(QgsProcessingParameterRasterLayer("INPUT", tr("Layer to apply it to")))
        behavior = QgsProcessingParameterFile.Behavior.File
        for name, text, kinds in (
            ("FIT", tr("Fit (a file of 'Align raster')"), "JSON (*.json)"),
            ("POINTS", tr("Tie points, instead of a fit"), POINT_FILES),
        ):
            self.add(
                QgsProcessingParameterFile(
                    name, text, behavior, "", None, optional=True, fileFilter=kinds
                )
            )
        for name, text in (
            ("MOVING", tr("Layer that the tie points are of (if not the same)")),
            ("REFERENCE", tr("Reference layer of the tie points")),
        ):
            self.add(QgsProcessingParameterRasterLayer(name, text, None, optional=True))
        transform = _choice("TRANSFORM", tr("Transform for tie points"), TRANSFORMS)
        self.add(transform, tip="TRANSFORM")
        text = tr("The tie points are of a layer without coordinates, or with wrong ones")
        self.add(QgsProcessingParameterBoolean("NO_GEOREF", text, False), advanced=True)
        self.add_grid()
        self.add_extra("EXTRA", tr("Further options of georeg warp, such as --dst-nodata 0"))
        text = tr("Further options of georeg fit, for tie points, such as --max-rmse 1")
        self.add_extra("FIT_EXTRA", text)
        self.add(QgsProcessingParameterRasterDestination("OUTPUT", tr("Aligned raster")))
        self.add_file("POINTS_OUTPUT", tr("Tie points with their new residuals"), POINT_FILES)
        self.add_show()
        self.add_file("FIT_OUTPUT", tr("Fit of the tie points"), "JSON (*.json)")
        self.add_file("PAGE", tr("Report to look at"), "HTML (*.html)")
        self.addOutput(QgsProcessingOutputFile("REPORT", tr("Report (JSON)")))
        self.add_numbers()

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it."""
        output = self.parameterAsOutputLayer(values, "OUTPUT", context)
        raster = self.raster("INPUT")
        fit = self.parameterAsFile(values, "FIT", context)
        points = self.parameterAsFile(values, "POINTS", context)
        if bool(fit) == bool(points):
            raise QgsProcessingException(tr("Give either a fit or tie points."))
        given = self.given(values, context)
        grid = _without(given, "--transform")
        grid += self.set_in_qgis(values, context, MOVING="INPUT")
        if fit:
            return self._warp(raster, fit, output, grid, feedback, (0.0, 100.0))
        written = [report_beside(output)]
        for name in ("FIT_OUTPUT", "POINTS_OUTPUT", "PAGE"):
            written.append(self.parameterAsFileOutput(values, name, context))
        before = {path: stamp(path) for path in written if path}
        kept: dict[str, Any] = {}
        warped: dict[str, Any] = {}
        try:
            with tempfile.TemporaryDirectory(prefix="georeg-") as folder:
                kept = self._fit(points, raster, output, folder, values, context, feedback)
                if kept:
                    span = (100 * _FITTING, 100.0)
                    warped = self._warp(raster, kept.pop("fit"), output, grid, feedback, span)
        except QgsProcessingException:
            if self.refused:
                before = {}  # its report says why
            raise
        finally:
            if not warped:  # without the raster nothing of the fit is wanted
                for path in before:
                    if stamp(path) not in (before[path], None):
                        os.unlink(path)
        if not warped:
            return {}
        self.show(kept.get("POINTS_OUTPUT", ""), values, context)
        return {**warped, **kept, **figures(kept["REPORT"])}

    def _fit(
        self,
        points: str,
        raster: str,
        output: str,
        folder: str,
        values: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        reference = self.raster("REFERENCE")
        if not reference:
            raise QgsProcessingException(tr("Tie points need their reference layer."))
        moving = self.raster("MOVING") or raster
        side = "MOVING" if moving != raster else "INPUT"
        kept = self.parameterAsFileOutput(values, "FIT_OUTPUT", context)
        fit = kept or os.path.join(folder, "fit.json")
        report = report_beside(output)
        arguments = ["fit", points, "--moving", moving, "--reference", reference, "--output", fit]
        arguments += ["--overwrite", "--report", report]
        arguments += _only(self.given(values, context), "--transform")
        arguments += self.lost(values, context)
        sides = {"MOVING": side, "REFERENCE": "REFERENCE"}
        arguments += self.set_in_qgis(values, context, extra="FIT_EXTRA", **sides)
        arguments += self.further(values, context, "FIT_EXTRA")
        found: dict[str, Any] = {"REPORT": report, "fit": fit}
        if kept:
            found["FIT_OUTPUT"] = kept
        for name, option in (("POINTS_OUTPUT", "--points"), ("PAGE", "--report")):
            path = self.parameterAsFileOutput(values, name, context)
            if path:
                arguments += [option, path]
                found[name] = path
        outcome = self.run_engine(arguments, feedback, (0.0, 100 * _FITTING))
        return {} if outcome.cancelled else found

    def _warp(
        self,
        raster: str,
        fit: str,
        output: str,
        grid: Any,
        feedback: QgsProcessingFeedback,
        span: Any,
    ) -> dict[str, Any]:
        arguments = ["warp", raster, "--fit", fit, "--output", output, "--overwrite", *grid]
        outcome = self.run_engine(arguments, feedback, span)
        return {} if outcome.cancelled else {"OUTPUT": output}


def _without(arguments: Any, option: str) -> Any:
    if option not in arguments:
        return list(arguments)
    at = arguments.index(option)
    return [*arguments[:at], *arguments[at + 2 :]]


def _only(arguments: Any, option: str) -> Any:
    at = arguments.index(option) if option in arguments else len(arguments)
    return list(arguments[at : at + 2])
