"""What a few tiles of a level tell, before all of them are matched."""

from __future__ import annotations

import numpy as np

from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.search.levels import match_level, plan_level
from georeg.search.locating import Start
from georeg.search.tracking import Tracked
from georeg.settings import USUAL_TILES

_TILES = 4
_NEAR = 4.0  # frame pixels from the prediction, of 6 that are searched


def agreeing(scene: Scene, team: Team, start: Start, known: Tracked) -> float:
    """Share of templates in a few tiles that match about where they are predicted.

    The tiles are any of those that would be matched: the best textured ones tell more than most.

    Args:
        scene: the rasters.
        team: the matcher.
        start: the first estimate.
        known: what predicts; with a fit, all in this scene's frame.
    """
    if known.fit is None:
        return 0.0
    transform = known.fit.transform
    pairs = plan_level(scene, team.matcher, start, transform, 1.0, USUAL_TILES)
    some = np.linspace(0, len(pairs) - 1, min(_TILES, len(pairs))).round().astype(int)
    pairs = [pairs[i] for i in some]
    points = match_level(scene, team, pairs, transform, "refine", lambda share: None)
    if not points.templates:
        return 0.0
    away = np.hypot(*(transform.forward(points.claimed) - points.true).T)
    return float((away <= _NEAR).sum()) / points.templates
