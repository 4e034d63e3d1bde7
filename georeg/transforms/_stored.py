"""What the models share: read-only parts that go to JSON and back, and checks of arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from georeg.errors import PointsError, SettingsError
from georeg.transforms.base import Array

S = TypeVar("S", bound="Stored")


@dataclass(frozen=True, eq=False)
class Stored:
    """A value made of arrays: `shapes` names them, None stands for any length.

    The parts become read-only float64 copies; one of shape () becomes a float.

    Raises:
        PointsError: a part has another shape or a value that is no finite number.
    """

    name: ClassVar[str]
    min_points: ClassVar[int]
    shapes: ClassVar[dict[str, tuple[int | None, ...]]]

    def __post_init__(self) -> None:
        """Checks and freezes the parts."""
        for part, shape in self.shapes.items():
            try:
                value = np.array(getattr(self, part), dtype=np.float64)
            except (TypeError, ValueError):
                raise PointsError(f"{self.name}: '{part}' must hold numbers") from None
            fits = value.ndim == len(shape) and all(
                want in (None, have) for want, have in zip(shape, value.shape, strict=True)
            )
            if not fits or not np.isfinite(value).all():
                wanted = " x ".join("n" if n is None else str(n) for n in shape) or "one"
                raise PointsError(f"{self.name}: '{part}' must be {wanted} finite numbers")
            value.setflags(write=False)
            object.__setattr__(self, part, value if shape else float(value))

    @classmethod
    def unsure(cls, xy: Array) -> float:
        """See `Transform`. A model that can't swing between (N, 2) points is as good there: 1."""
        return 1.0

    def to_dict(self) -> dict[str, Any]:
        """`name` and the parts as lists of numbers; JSON keeps them to the last bit."""
        parts = {part: np.asarray(getattr(self, part)).tolist() for part in self.shapes}
        return {"name": self.name, **parts}

    @classmethod
    def from_dict(cls: type[S], data: dict[str, Any]) -> S:
        """The transform that `to_dict` described, to the last bit.

        Raises:
            PointsError: the description is of another model, lacks a part or has a malformed one.
        """
        if data.get("name") != cls.name:
            raise PointsError(f"not the description of a {cls.name} but of {data.get('name')!r}")
        missing = [part for part in cls.shapes if part not in data]
        if missing:
            raise PointsError(f"the description of a {cls.name} lacks '{missing[0]}'")
        return cls(**{part: data[part] for part in cls.shapes})


def positions(xy: Array) -> Array:
    """The argument as (N, 2) float64 positions; they may be NaN, and N may be 0.

    Raises:
        PointsError: it has another shape or isn't numeric.
    """
    try:
        array = np.asarray(xy, dtype=np.float64)
    except (TypeError, ValueError):
        raise PointsError("positions must be an (N, 2) array of numbers") from None
    if array.ndim != 2 or array.shape[1] != 2:
        raise PointsError(f"positions must be an (N, 2) array, not {array.shape}")
    return array


def no_options(name: str, options: dict[str, Any]) -> None:
    """Refuses options that a model doesn't have.

    Raises:
        SettingsError: there is one.
    """
    if options:
        raise SettingsError(f"transform '{name}' has no option '{min(options)}'")
