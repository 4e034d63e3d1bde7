"""Exact mappings from positions to positions, and images resampled once through them.

A warp takes a position in the source to where its ground is in the moving image. It is a chain of
formulas, so labels at any position are exact to rounding (a few 1e-4 px); nothing is read from
sampled fields. Positions are (x, y) in edge convention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.errors import SettingsError
from georeg.synthesis import _bspline, _noise
from georeg.synthesis._ops import blur, centres, wide
from georeg.synthesis._sampling import sampled
from georeg.synthesis.draws import Draws

KINDS = ("shift", "similarity", "affine", "projective", "smooth", "terrain")
"""From the stiffest to the most flexible; each has what those before it have, but for terrain,
which has parallax along one direction in place of smooth bending."""

_NEWTON = 2


class Step(Protocol):
    """A part of a warp."""

    def forward(self, xy: Tensor) -> Tensor:
        """(B, N, 2) -> (B, N, 2)."""
        ...

    def inverse(self, xy: Tensor) -> Tensor:
        """The other way round."""
        ...


@dataclass(frozen=True, eq=False)
class Projection:
    """A plane to a plane.

    Attributes:
        matrix: (B, 3, 3), acting on (x, y, 1).
    """

    matrix: Tensor

    def forward(self, xy: Tensor) -> Tensor:
        """(B, N, 2) -> (B, N, 2)."""
        return _project(self.matrix, xy)

    def inverse(self, xy: Tensor) -> Tensor:
        """The other way round."""
        return _project(torch.linalg.inv(self.matrix.double()).to(xy.dtype), xy)


def _project(matrix: Tensor, xy: Tensor) -> Tensor:
    out = xy @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    return out[..., :2] / out[..., 2:]


@dataclass(frozen=True, eq=False)
class Bend:
    """A smooth displacement: a cubic B-spline, which must not fold (slope below 1).

    Attributes:
        lattice: (B, 2, h, w) displacements in pixels at nodes; the first node is at -spacing.
        spacing: pixels from node to node.
    """

    lattice: Tensor
    spacing: float

    def forward(self, xy: Tensor) -> Tensor:
        """(B, N, 2) -> (B, N, 2)."""
        return xy + _bspline.at(self.lattice, xy, self.spacing)[0]

    def inverse(self, xy: Tensor) -> Tensor:
        """The other way round: roughly by a table, then exactly by Newton's method."""
        found = _bspline.unbent(self.lattice, xy, self.spacing)
        for _ in range(_NEWTON):
            value, slope = _bspline.at(self.lattice, found, self.spacing)
            wrong = found + value - xy
            a, b = slope[..., 0, 0] + 1, slope[..., 0, 1]
            c, d = slope[..., 1, 0], slope[..., 1, 1] + 1
            det = (a * d - b * c).clamp(min=0.05)
            step = torch.stack(
                [d * wrong[..., 0] - b * wrong[..., 1], a * wrong[..., 1] - c * wrong[..., 0]], -1
            )
            found = found - step / det[..., None]
        return found


@dataclass(frozen=True, eq=False)
class Warp:
    """Steps in order; none of them: everything stays in place."""

    steps: tuple[Step, ...] = ()

    def forward(self, xy: Tensor) -> Tensor:
        """(B, N, 2) positions in the source -> in the moving image."""
        for step in self.steps:
            xy = step.forward(xy)
        return xy

    def inverse(self, xy: Tensor) -> Tensor:
        """(B, N, 2) positions in the moving image -> in the source."""
        for step in reversed(self.steps):
            xy = step.inverse(xy)
        return xy

    def then(self, other: Warp | None) -> Warp:
        """This one, and after it another."""
        return self if other is None else Warp(self.steps + other.steps)


@dataclass(frozen=True)
class Limits:
    """How far random warps go; each is drawn evenly between minus and plus its limit.

    Attributes:
        shift: pixels along x and y.
        rotation: degrees.
        scale: share, 0.05 is 1/1.05 .. 1.05.
        shear: share, also of the difference between the scales of x and y.
        perspective: share by which the scale changes from one edge to the other.
        local: pixels of smooth bending or parallax; less where it would fold.
        spacing: pixels from node to node of local bending; half a wave is about twice that.
    """

    shift: float = 16.0
    rotation: float = 4.0
    scale: float = 0.05
    shear: float = 0.03
    perspective: float = 0.04
    local: float = 3.0
    spacing: float = 32.0


def pixel_centres(size: tuple[int, int], count: int, like: Tensor) -> Tensor:
    """(count, H * W, 2) middles of an image's pixels, row by row."""
    y, x = torch.meshgrid(centres(size[0], like), centres(size[1], like), indexing="ij")
    return torch.stack([x, y], -1).reshape(1, -1, 2).expand(count, -1, -1)


def resample(
    images: Tensor,
    warp: Warp,
    size: tuple[int, int],
    masks: Tensor | None = None,
    finest: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Images as they are after a warp, by cubic splines.

    Args:
        images: (B, C, H, W).
        warp: source -> moving positions.
        size: rows and columns of the moving image.
        masks: (B, H, W), True where the source is valid; None if everywhere.
        finest: (B,) moving pixels per source pixel: what gets smaller is blurred first.

    Returns:
        (B, C, *size) and the (B, *size) mask of pixels whose ground lies in the valid source.
    """
    batch, _, height, width = images.shape
    origin = warp.inverse(pixel_centres(size, batch, images))
    spans = images.new_tensor([width, height])
    inside = ((origin >= 0.5) & (origin <= spans - 0.5)).all(-1).view(batch, *size)
    sharp = images
    if finest is not None:
        sharp = blur(images, 0.5 * (finest.clamp(max=1) ** -2 - 1).clamp(min=0).sqrt())
    out = sampled(sharp, origin, size).clamp(0, 1)
    if masks is not None:
        grid = (2 * origin / spans - 1).view(batch, *size, 2)
        seen = F.grid_sample(masks[:, None].to(images.dtype), grid, align_corners=False)
        inside = inside & (seen[:, 0] > 0.999)
    return out, inside


def random_warp(
    draws: Draws,
    source: tuple[int, int],
    size: tuple[int, int],
    kinds: Sequence[str] = KINDS,
    limits: Limits | None = None,
    heights: Tensor | None = None,
) -> tuple[Warp, Tensor]:
    """A warp of a random kind for each image; the middle of the source goes to the middle.

    Args:
        draws: one stream per image.
        source: rows and columns of the source.
        size: those of the moving image.
        kinds: which to choose from, evenly.
        limits: how far they go.
        heights: (B, 1, *source) what drives terrain-like parallax; noise if None.

    Returns:
        The warp, and (B,) moving pixels per source pixel in the middle.

    Raises:
        SettingsError: no kinds, or an unknown one.
    """
    check_kinds(kinds)
    most = limits or Limits()
    level = draws.choice([float(kind in kinds) for kind in KINDS])
    matrix, scale = _random_matrix(draws, level, source, size, most)
    noise = _noise.lattice(draws, source, most.spacing, channels=2)
    angle = draws.uniform(0, 2 * torch.pi)
    direction = torch.stack([torch.cos(angle), torch.sin(angle)], 1)[:, :, None, None]
    relief = noise[:, :1]
    if heights is not None:
        relief = relief * 0.3 + _bspline.gathered(heights - 0.5, most.spacing) * 2
    bend = torch.where(wide(level == KINDS.index("terrain")), relief * direction, noise)
    amount = draws.uniform(0.2, 1) * most.local * (level >= KINDS.index("smooth"))
    peak = bend.flatten(1).abs().amax(1).clamp(min=1e-3)
    bend = unfolded(bend * wide(amount / peak), most.spacing, 0.3)
    return Warp((Bend(bend, most.spacing), Projection(matrix))), scale


def check_kinds(kinds: Sequence[str]) -> None:
    """See to it that there are kinds of warps to choose from.

    Raises:
        SettingsError: no kinds, or an unknown one.
    """
    if not kinds or set(kinds) - set(KINDS):
        raise SettingsError(f"warps {', '.join(kinds) or 'none'}: choose from {', '.join(KINDS)}")


def unfolded(lattice: Tensor, spacing: float, slope: float) -> Tensor:
    """A (B, C, h, w) lattice made smaller where its surface would be steeper than that."""
    steepest = torch.maximum(
        lattice.diff(dim=2).flatten(1).abs().amax(1), lattice.diff(dim=3).flatten(1).abs().amax(1)
    )
    return lattice * wide((slope * spacing / steepest.clamp(min=1e-6)).clamp(max=1))


def _random_matrix(
    draws: Draws, level: Tensor, source: tuple[int, int], size: tuple[int, int], most: Limits
) -> tuple[Tensor, Tensor]:
    """(B, 3, 3) matrices of each image's kind, and (B,) scales in the middle."""
    similar, affine = ((level >= KINDS.index(kind)).float() for kind in ("similarity", "affine"))
    plane = (level >= KINDS.index("projective")).float()
    shift = draws.uniform(-most.shift, most.shift, (2,))
    turn = torch.deg2rad(draws.uniform(-most.rotation, most.rotation)) * similar
    scale = (1 + most.scale) ** (draws.uniform(-1, 1) * similar)
    shear, stretch = (draws.uniform(-most.shear, most.shear) * affine for _ in range(2))
    tilt = draws.uniform(-most.perspective, most.perspective, (2,)) * plane[:, None]
    middle = torch.tensor([source[1], source[0]], device=draws.device) / 2
    target = torch.tensor([size[1], size[0]], device=draws.device) / 2 + shift
    cos, sin = torch.cos(turn) * scale, torch.sin(turn) * scale
    linear = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
    linear = linear @ torch.stack([1 + stretch, shear, shear, 1 - stretch], 1).view(-1, 2, 2)
    centred = torch.zeros((len(draws), 3, 3), device=draws.device)
    centred[:, :2, :2] = linear
    centred[:, 2, :2] = tilt / (2 * middle)
    centred[:, 2, 2] = 1
    before = torch.eye(3, device=draws.device).repeat(len(draws), 1, 1)
    after = before.clone()
    before[:, :2, 2], after[:, :2, 2] = -middle, target
    return after @ centred @ before, scale
