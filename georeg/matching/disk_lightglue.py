"""DISK key points matched by LightGlue.

Methods and their sources: see networks/disk.py and networks/lightglue.py.
"""

from __future__ import annotations

from typing import ClassVar

from kornia.feature import LightGlue

from georeg.matching._network import tensors
from georeg.matching._sparse import SparseMatcher
from georeg.matching.networks.disk import Disk
from georeg.matching.networks.lightglue import glue_from_state
from georeg.matching.protocol import Weights


class DiskMatcher(SparseMatcher):
    """With the official weights, which know photographs."""

    name: ClassVar[str] = "disk_lightglue"
    layouts: ClassVar[tuple[str, ...]] = ("lightglue_128", "disk")

    @classmethod
    def networks(cls, weights: Weights) -> tuple[Disk, LightGlue]:
        """See `SparseMatcher`."""
        points, glue = (tensors(weights, layout) for layout in reversed(cls.layouts))
        return Disk.from_state(points), glue_from_state(glue, input_dim=128)


MATCHER = DiskMatcher
