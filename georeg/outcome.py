"""All that a run found out, before anybody words it: the source of reports and explanations."""

from __future__ import annotations

from dataclasses import dataclass

from georeg.choosing import Choice
from georeg.fitting import Fit
from georeg.pairing.scene import Scene
from georeg.search.locating import Start
from georeg.search.tiepoints import TiePoints
from georeg.search.tracking import Level
from georeg.settings import Settings
from georeg.verdict import Verdict


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of two rasters and the settings.

    Attributes:
        scene: the rasters, as they were placed in the end.
        settings: what the user asked for.
        choice: the matcher, and why.
        device: where it ran.
        verdict: what to think of it.
        located: the first estimate, in the frame of the scene as it was placed at first; None if
            there was nothing to go by, or nobody had to search.
        start: the same in the final frame; None if there is no estimate at all.
        levels: what became of each level.
        points: the last level's tie points; None if it didn't come to that.
        fit: of the points; None if they agree on nothing.
        finer: whether it took finer pixels than the coarser raster's to see enough; see finer.py.
        sharper: whether it was found on these, and then looked at once more on finer ones.
    """

    scene: Scene
    settings: Settings
    choice: Choice
    device: str
    verdict: Verdict
    located: Start | None = None
    start: Start | None = None
    levels: tuple[Level, ...] = ()
    points: TiePoints | None = None
    fit: Fit | None = None
    finer: bool = False
    sharper: bool = False
