"""What every transform model offers, and how models are found by name.

A transform maps *claimed* positions (where the moving raster's georeference says its pixels are)
to *true* positions (the reference), both in pixels of one frame: `forward` goes moving ->
reference, `inverse` reference -> moving. The file name of a model is its `--transform` value.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

from georeg.errors import PointsError, SettingsError

Array = npt.NDArray[np.float64]


class Transform(Protocol):
    """A fitted model. Immutable; `forward` and `inverse` agree to 1e-3 px within its domain."""

    name: ClassVar[str]
    min_points: ClassVar[int]

    @classmethod
    def from_points(
        cls, moving_xy: Array, reference_xy: Array, weights: Array | None = None, **options: Any
    ) -> Transform:
        """Weighted least squares fit.

        Args:
            moving_xy: (N, 2) claimed positions in frame pixels.
            reference_xy: (N, 2) true positions in frame pixels.
            weights: (N,) weights of the squared residuals, not negative; equal if None. Points of
                weight 0 take no part and don't count.
            options: the model's own settings (`smoothing` of tps and field).

        Raises:
            PointsError: fewer than `min_points` points, or degenerate ones (collinear, equal).
        """
        ...

    def forward(self, moving_xy: Array) -> Array:
        """(N, 2) claimed -> (N, 2) true positions.

        NaN where a position has no counterpart: beyond the horizon of a projective transform, in
        a fold of a flexible one. The same goes for `inverse`.
        """
        ...

    def inverse(self, reference_xy: Array) -> Array:
        """(N, 2) true -> (N, 2) claimed positions."""
        ...

    def jacobian(self, moving_xy: Array) -> Array:
        """(N, 2, 2) derivatives of `forward`: element [n, i, j] is d forward_i / d moving_j."""
        ...

    @classmethod
    def unsure(cls, xy: Array) -> float:
        """Largest error midway between two of the points, where their own ones are 1.

        It is large where a model could be anything between them: a polynomial between two rows.

        Args:
            xy: (N, 2) positions that `from_points` takes, at least `min_points`.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists (JSON); `name` is the model's name."""
        ...

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Transform:
        """The transform that `to_dict` described, to the last bit."""
        ...


def available() -> list[str]:
    """Names of all models, from the file names alone, simplest first."""
    package = importlib.import_module("georeg.transforms")
    names = {m.name for m in pkgutil.iter_modules(package.__path__)}
    names = {n for n in names if not n.startswith("_") and n != "base"}
    return [n for n in LADDER if n in names] + sorted(names - set(LADDER))


LADDER = (
    "shift",
    "similarity",
    "affine",
    "projective",
    "polynomial2",
    "polynomial3",
    "tps",
    "field",
)
"""Models from the stiffest to the most flexible."""

INNER = {"drift": "_drift"}
"""Models for georeg's own use, and their modules: no values of `--transform`."""


@functools.cache  # fits ask hundreds of times, and each would list the files
def check_name(name: str) -> None:
    """See that a model is there, without importing it.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in INNER and name not in available():
        raise SettingsError(f"no transform '{name}': choose from {', '.join(available())}")


def load(name: str) -> type[Transform]:
    """The model class of that name.

    Raises:
        SettingsError: there is no such model.
    """
    check_name(name)
    module = importlib.import_module(f"georeg.transforms.{INNER.get(name, name)}")
    return cast("type[Transform]", module.MODEL)


def from_dict(data: dict[str, Any]) -> Transform:
    """A transform from its `to_dict` form, whichever model it is.

    Raises:
        PointsError: the description names no known model or lacks a part.
    """
    try:
        return load(str(data["name"])).from_dict(data)
    except (KeyError, TypeError, ValueError) as error:
        raise PointsError(f"not the description of a transform: {error}") from None


def checked(
    moving_xy: Array, reference_xy: Array, weights: Array | None, min_points: int, name: str
) -> tuple[Array, Array, Array]:
    """The points as (N, 2) float arrays and their weights, those of weight 0 left out.

    Raises:
        PointsError: shapes differ, values aren't finite, a weight is negative or too few points
            remain.
    """
    moving = np.asarray(moving_xy, dtype=np.float64)
    reference = np.asarray(reference_xy, dtype=np.float64)
    if moving.ndim != 2 or moving.shape[1:] != (2,) or moving.shape != reference.shape:
        raise PointsError(
            f"points must be two (N, 2) arrays, not {moving.shape}, {reference.shape}"
        )
    w = np.ones(len(moving)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(moving),):
        raise PointsError(f"weights must be ({len(moving)},), one per point, not {w.shape}")
    if not (np.isfinite(moving).all() and np.isfinite(reference).all() and np.isfinite(w).all()):
        raise PointsError("a point or a weight is not a finite number")
    if (w < 0).any():
        raise PointsError("a weight is negative")
    keep = w > 0
    if keep.sum() < min_points:
        raise PointsError(f"{name} needs at least {min_points} points, got {int(keep.sum())}")
    return moving[keep], reference[keep], w[keep]
