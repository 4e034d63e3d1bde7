"""Polynomial of degree 2: quadratic distortion of the whole frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from georeg.transforms._polynomial import Polynomial
from georeg.transforms.base import Transform


@dataclass(frozen=True, eq=False)
class Polynomial2(Polynomial):
    """Quadratic polynomial, reference -> moving, linear beyond the box; see `Polynomial`."""

    name: ClassVar[str] = "polynomial2"
    min_points: ClassVar[int] = 6
    degree: ClassVar[int] = 2
    shapes = {"base": (2, 3), "box": (2, 2), "coefficients": (6, 2)}  # noqa: RUF012


MODEL: type[Transform] = Polynomial2
