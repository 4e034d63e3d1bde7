"""Align one raster to another."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterRasterDestination,
)

from ..engine.words import N_
from ..texts import tr
from .base import POINT_FILES, EngineAlgorithm, figures, report_beside


class AlignAlgorithm(EngineAlgorithm):
    """`georeg align`."""

    COMMAND = "align"
    TITLE = N_("Align raster")
    ABOUT = N_(
        "Aligns a raster layer to a reference layer of any kind: optical, radar, infrared, map "
        "scan or elevation. The layer that moves is never changed; a new raster is written, or "
        "nothing where no trustworthy alignment is found. A report with the error at left-out tie "
        "points lies beside the output."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        """Declare what it takes."""
        self.add_pair()
        self.add_looks()
        self.add_lost()
        self.add_matching()
        force = tr("Write even what isn't trustworthy, and mark it")
        self.add(QgsProcessingParameterBoolean("FORCE", force, False), advanced=True)
        self.add_grid()
        self.add_extra()
        self.add(QgsProcessingParameterRasterDestination("OUTPUT", tr("Aligned raster")))
        self.add_file("POINTS", tr("Tie points"), POINT_FILES)
        self.add_show()
        self.add_file("FIT", tr("Fit, for other layers of the scene"), "JSON (*.json)")
        self.add_file("PAGE", tr("Report to look at"), "HTML (*.html)")
        self.addOutput(QgsProcessingOutputFile("REPORT", tr("Report (JSON)")))
        self.add_numbers()

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it."""
        output = self.parameterAsOutputLayer(values, "OUTPUT", context)
        report = report_beside(output)
        arguments = ["align", *self.pair(values, context), "--output", output, "--overwrite"]
        arguments += [*self.given(values, context), "--report", report]
        found: dict[str, Any] = {"REPORT": report}
        for name, option in (("POINTS", "--points"), ("FIT", "--fit"), ("PAGE", "--report")):
            path = self.parameterAsFileOutput(values, name, context)
            if path:
                arguments += [option, path]
                found[name] = path
        if self.parameterAsBool(values, "FORCE", context):
            arguments.append("--force")
        outcome = self.run_engine(arguments, feedback)
        if outcome.cancelled:
            return {}
        self.show(found.get("POINTS", ""), values, context)
        return {"OUTPUT": output, **found, **figures(report)}
