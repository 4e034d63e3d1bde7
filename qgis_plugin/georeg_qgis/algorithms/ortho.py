"""Images with RPCs laid over a DEM."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
)

from ..engine.words import N_
from ..texts import tr
from .base import POINT_FILES, EngineAlgorithm, _number, figures, report_beside


class OrthoAlgorithm(EngineAlgorithm):
    """`georeg ortho`."""

    COMMAND = "ortho"
    TITLE = N_("Orthorectify by RPCs")
    ABOUT = N_(
        "Orthorectifies an image with RPCs by a DEM. With a reference layer the RPCs are refined "
        "by tie points first. Heights of the DEM are taken as its CRS says."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        """Declare what it takes."""
        self.add(QgsProcessingParameterRasterLayer("MOVING", tr("Image with RPCs")))
        for name, text in (
            ("DEM", tr("DEM")),
            ("REFERENCE", tr("Reference layer, to refine the RPCs by")),
        ):
            self.add(QgsProcessingParameterRasterLayer(name, text, None, optional=True))
        height = tr("Constant height above the ellipsoid (m), instead of a DEM")
        self.add(_number("HEIGHT", height))
        behavior = QgsProcessingParameterFile.Behavior.File
        rpc = QgsProcessingParameterFile(
            "RPC", tr("RPCs, where the image's own aren't meant"), behavior, "", None, optional=True
        )
        self.add(rpc, advanced=True)
        self.add_looks(tr("Image"))
        self.add_matching(transform=False)
        self.add_grid()
        self.add_extra()
        self.add(QgsProcessingParameterRasterDestination("OUTPUT", tr("Orthoimage")))
        self.add_file("POINTS", tr("Tie points"), POINT_FILES)
        self.add_show()
        self.addOutput(QgsProcessingOutputFile("REPORT", tr("Report (JSON)")))
        self.addOutput(QgsProcessingOutputString("RPC_OUTPUT", tr("Refined RPCs")))
        self.add_numbers()

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it."""
        output = self.parameterAsOutputLayer(values, "OUTPUT", context)
        report = report_beside(output)
        dem = self.raster("DEM")
        if not dem and values.get("HEIGHT") is None:
            raise QgsProcessingException(tr("Give a DEM, or a constant height."))
        arguments = ["ortho", self.raster("MOVING"), "--output", output]
        arguments += ["--overwrite", "--report", report]
        arguments += ["--dem", dem] if dem else []
        if values.get("HEIGHT") is not None:
            arguments += ["--height", repr(self.parameterAsDouble(values, "HEIGHT", context))]
        reference = self.raster("REFERENCE")
        arguments += ["--reference", reference] if reference else []
        arguments += self.set_in_qgis(values, context, REFERENCE="REFERENCE")
        arguments += self.set_in_qgis(values, context, ("nodata",), MOVING="MOVING")
        rpc = self.parameterAsFile(values, "RPC", context)
        arguments += ["--rpc", rpc] if rpc else []
        found: dict[str, Any] = {"REPORT": report}
        points = self.parameterAsFileOutput(values, "POINTS", context)
        if points:
            arguments += ["--points", points]
            found["POINTS"] = points
        outcome = self.run_engine([*arguments, *self.given(values, context)], feedback)
        if outcome.cancelled:
            return {}
        if outcome.result.get("rpc"):
            found["RPC_OUTPUT"] = outcome.result["rpc"]
        self.show(points, values, context)
        judged = figures(report) if outcome.result.get("verdict") else {"VERDICT": outcome.message}
        return {"OUTPUT": output, **found, **judged}
