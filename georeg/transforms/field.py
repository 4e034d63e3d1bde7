"""Displacement field: a smooth, locally varying warp on a regular lattice of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from georeg.errors import PointsError, SettingsError
from georeg.transforms._bspline import Lattice
from georeg.transforms._leastsquares import fit_affine
from georeg.transforms._pull import Continued, enlarged_box
from georeg.transforms._smoothing import Problem, typical_distance
from georeg.transforms._stored import no_options
from georeg.transforms.base import Array, Transform, checked

MAX_NODES = 48
"""Along the longer side, where the spacing isn't given."""

MOST_NODES = 128
"""Along a side, whatever the spacing: half a second a solution, and the choice of smoothing
needs forty."""


@dataclass(frozen=True, eq=False)
class Field(Continued):
    """Displacement = tensor product cubic B-spline on a lattice over `box`, linear beyond.

    `coefficients` are (rows + 3, columns + 3, 2) for a lattice of rows x columns cells, in frame
    pixels; `smoothing` is the one that the fit used, given or chosen.
    """

    coefficients: Array
    smoothing: float

    name: ClassVar[str] = "field"
    min_points: ClassVar[int] = 10
    shapes = {  # noqa: RUF012
        "base": (2, 3),
        "box": (2, 2),
        "coefficients": (None, None, 2),
        "smoothing": (),
    }

    def __post_init__(self) -> None:
        """Checks that there is at least one cell."""
        super().__post_init__()
        if min(self.coefficients.shape[:2]) < 4 or not (self.box[1] > self.box[0]).all():
            raise PointsError("field: the lattice needs at least 4 x 4 coefficients and an extent")

    @property
    def spacing(self) -> tuple[float, float]:
        """Distance of the nodes along x and y in frame pixels."""
        x, y = self._lattice.spacing
        return float(x), float(y)

    @classmethod
    def from_points(
        cls,
        moving_xy: Array,
        reference_xy: Array,
        weights: Array | None = None,
        *,
        smoothing: float | None = None,
        spacing: float | None = None,
        **options: Any,
    ) -> Field:
        """Penalised least squares on top of the weighted affine fit, reference -> moving.

        P-splines with a thin plate penalty (P. Eilers & B. Marx, "Flexible smoothing with
        B-splines and penalties", Statistical Science 11(2), 1996; the penalty as in G. Wahba,
        "Spline models for observational data", SIAM 1990, section 2.4): the lattice only has to
        be fine enough, `smoothing` says how smooth the field is. Where there are no points it
        bends as little as possible. The domain is the bounding box of the points, enlarged by
        10 % on every side.

        Args:
            moving_xy: (N, 2) claimed positions in frame pixels.
            reference_xy: (N, 2) true positions in frame pixels.
            weights: (N,) weights of the squared residuals in moving pixels; equal if None.
            smoothing: what is asked of a wave to survive. With evenly spread points, one of length
                L keeps 1 - (x / (1 + x))^2 of its height, x = smoothing * (side / (4 L))^4, side
                being the root of the domain's area: 1 takes a quarter off waves of a quarter of
                the side, 0.0625 off those of an eighth. Independent of the scale of coordinates
                and weights and of the number of points. None: chosen for the least error at
                left-out blocks of points.
            spacing: distance of the nodes in frame pixels, at most (cells fill the domain
                exactly). None: 1.25 times the median distance of neighbouring points, at most 48
                nodes along the longer side.
            options: no other.

        Raises:
            PointsError: fewer than ten points, malformed ones, or ones on a line.
            SettingsError: smoothing or spacing isn't positive, the spacing asks for more than
                128 nodes along a side, or an unknown option.
        """
        no_options(cls.name, options)
        for option, value in (("smoothing", smoothing), ("spacing", spacing)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise SettingsError(f"field: {option} must be positive, not {value}")
        base, box, problem = cls._problem(moving_xy, reference_xy, weights, spacing)
        if smoothing is None:
            smoothing = problem.best_smoothing()
        return cls(base, box, problem.solve(smoothing), smoothing)

    @classmethod
    def eased(
        cls,
        moving_xy: Array,
        reference_xy: Array,
        weights: Array | None,
        smoothing: float,
        side: float,
    ) -> float:
        """More smoothing than predicts left-out points best, for less error where the points are.

        Args:
            moving_xy: as `from_points`.
            reference_xy: as `from_points`.
            weights: as `from_points`.
            smoothing: what `from_points` chooses.
            side: of the templates that the points were found by, in frame pixels: points err alike
                as far as these overlap. 0: each errs for itself.

        Raises:
            PointsError: as `from_points`.
        """
        return cls._problem(moving_xy, reference_xy, weights, None)[2].eased(smoothing, side)

    @classmethod
    def _problem(
        cls, moving_xy: Array, reference_xy: Array, weights: Array | None, spacing: float | None
    ) -> tuple[Array, Array, Problem]:
        """The affine fit, the domain, and what is left of the displacements by that fit."""
        moving, reference, w = checked(moving_xy, reference_xy, weights, cls.min_points, cls.name)
        base = fit_affine(reference, moving, w, cls.name)
        rest = moving - (reference @ base[:, :2].T + base[:, 2])
        box = enlarged_box(reference)
        lattice = Lattice(box[0], box[1] - box[0], _cells(reference, box[1] - box[0], spacing))
        return base, box, Problem(lattice, reference, rest, w)

    @property
    def _lattice(self) -> Lattice:
        rows, columns, _ = self.coefficients.shape
        return Lattice(self.box[0], self.box[1] - self.box[0], (columns - 3, rows - 3))

    def _partial(self, xy: Array, order: tuple[int, int]) -> Array:
        return self._lattice.partial(self.coefficients, xy, order)


def _cells(xy: Array, size: Array, spacing: float | None) -> tuple[int, int]:
    """(columns, rows) of the lattice."""
    longest = float(size.max())
    if spacing is None:
        spacing = max(1.25 * typical_distance(xy), longest / (MAX_NODES - 1))
    elif longest / spacing > MOST_NODES - 1:
        least = longest / (MOST_NODES - 1)
        raise SettingsError(f"field: spacing must be at least {least:.6g} px here, not {spacing}")
    columns, rows = np.maximum(np.ceil(size / spacing - 1e-9).astype(int), 1)
    return int(columns), int(rows)


MODEL: type[Transform] = Field
