"""Tie points only."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingParameterFileDestination,
)

from ..engine.words import N_
from ..texts import tr
from .base import POINT_FILES, EngineAlgorithm


class MatchAlgorithm(EngineAlgorithm):
    """`georeg match`."""

    COMMAND = "match"
    TITLE = N_("Find tie points")
    ABOUT = N_(
        "Finds tie points between two raster layers, to be looked at, edited (switch off a point "
        "by enabled = false) and applied by 'Apply tie points or a fit', or for other tools: the "
        "file's suffix says for which. A GeoPackage is put onto the map, in the style that it "
        "holds."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        """Declare what it takes."""
        self.add_pair()
        self.add_looks()
        self.add_lost()
        self.add_matching()
        self.add_extra()
        self.add(QgsProcessingParameterFileDestination("POINTS", tr("Tie points"), POINT_FILES))
        self.add_show()
        self.add_numbers("RMSE_PX", "CE90_PX", "TIE_POINTS", "INLIERS")

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it."""
        points = self.parameterAsFileOutput(values, "POINTS", context)
        arguments = ["match", *self.pair(values, context), "--output", points, "--overwrite"]
        outcome = self.run_engine([*arguments, *self.given(values, context)], feedback)
        if outcome.cancelled:
            return {}
        self.show(points, values, context)
        verdict = outcome.result["verdict"]
        accuracy = verdict.get("accuracy") or {}
        return {
            "POINTS": points,
            "TIE_POINTS": outcome.result["points"],
            "INLIERS": outcome.result["inliers"],
            "RMSE_PX": accuracy.get("rmse_px"),
            "CE90_PX": accuracy.get("ce90_px"),
            "VERDICT": verdict["status"],
        }
