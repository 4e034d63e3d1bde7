"""XFeat key points matched by LighterGlue, a small LightGlue: fast.

Methods and their sources: see networks/xfeat.py and networks/lightglue.py; LighterGlue is
as in XFeat's official code.
"""

from __future__ import annotations

from typing import ClassVar

from kornia.feature import LightGlue

from georeg.matching._network import tensors
from georeg.matching._sparse import SparseMatcher
from georeg.matching.networks.lightglue import glue_from_state
from georeg.matching.networks.xfeat import Xfeat
from georeg.matching.protocol import Weights

_SIZES = {"input_dim": 64, "descriptor_dim": 96, "n_layers": 6, "num_heads": 1}


class XfeatMatcher(SparseMatcher):
    """With the official weights, which know photographs."""

    name: ClassVar[str] = "xfeat_lighterglue"
    layouts: ClassVar[tuple[str, ...]] = ("lighterglue", "xfeat")
    count: ClassVar[int] = 4096

    @classmethod
    def networks(cls, weights: Weights) -> tuple[Xfeat, LightGlue]:
        """See `SparseMatcher`."""
        points, glue = (tensors(weights, layout) for layout in reversed(cls.layouts))
        return Xfeat.from_state(points), glue_from_state(glue, width=0.95, depth=-1, **_SIZES)


MATCHER = XfeatMatcher
