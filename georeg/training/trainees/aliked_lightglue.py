"""LightGlue for Aliked's key points; the detector stays as it is."""

from __future__ import annotations

from functools import partial

from georeg.matching.networks.aliked import Aliked
from georeg.training.trainees._glue import fine_tuned

TRAINEE = partial(
    fine_tuned, "aliked_lightglue", ("lightglue_128", "aliked_n16"), Aliked.from_state
)
