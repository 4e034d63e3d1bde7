"""How much of the overlap lies near tie points that agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.search.locating import Start

Array = npt.NDArray[np.float64]

_CELLS = 8  # along the longer side; more of a strip, where they are as wide as that
OUTSIDE, BARE, NEAR, HELD = ".o+#"


@dataclass(frozen=True)
class Coverage:
    """Square cells over the frame.

    Attributes:
        side: of a cell, frame pixels.
        rows: a string for each row of cells, a character for each cell: '#' holds an inlier, '+'
            touches one that does, 'o' does neither, '.' has nothing to match on either side.
    """

    side: float
    rows: tuple[str, ...]

    @property
    def share(self) -> float:
        """Share of the cells with something to match that hold an inlier or touch one that does.

        0 where all inliers lie in one cell.
        """  # fmt: skip
        text = "".join(self.rows)
        valid = len(text) - text.count(OUTSIDE)
        if not valid or text.count(HELD) < 2:
            return 0.0
        return (text.count(HELD) + text.count(NEAR)) / valid

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        return {"cell_px": self.side, "rows": list(self.rows)}


def coverage(true: Array, start: Start) -> Coverage:
    """Which cells of the overlap are covered.

    Args:
        true: (N, 2) frame pixels of the inliers in the reference.
        start: whose texture says where there is something to match.
    """
    rows, columns = start.texture.shape
    side = max(1.0, min(max(rows, columns) / _CELLS, rows, columns))
    shape = (-int(-rows // side), -int(-columns // side))
    valid = np.zeros(shape, np.bool_)
    y, x = np.nonzero(start.texture > 0)
    valid[(y / side).astype(int), (x / side).astype(int)] = True
    held = np.zeros((shape[0] + 2, shape[1] + 2), np.bool_)  # one more all around
    column, row = np.floor(true / start.factor / side).astype(int).T
    inside = (row >= -1) & (row <= shape[0]) & (column >= -1) & (column <= shape[1])
    held[row[inside] + 1, column[inside] + 1] = True
    near = np.zeros(shape, np.bool_)
    for down in range(3):
        for right in range(3):
            near |= held[down : down + shape[0], right : right + shape[1]]
    kind = np.where(near, NEAR, BARE)
    kind[held[1:-1, 1:-1]] = HELD
    kind[~valid] = OUTSIDE
    return Coverage(side * start.factor, tuple("".join(line) for line in kind))
