"""Which part of an overlap lies near tie points."""

from __future__ import annotations

import numpy as np
import pytest

from georeg.judging.coverage import coverage
from test_verdict import start


@pytest.mark.parametrize("rows", [250, 125])
def test_cells_are_told_by_the_inliers_in_and_around_them(rows: int) -> None:
    """Eight along the longer side; points beyond the frame count for the cells that they touch."""
    texture = np.zeros((rows, 250), np.float32)
    texture[:125] = 0.1
    points = np.array([[60.0, 60.0], [940.0, 60.0], [-10.0, 300.0], [-240.0, 600.0]])
    found = coverage(points, start(texture=texture))
    assert found.side == 125.0
    assert found.rows[:4] == ("#+oooo+#", "++oooo++", "+ooooooo", "+ooooooo")
    assert found.rows[4:] == ("........",) * (rows // 125 * 4 - 4)
    assert found.share == 10 / 32
