"""A mapping sampled at coarse nodes, close enough that interpolating between them is exact enough.

A mapping tells for positions in an output image where they lie in a source image. Evaluating a
thin-plate spline or a chain of projections for every pixel is slow; evaluating it at nodes and
interpolating is as good, provided that somebody looks how wrong the interpolation is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.grid import Window

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Mapping = Callable[[Array], Array]
"""(N, 2) output pixel positions -> (N, 2) source pixel positions, both in edge convention
((0, 0) is the outer corner of the upper-left pixel); not finite where undefined."""

MIN_STEP = 4
_FIRST = 64  # step to begin with
_FINEST = 2  # step over a surface, before every pixel gets a node
_ROWS = 128  # of pixels that are interpolated at a time
_CLOSER = 16  # times at most that a small source is looked for more closely
_FAR = 1e9  # further out than any raster, and still a whole number that an int can hold


@dataclass(frozen=True, eq=False)
class Nodes:
    """Source positions at the corners of square cells of the output image.

    Attributes:
        x: output column (edge convention, whole pixels) of the first node.
        y: output row of the first node.
        step: output pixels between nodes, along both axes.
        xy: (rows, columns, 2) source positions (x, y); not finite where undefined.
        error: the largest error of bilinear interpolation that was seen at the check points, in
            source pixels, infinite where the mapping ends inside a cell.
        centred: whether there is a node at the centre of every pixel instead of at corners; then
            the first one is that of column x, row y, and the step is 1.
    """

    x: int
    y: int
    step: int
    xy: Array
    error: float
    centred: bool = False

    @property
    def start(self) -> tuple[float, float]:
        """Output position (x, y) of the first node."""
        half = 0.5 if self.centred else 0.0
        return self.x + half, self.y + half

    def crop(self, window: Window) -> Nodes:
        """The nodes of the cells that cover a window within these nodes."""
        if self.centred:
            top, left = window.y - self.y, window.x - self.x
            xy = self.xy[top : top + window.height, left : left + window.width]
            return Nodes(window.x, window.y, 1, xy, self.error, True)
        left, top, right, bottom = _cells(window, self.step)
        left, right = left - self.x // self.step, right - self.x // self.step
        top, bottom = top - self.y // self.step, bottom - self.y // self.step
        xy = self.xy[top : bottom + 1, left : right + 1]
        return Nodes(self.x + left * self.step, self.y + top * self.step, self.step, xy, self.error)

    def source_window(self, margin: int = 0) -> Window | None:
        """The source pixels that lie under the cells, with a margin; None if there are none."""
        used = self._used()
        seen = self.xy.reshape(-1, 2) if used.all() else self.xy[used]
        if not len(seen):
            return None
        ends = np.stack([seen.min(axis=0), seen.max(axis=0)])
        return Window.around(np.clip(ends, -_FAR, _FAR), margin)

    def within(self, source: Window) -> bool:
        """Whether all of them are defined and lie on these source pixels."""
        start = (source.x, source.y)
        end = (source.x + source.width, source.y + source.height)
        return all(
            self.xy[..., axis].min() >= start[axis] and self.xy[..., axis].max() <= end[axis]
            for axis in (0, 1)
        )

    def interpolate(self, xy: Array) -> Array:
        """(N, 2) output positions within the nodes -> (N, 2) source positions."""
        column, fx = _locate(xy[:, 0], self.start[0], self.step, self.xy.shape[1])
        row, fy = _locate(xy[:, 1], self.start[1], self.step, self.xy.shape[0])
        fx, fy = fx[:, None], fy[:, None]
        top = self.xy[row, column] * (1 - fx) + self.xy[row, column + 1] * fx
        bottom = self.xy[row + 1, column] * (1 - fx) + self.xy[row + 1, column + 1] * fx
        return np.asarray(top * (1 - fy) + bottom * fy)

    def dense(
        self, window: Window, origin: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Maps for cv2.remap: where in the source the centre of every pixel of a window lies.

        Args:
            window: output pixels, within the nodes.
            origin: source position (x, y) of the array that will be given to cv2.remap; float32
                can't hold large coordinates exactly, so the maps are relative to it.

        Returns:
            Two (rows, columns) arrays in OpenCV's convention, in which (0, 0) is the centre of
            the first pixel; NaN where undefined.
        """
        shift = np.asarray(origin, np.float64) + 0.5
        maps = np.empty((2, *window.shape), np.float32)
        self._between(window, np.moveaxis(self.xy - shift, -1, 0), maps)
        return maps[0], maps[1]

    def centres(self, window: Window) -> Array:
        """(rows, columns, 2) source positions of a window's pixel centres."""
        full = np.empty((2, *window.shape))
        self._between(window, np.moveaxis(self.xy, -1, 0), full)
        return np.ascontiguousarray(np.moveaxis(full, 0, -1))

    def _between(self, window: Window, values: Array, out: npt.NDArray[Any]) -> None:
        """Values of the nodes, at a window's pixel centres, to `out`; NaN where undefined.

        In the precision of `out`, and some rows at a time: what is computed in between stays in
        the cache.

        Args:
            window: output pixels, within the nodes.
            values: (2, rows, columns), of the nodes.
            out: (2, rows, columns), of the pixels.
        """
        column, fx = _locate(
            _ramp(window.width, window.x)[:-1] + 0.5, self.start[0], self.step, values.shape[2]
        )
        row, fy = _locate(
            _ramp(window.height, window.y)[:-1] + 0.5, self.start[1], self.step, values.shape[1]
        )
        values = np.clip(values, -_FAR, _FAR).astype(out.dtype)
        fx, fy = fx.astype(out.dtype), fy.astype(out.dtype)[:, None]
        wide = np.take(values, column, axis=2) * (1 - fx)
        wide += np.take(values, column + 1, axis=2) * fx
        part, other = np.empty((2, 2, min(_ROWS, window.height), window.width), out.dtype)
        for first in range(0, window.height, _ROWS):
            some = slice(first, min(first + _ROWS, window.height))
            part, other = part[:, : some.stop - first], other[:, : some.stop - first]
            # Clipping indices, which none needs, lets NumPy write to where it shall.
            np.take(wide, row[some], axis=1, out=part, mode="clip")
            np.take(wide, row[some] + 1, axis=1, out=other, mode="clip")
            part *= 1 - fy[some]
            other *= fy[some]
            np.add(part, other, out=out[:, some])

    def defined(self, window: Window) -> Mask | None:
        """(rows, columns) mask of the pixels in cells that are wholly defined; None for all."""
        if self.centred:
            there = _finite(self.crop(window).xy)
            return None if there.all() else there
        cells = self.defined_cells()
        if cells.all():
            return None
        rows = (np.arange(window.height) + (window.y - self.y)) // self.step
        columns = (np.arange(window.width) + (window.x - self.x)) // self.step
        return np.asarray(cells[rows[:, None], columns[None, :]])

    def defined_cells(self) -> Mask:
        """(rows - 1, columns - 1) whether all four corners of a cell are defined."""
        ok = _finite(self.xy)
        return np.asarray(ok[:-1, :-1] & ok[1:, :-1] & ok[:-1, 1:] & ok[1:, 1:])

    def _used(self) -> Mask:
        """The corners of the defined cells."""
        if self.centred:
            return _finite(self.xy)
        cells = self.defined_cells()
        used = np.zeros(self.xy.shape[:2], np.bool_)
        for corner in np.ndindex(2, 2):
            used[corner[0] :, corner[1] :][: cells.shape[0], : cells.shape[1]] |= cells
        return used


def sample_nodes(
    mapping: Mapping,
    window: Window,
    tolerance: float = 0.05,
    step: int = _FIRST,
    *,
    finest: int = MIN_STEP,
    every_pixel: bool = False,
    give_up: bool = False,
) -> Nodes:
    """The mapping at nodes that cover a window, close enough for bilinear interpolation.

    Interpolation is checked at the centres and edge midpoints of all cells; cells where it is
    wrong by more than the tolerance are halved, down to `finest`. The points of the check are
    kept as nodes, so what is returned is finer, and better, than what passed.

    Nodes lie on multiples of the step in the output image, and whether a cell is halved depends
    on that cell alone, also for cells just outside the window. So two windows that meet agree on
    their common nodes, and the output does not depend on how it is cut into blocks.

    Args:
        mapping: called with (N, 2) positions in and somewhat around the window.
        window: output pixels; not empty.
        tolerance: source pixels.
        step: output pixels, a power of two times `MIN_STEP`.
        finest: least step, a power of two.
        every_pixel: where that isn't fine enough (a mapping over a surface model jumps from pixel
            to pixel), evaluate every pixel's centre; the nodes are centred then.
        give_up: where that isn't fine enough, stop at once, with an error above the tolerance.
    """
    left, top, right, bottom = _cells(window, step)
    # One more cell on every side: a halved neighbour moves the nodes on the common edge.
    x0, y0 = (left - 1) * step, (top - 1) * step
    rows, columns = bottom - top + 2, right - left + 2
    xy = _evaluate(mapping, *np.meshgrid(_ramp(columns, x0, step), _ramp(rows, y0, step)))
    active, rough = np.ones((rows, columns), np.bool_), np.zeros((rows, columns), np.bool_)
    spacing, seen, missed = step, 0.0, 0.0
    while spacing > finest and active.any():
        spacing //= 2
        xy, worst = _finer(mapping, xy, active, (x0, y0), spacing, step // spacing)
        done = active & ((worst <= tolerance) | (spacing == finest))
        new = done & (worst > tolerance)
        if every_pixel or give_up:
            # Jumps shrink with the step at best: where that won't do, why go on?
            new |= active & (worst * finest / (2 * spacing) > tolerance)
        rough |= new
        seen = max(seen, float(worst[done & ~rough].max(initial=0.0)))
        missed = max(missed, float(worst[new].max(initial=0.0)))
        active &= ~(done | new)
        if give_up and rough[1:-1, 1:-1].any():
            break
    ring = step // spacing
    inner = Nodes(left * step, top * step, spacing, xy[ring:-ring, ring:-ring], seen)
    if not rough[1:-1, 1:-1].any():
        return inner
    if every_pixel:
        return _centred(mapping, window, inner, rough[1:-1, 1:-1], step)
    return replace(inner, error=missed)


def surface_nodes(
    mapping: Mapping, window: Window, tolerance: float, detail: float, *, every_pixel: bool = True
) -> Nodes | None:
    """The mapping over a surface that may bend from one of its pixels to the next.

    Nodes that are further apart than the surface's pixels would miss what stands between them, so
    the first ones aren't; where interpolation between them is wrong, every pixel is evaluated.
    The result does not depend on how the output is cut into windows.

    Args:
        mapping: as for `sample_nodes`.
        window: output pixels; not empty.
        tolerance: source pixels.
        detail: output pixels that are one pixel of the surface.
        every_pixel: whether every pixel may be evaluated, which takes memory; else None is
            returned where it would be.
    """
    if detail < _FINEST:
        if not every_pixel:
            return None
        x, y = np.meshgrid(_ramp(window.width, window.x), _ramp(window.height, window.y))
        xy = _evaluate(mapping, x[:-1, :-1] + 0.5, y[:-1, :-1] + 0.5)
        return Nodes(window.x, window.y, 1, xy, 0.0, True)
    step = max(MIN_STEP, min(_FIRST, 2 ** int(math.log2(detail))))
    # A bend that shows at the middle between two nodes may be twice as large beside it.
    nodes = sample_nodes(
        mapping, window, tolerance / 2, step,
        finest=_FINEST, every_pixel=every_pixel, give_up=not every_pixel,
    )  # fmt: skip
    return nodes if every_pixel or nodes.error <= tolerance / 2 else None


def _finer(
    mapping: Mapping, xy: Array, active: Mask, start: tuple[int, int], spacing: int, parts: int
) -> tuple[Array, Array]:
    """Nodes at half the step, exact ones in active cells; and how wrong each cell had been."""
    rows, columns = active.shape
    fine, known = _halve(xy)
    wanted = _spread(active, parts) & ~known
    i, j = np.nonzero(wanted)
    at_x = _ramp(columns * parts, start[0], spacing)[j]
    at_y = _ramp(rows * parts, start[1], spacing)[i]
    exact = _evaluate(mapping, at_x, at_y)
    error = np.zeros(wanted.shape)
    error[i, j] = _distance(exact, fine[i, j])
    fine[i, j] = exact
    finite = _finite(fine)
    ends_inside = _per_cell(finite, parts) & _per_cell(~finite, parts)
    return fine, np.where(ends_inside, np.inf, _per_cell(error, parts))


def _centred(mapping: Mapping, window: Window, nodes: Nodes, rough: Mask, step: int) -> Nodes:
    """Positions at the pixels' centres: exact ones in rough cells, interpolated ones elsewhere."""
    x = np.arange(window.x, window.x + window.width) // step - nodes.x // step
    y = np.arange(window.y, window.y + window.height) // step - nodes.y // step
    exact = rough[y[:, None], x[None, :]]
    xy = nodes.centres(window)
    row, column = np.nonzero(exact)
    centre_x = _ramp(window.width, window.x)[:-1] + 0.5
    centre_y = _ramp(window.height, window.y)[:-1] + 0.5
    xy[exact] = _evaluate(mapping, centre_x[column], centre_y[row])
    return Nodes(window.x, window.y, 1, xy, nodes.error, True)


def sampling_ratio(
    mapping: Mapping, window: Window, source_shape: tuple[int, int], per_side: int = 21
) -> tuple[float, float]:
    """Source pixels under one output pixel along the source's x and y: above 1 means downsampling.

    The median over the output window where it falls onto the source, (1.0, 1.0) if nowhere. A
    source that is small in the window, so that none of the places looked at falls onto it, is
    looked for around the one that comes nearest.
    Rotation does not count as downsampling: the two are lengths of an output pixel as seen along
    the source's axes, not the sides of its bounding box.

    Args:
        mapping: from output pixels to source pixels.
        window: output pixels.
        source_shape: (rows, columns).
        per_side: places to look at along a side of the window.
    """
    low = np.array([window.x + 0.5, window.y + 0.5])
    high = low + [window.width - 1, window.height - 1]
    size = np.array(source_shape[::-1], np.float64)
    for _ in range(_CLOSER):
        x, y = (np.linspace(*ends, per_side) for ends in zip(low, high, strict=True))
        at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        here, length = _lengths(mapping, at)
        with np.errstate(invalid="ignore"):
            away = np.hypot(*np.maximum(np.maximum(-here, here - size), 0.0).T)
        inside = length[(away == 0) & np.isfinite(length).all(axis=1)]
        if len(inside):
            ratio = np.median(inside, axis=0)
            return float(ratio[0]), float(ratio[1])
        spacing = (high - low) / max(1, per_side - 1)
        if spacing.max() < 1 or not np.isfinite(away).any():
            break
        nearest = at[np.argmin(np.where(np.isfinite(away), away, np.inf))]
        low, high = np.maximum(nearest - spacing, low), np.minimum(nearest + spacing, high)
    return 1.0, 1.0


def _lengths(mapping: Mapping, at: Array) -> tuple[Array, Array]:
    """(N, 2) where output positions lie in the source, and an output pixel's lengths along x, y."""
    steps = np.array([[0, 0], [0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    with np.errstate(all="ignore"):
        found = mapping((at + steps[:, None]).reshape(-1, 2)).reshape(len(steps), -1, 2)
        here, right, left, below, above = found
        return here, np.hypot(right - left, below - above)


def _cells(window: Window, step: int) -> tuple[int, int, int, int]:
    """First column and row of the cells that cover a window, and those after the last."""
    right, bottom = window.x + window.width, window.y + window.height
    return window.x // step, window.y // step, -(-right // step), -(-bottom // step)


def _ramp(cells: int, start: int, step: int = 1) -> Array:
    """The edges of cells."""
    return np.asarray(np.arange(cells + 1, dtype=np.float64) * step + start)


def _evaluate(mapping: Mapping, x: Array, y: Array) -> Array:
    if not x.size:
        return np.empty((*x.shape, 2))
    with np.errstate(all="ignore"):
        xy = np.array(mapping(np.stack([x.ravel(), y.ravel()], axis=1)), np.float64)
    xy[~_finite(xy)] = np.nan
    return xy.reshape(*x.shape, 2)


def _finite(xy: Array) -> Mask:
    """Where both coordinates are; NumPy is slow along short axes."""
    return np.asarray(np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1]))


def _halve(xy: Array) -> tuple[Array, Mask]:
    """Nodes at half the step, bilinearly interpolated, and which of them were there before."""
    rows, columns = xy.shape[:2]
    fine = np.empty((2 * rows - 1, 2 * columns - 1, 2))
    fine[::2, ::2] = xy
    fine[::2, 1::2] = (xy[:, :-1] + xy[:, 1:]) / 2
    fine[1::2] = (fine[:-1:2] + fine[2::2]) / 2
    known = np.zeros(fine.shape[:2], np.bool_)
    known[::2, ::2] = True
    return fine, known


def _distance(exact: Array, guess: Array) -> Array:
    """Zero where one is undefined."""
    apart = np.hypot(*(exact - guess).T)
    return np.where(np.isfinite(apart), apart, 0.0)


def _spread(cells: Mask, parts: int) -> Mask:
    """The nodes, `parts` to a cell, that lie in or on the edge of the marked cells."""
    blocks = np.repeat(np.repeat(cells, parts, axis=0), parts, axis=1)
    nodes = np.zeros((blocks.shape[0] + 1, blocks.shape[1] + 1), np.bool_)
    for dy, dx in np.ndindex(2, 2):
        nodes[dy : dy + blocks.shape[0], dx : dx + blocks.shape[1]] |= blocks
    return nodes


def _per_cell(values: npt.NDArray[Any], parts: int) -> npt.NDArray[Any]:
    """The largest value at the nodes in or on the edge of every cell."""
    rows, columns = ((n - 1) // parts for n in values.shape)
    inner = values[:-1].reshape(rows, parts, -1).max(axis=1)
    values = np.maximum(inner, values[parts::parts])
    inner = values[:, :-1].reshape(rows, columns, parts).max(axis=2)
    return np.asarray(np.maximum(inner, values[:, parts::parts]))


def _locate(
    position: Array, start: float, step: int, count: int
) -> tuple[npt.NDArray[np.int64], Array]:
    """Index of the node before a position, and how far it is to the next one (0..1)."""
    at = (position - start) / step
    index = np.clip(np.floor(at).astype(np.int64), 0, max(0, count - 2))
    return index, at - index
