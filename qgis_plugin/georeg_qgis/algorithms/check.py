"""How well are two rasters aligned?"""

from __future__ import annotations

import json
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProcessingOutputNumber

from ..engine.words import N_
from ..texts import tr
from .base import EngineAlgorithm, _number


class CheckAlgorithm(EngineAlgorithm):
    """`georeg check`."""

    COMMAND = "check"
    TITLE = N_("Check alignment")
    ABOUT = N_(
        "Measures how far a raster layer is off a reference layer. Nothing is written but the "
        "report, if one is wanted. Fails where it can't be measured, or where the error is above "
        "the limit."
    )

    def initAlgorithm(self, _: Any = None) -> None:
        """Declare what it takes."""
        self.add_pair()
        self.add_looks()
        self.add_matching(limit=False)
        self.add(_number("MAX_ERROR", tr("Fail if the error is larger (reference pixels)")))
        self.add_extra()
        self.add_file("PAGE", tr("Report to look at"), "HTML (*.html)")
        self.add_numbers("RMSE_PX", "CE90_PX", "RMSE_M", "CE90_M", "TIE_POINTS", "INLIERS")
        for name, text in (
            ("MEAN_X_PX", tr("Mean offset to the right (px)")),
            ("MEAN_Y_PX", tr("Mean offset downwards (px)")),
            ("MEDIAN_PX", tr("Median error (px)")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, text))

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it."""
        arguments = ["check", *self.pair(values, context), *self.given(values, context), "--json"]
        if values.get("MAX_ERROR") is not None:
            limit = self.parameterAsDouble(values, "MAX_ERROR", context)
            arguments += ["--max-error", repr(limit)]
        page = self.parameterAsFileOutput(values, "PAGE", context)
        if page:
            arguments += ["--report", page]
        outcome = self.run_engine(arguments, feedback)
        if outcome.cancelled:
            return {}
        numbers = json.loads(outcome.stdout)
        error = numbers["error"]
        names = ("rmse_px", "ce90_px", "rmse_m", "ce90_m", "mean_x_px", "mean_y_px", "median_px")
        found = {n.upper(): error[n] for n in names if error.get(n) is not None}
        found |= {"TIE_POINTS": numbers["tie_points"], "INLIERS": numbers["inliers"]}
        return {**found, "VERDICT": outcome.message, **({"PAGE": page} if page else {})}
