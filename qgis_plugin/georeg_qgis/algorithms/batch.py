"""Many pairs."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterLayer,
)

from ..engine.words import N_
from ..texts import tr
from .base import EngineAlgorithm


class BatchAlgorithm(EngineAlgorithm):
    """`georeg batch`."""

    COMMAND = "batch"
    TITLE = N_("Align many rasters")
    ABOUT = N_(
        "Aligns all jobs of a manifest (CSV, TOML or GeoJSON), or all rasters of a folder to one "
        "reference layer. What was done before is skipped; what fails is recorded, and the rest "
        "goes on."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        """Declare what it takes."""
        kinds = QgsProcessingParameterFile.Behavior
        for name, text, kind in (
            ("JOBS", tr("Manifest of jobs"), kinds.File),
            ("FOLDER", tr("Folder of rasters, instead of a manifest"), kinds.Folder),
        ):
            self.add(QgsProcessingParameterFile(name, text, kind, "", None, optional=True))
        reference = tr("Reference layer of all")
        self.add(QgsProcessingParameterRasterLayer("REFERENCE", reference, None, optional=True))
        self.add_extra()
        self.add(QgsProcessingParameterFolderDestination("OUTPUT", tr("Folder of the results")))
        self.addOutput(QgsProcessingOutputString("VERDICT", tr("Verdict")))
        self.addOutput(QgsProcessingOutputNumber("FAILED", tr("Jobs that failed")))

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it."""
        manifest = self.parameterAsFile(values, "JOBS", context)
        folder = self.parameterAsFile(values, "FOLDER", context)
        if bool(manifest) == bool(folder):
            raise QgsProcessingException(tr("Give either a manifest or a folder."))
        output = self.parameterAsString(values, "OUTPUT", context)
        arguments = ["batch", manifest or folder, "-o", output]
        reference = self.raster("REFERENCE")
        arguments += ["--reference", reference] if reference else []
        arguments += self.set_in_qgis(values, context, REFERENCE="REFERENCE")
        outcome = self.run_engine([*arguments, *self.given(values, context)], feedback)
        if outcome.cancelled:
            return {}
        counts = {name.upper(): n for name, n in (outcome.result.get("counts") or {}).items()}
        return {"OUTPUT": output, "FAILED": 0, **counts, "VERDICT": outcome.message}
