"""Polynomial of degree 3: cubic distortion of the whole frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from georeg.transforms._polynomial import Polynomial
from georeg.transforms.base import Transform


@dataclass(frozen=True, eq=False)
class Polynomial3(Polynomial):
    """Cubic polynomial, reference -> moving, linear beyond the box; see `Polynomial`."""

    name: ClassVar[str] = "polynomial3"
    min_points: ClassVar[int] = 10
    degree: ClassVar[int] = 3
    shapes = {"base": (2, 3), "box": (2, 2), "coefficients": (10, 2)}  # noqa: RUF012


MODEL: type[Transform] = Polynomial3
