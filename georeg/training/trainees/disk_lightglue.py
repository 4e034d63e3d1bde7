"""LightGlue for Disk's key points; the detector stays as it is."""

from __future__ import annotations

from functools import partial

from georeg.matching.networks.disk import Disk
from georeg.training.trainees._glue import fine_tuned

TRAINEE = partial(fine_tuned, "disk_lightglue", ("lightglue_128", "disk"), Disk.from_state)
