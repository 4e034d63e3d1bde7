"""Phase correlation, for pairs of the same sensor: exact to a few hundredths of a pixel.

Methods and their sources: phase correlation (Kuglin and Hines, 1975) of tapered windows, read
between the pixels by evaluating the inverse Fourier transform at tenths of a pixel as a product
with two small matrices (Guizar-Sicairos, Thurman and Fienup, Optics Letters 33(2), 2008). High
frequencies count less, because aliasing and interpolation spoil their phase (Stone et al., IEEE
TGRS 39(10), 2001). Which whole pixel it is, is decided beforehand by correlating band-passed
images (spectra of natural images fall with frequency: that whitens them) of full-size templates,
so that the windows of both images show the same ground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.matching.correlation import correlate_blocks, correlate_scene
from georeg.matching.pixels import valid_at
from georeg.matching.protocol import Array, Device, Image, Mask, Surfaces, TileBatch, TilePoints
from georeg.matching.subpixel import vertex

_WINDOW, _SMALL_WINDOW, _SMALL = 64, 32, 200  # pixels; the small one for sides below _SMALL
_UNIT, _SMALL_UNIT, _WIDE = 4, 2, 400  # pixels per cell of 'locate'; the small one below _WIDE
_BLOCK = 16  # cells of 'locate' along a block; a template has two of them
_MIN_SHARE = 0.35  # of a template's pixels that must be valid on both sides
_MIN_WEIGHT = 0.5  # the same for a tapered window
_FINE, _COARSE = 1.0, 3.0  # pixels; sigmas of the band-pass
_FLAT = 0.01  # contrast (of a full range of 1) that is no structure but noise
_CUTOFF = 0.12  # cycles per pixel; sigma of the weight of frequencies
_SOFT = 0.5  # share of the mean power added to each: empty frequencies have no phase
_UPSAMPLING, _SPAN = 10, 1.5  # steps per pixel, and pixels searched around the whole one
_RIVAL = 4.0  # pixels from a peak beyond which another one is a rival
# P(right) = 1 / (1 + exp(-(a + b * lead + c * height))).
_SCORE = (-3.5, 6.0, 6.0)
_LEAST = 0.4  # a probability that isn't worth a point
_SIGMA = 0.05  # pixels; floor
_DEPENDENT = 2.25  # frequencies that a Hann taper makes of an independent one


class PhaseMatcher:
    """Upsampled phase correlation in torch, on CPU or GPU."""

    name: ClassVar[str] = "phase"
    layouts: ClassVar[tuple[str, ...]] = ()
    tile: ClassVar[int] = 320
    small: ClassVar[int] = tile
    reach: ClassVar[int] = _WINDOW // 2
    limit: ClassVar[int] = 704
    scene: ClassVar[int] = 1024
    side_by_side: ClassVar[bool] = True

    def __init__(self, device: Device | None = None) -> None:
        """Set where to compute; the CPU if None."""
        self.device = torch.device((device or Device()).name)

    @torch.inference_mode()
    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        """One point per window that has a clear peak; surfaces to be pooled for 'locate'."""
        moving, reference = (
            _Side.of(images, masks, self.device)
            for images, masks in (
                (batch.moving, batch.moving_mask),
                (batch.reference, batch.reference_mask),
            )
        )
        if batch.goal == "locate":
            return _locate(moving, reference, batch.radius)
        side = _WINDOW if min(batch.moving.shape[1:]) >= _SMALL else _SMALL_WINDOW
        if min(batch.moving.shape[1:]) < side:
            return TilePoints.none()
        found = _whole_pixels(moving, reference, batch.radius, side)
        if not len(found.tile):
            return TilePoints.none()
        points = _between(moving, reference, found, side)
        return _on_valid(points, batch)


@dataclass(frozen=True, eq=False)
class _Side:
    """(B, H, W) images of one side, and their float masks."""

    image: Tensor
    mask: Tensor

    @classmethod
    def of(cls, images: Image, masks: Mask, device: torch.device) -> _Side:
        mask = torch.from_numpy(np.ascontiguousarray(masks)).to(device, torch.float32)
        image = torch.from_numpy(np.ascontiguousarray(images)).to(device, torch.float32)
        return cls(torch.where(mask > 0, image, torch.zeros_like(image)), mask)

    def reduced(self, unit: int) -> _Side:
        """Means of unit x unit pixels, valid where all of them are."""
        share = F.avg_pool2d(self.mask[:, None], unit)[:, 0]
        image = F.avg_pool2d(self.image[:, None], unit)[:, 0]
        return _Side(image, (share > 0.999).to(image.dtype))

    def band(self) -> Tensor:
        """(B, 1, H, W) band-passed image of about unit contrast, 0 where invalid."""
        fine = _blur(self.image, _FINE) / _blur(self.mask, _FINE).clamp(min=1e-3)
        coarse = _blur(self.image, _COARSE) / _blur(self.mask, _COARSE).clamp(min=1e-3)
        detail = (fine - coarse) * self.mask
        weight = _blur(self.mask, 2 * _COARSE).clamp(min=1e-3)
        contrast = (_blur(detail.square(), 2 * _COARSE) / weight).sqrt()
        return (detail / (contrast + _FLAT))[:, None]

    def taper(self) -> Tensor:
        """(B, H, W) weights that fade to 0 before invalid pixels."""
        invalid = F.max_pool2d(1 - self.mask[:, None], 5, stride=1, padding=2)
        return F.avg_pool2d(1 - invalid, 5, stride=1, padding=2, count_include_pad=False)[:, 0]


@dataclass(frozen=True, eq=False)
class _Places:
    """K windows and where they were found, in whole pixels."""

    tile: Tensor
    left: Tensor
    top: Tensor
    dx: Tensor
    dy: Tensor
    lead: Tensor


def _blur(x: Tensor, sigma: float) -> Tensor:
    radius = math.ceil(3 * sigma)
    at = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    x = F.conv2d(x[:, None], kernel[None, None, :, None], padding=(radius, 0))
    return F.conv2d(x, kernel[None, None, None, :], padding=(0, radius))[:, 0]


def _locate(moving: _Side, reference: _Side, radius: float) -> Surfaces:
    """Surfaces of templates of 128 px (64 px in small scenes), every 4 (2) px of displacement."""
    unit = _UNIT if min(moving.image.shape[1:]) >= _WIDE else _SMALL_UNIT
    if min(moving.image.shape[1:]) >= unit:
        moving, reference = moving.reduced(unit), reference.reduced(unit)
    cells = max(1, math.ceil(radius / unit))
    side = _BLOCK * unit
    if min(moving.image.shape[1:]) < 2 * _BLOCK:
        width = 2 * cells + 1
        empty = np.zeros((0, width, width), np.float32)
        return Surfaces(np.zeros(0, np.int64), np.zeros((0, 2)), empty, float(unit), 2.0 * side)
    parts = []
    for first, sums in correlate_scene(
        (moving.band(), moving.mask), (reference.band(), reference.mask), _BLOCK, 2, cells
    ):
        score, valid = sums.pooled(2).correlation(2, _MIN_SHARE)
        keep = valid.float().mean((-1, -2)) >= 0.2
        index = keep.nonzero().cpu().numpy()
        scores = score.masked_fill(~valid, torch.nan)[keep].cpu().numpy()
        center = (index[:, [2, 1]] + first[::-1] + 1.0) * side
        parts.append(Surfaces(index[:, 0], center, scores, float(unit), 2.0 * side))
    return Surfaces.concat(parts)


def _correlate(moving: _Side, reference: _Side, block: int, radius: int) -> tuple[Tensor, Tensor]:
    """(B, rows, columns, 2 R + 1, 2 R + 1) of templates of two by two blocks, and where valid."""
    (sums,) = correlate_blocks(
        moving.band(), moving.mask, [(reference.band(), reference.mask)], block, radius
    )
    return sums.pooled(2).correlation(2, _MIN_SHARE)


def _whole_pixels(moving: _Side, reference: _Side, radius: float, side: int) -> _Places:
    """The windows with a highest correlation inside the search range."""
    reach = math.ceil(radius) + 1
    score, valid = _correlate(moving, reference, side // 2, reach)
    score = score.masked_fill(~valid, -1.0)
    flat = score.flatten(3)
    peak, place = flat.max(-1)
    y, x = place // (2 * reach + 1), place % (2 * reach + 1)
    inside = (y > 0) & (y < 2 * reach) & (x > 0) & (x < 2 * reach)
    at = torch.arange(2 * reach + 1, device=score.device)
    near = (at[:, None] - y[..., None, None]).square() + (at - x[..., None, None]).square()
    rival = score.masked_fill(near <= _RIVAL**2, -1.0).flatten(3).max(-1).values
    keep = inside & (peak > 0)
    tile, row, column = keep.nonzero().T
    return _Places(
        tile,
        column * (side // 2),
        row * (side // 2),
        x[keep] - reach,
        y[keep] - reach,
        (peak - rival)[keep],
    )


def _between(moving: _Side, reference: _Side, found: _Places, side: int) -> TilePoints:
    """Where between the pixels the windows' phases agree best."""
    taper = moving.taper(), reference.taper()
    one = _cut(moving.image, found, side), _cut(taper[0], found, side)
    shift = found.dx, found.dy
    two = _cut(reference.image, found, side, shift), _cut(taper[1], found, side, shift)
    hann = torch.hann_window(side, periodic=True, device=one[0].device)
    window = hann[:, None] * hann
    weight = window * one[1] * two[1]
    share = weight.sum((1, 2)) / window.sum()
    a, b = (torch.fft.rfft2(_centred(image, weight)) for image in (one[0], two[0]))
    cross = b * a.conj()
    power = cross.abs()
    fy = torch.fft.fftfreq(side, device=power.device)[:, None]
    fx = torch.fft.rfftfreq(side, device=power.device)
    # Every frequency of rfft2 but those of its first and last column stands for two.
    twice = torch.where((fx > 0) & (fx < 0.5), 2.0, 1.0)
    gain = twice * torch.exp(-0.5 * (fx**2 + fy**2) / _CUTOFF**2)
    gain = gain * ((fx.abs() + fy.abs()) > 0)
    typical = (gain * power).sum((1, 2), keepdim=True) / gain.sum()
    gain = gain / (power + _SOFT * typical + 1e-12)
    total = (gain * power).sum((1, 2), keepdim=True).clamp(min=1e-12)
    steps = round(_SPAN * _UPSAMPLING)
    at = torch.arange(-steps, steps + 1, device=power.device) / _UPSAMPLING
    rows = torch.exp(2j * math.pi * at[:, None] * fy[:, 0])
    columns = torch.exp(2j * math.pi * at[:, None] * fx)
    surface = (rows @ (gain * cross / total) @ columns.T).real.cpu().numpy().astype(np.float64)
    y, x = np.divmod(surface.reshape(len(surface), -1).argmax(axis=1), len(at))
    place, _, ok = vertex(surface, y, x)
    height = np.clip(surface[np.arange(len(surface)), y, x], 0.0, 1.0)
    lead = found.lead.cpu().numpy().astype(np.float64)
    probability = 1 / (1 + np.exp(-(_SCORE[0] + _SCORE[1] * lead + _SCORE[2] * height)))
    sigma = _sigma(height, gain * power / total, fx**2 + fy**2)
    ok &= (probability >= _LEAST) & (share >= _MIN_WEIGHT).cpu().numpy()
    start = _xy(found.left, found.top) + side / 2
    end = start + _xy(found.dx, found.dy) + (place - steps) / _UPSAMPLING
    tile = found.tile.cpu().numpy()
    return TilePoints(tile[ok], start[ok], end[ok], probability[ok], sigma[ok])


def _cut(
    x: Tensor, found: _Places, side: int, shift: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """(K, side, side) windows of (B, H, W), 0 beyond the tile's edge."""
    left, top = found.left, found.top
    if shift is not None:
        left, top = left + shift[0], top + shift[1]
    at = torch.arange(side, device=x.device)
    rows, columns = top[:, None] + at, left[:, None] + at
    height, width = x.shape[1:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None
    ]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    return x[found.tile[:, None, None], rows[:, :, None], columns[:, None]] * inside


def _centred(image: Tensor, weight: Tensor) -> Tensor:
    """Weighted windows without their mean."""
    total = weight.sum((1, 2), keepdim=True).clamp(min=1e-6)
    return (image - (image * weight).sum((1, 2), keepdim=True) / total) * weight


def _xy(x: Tensor, y: Tensor) -> Array:
    return torch.stack([x, y], 1).cpu().numpy().astype(np.float64)


def _sigma(height: Array, weight: Tensor, square: Tensor) -> Array:
    """(K,) standard deviations of peaks' places along one axis, from their heights.

    A height of h means phase errors of variance -2 ln h; the peak's place is their weighted mean
    slope, over the independent frequencies that the taper leaves.

    Args:
        height: (K,) in [0, 1].
        weight: (K, H, W) of the frequencies, 1 in sum.
        square: (H, W) squared frequencies in cycles per pixel.
    """
    omega = (2 * math.pi) ** 2 / 2 * square
    slope = (weight * omega).sum((1, 2)).clamp(min=1e-9)
    spread = (weight.square() * omega).sum((1, 2))
    gain = (spread * _DEPENDENT).sqrt().div(slope).cpu().numpy().astype(np.float64)
    height = np.clip(height, 0.05, 1.0)
    return np.asarray(np.hypot(_SIGMA, np.sqrt(-2 * np.log(height)) * gain / height))


def _on_valid(points: TilePoints, batch: TileBatch) -> TilePoints:
    """Only the points on valid pixels of both sides."""
    keep: npt.NDArray[np.bool_] = np.zeros(len(points), np.bool_)
    for tile in np.unique(points.tile):
        mine = points.tile == tile
        keep[mine] = valid_at(batch.moving_mask[tile], points.moving_xy[mine])
        keep[mine] &= valid_at(batch.reference_mask[tile], points.reference_xy[mine])
    return points.select(keep)


MATCHER = PhaseMatcher
