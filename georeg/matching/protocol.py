"""What goes into a matcher and what comes out: plain arrays, no rasters, no CRS, no torch.

Tile pixels are in edge convention: (0, 0) is the outer corner of the tile's first pixel. Both
tiles of a pair have the same shape and roughly overlie each other, because the moving one was
pre-warped by the current estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TileBatch:
    """Tile pairs of one shape.

    Attributes:
        moving: (B, H, W) in [0, 1], 0 where invalid.
        moving_mask: (B, H, W), True where valid.
        reference: (B, H, W).
        reference_mask: (B, H, W).
        radius: pixels from the same place within which a true match lies.
        goal: 'locate' (a rough displacement of a whole scene), 'track' (within some pixels of
            the estimate), 'refine' (the estimate is good to a pixel or so: be exact) or 'detail'
            (as 'refine', where displacements change from place to place: templates, where a
            matcher has some, that are smaller and closer to each other).
        many: whether they are some of the many tiles of a scene: templates needn't be small, then,
            for there to be enough of them.
        kept: what a matcher may keep of the reference for further batches: all that have this
            dictionary have the same reference, and go to the same matcher, in several threads. It
            goes when they do. None if nothing is to be kept.
    """

    moving: Image
    moving_mask: Mask
    reference: Image
    reference_mask: Mask
    radius: float
    goal: str = "track"
    many: bool = False
    kept: dict[Any, Any] | None = None

    def __len__(self) -> int:
        """Number of tile pairs."""
        return len(self.moving)

    def part(self, first: int, last: int) -> TileBatch:
        """Some of the pairs, in order."""
        cut = slice(first, last)
        return TileBatch(
            self.moving[cut],
            self.moving_mask[cut],
            self.reference[cut],
            self.reference_mask[cut],
            self.radius,
            self.goal,
            self.many,
        )


@dataclass(frozen=True, eq=False)
class Surfaces:
    """How likely each displacement of each template is.

    Attributes:
        tile: (K,) index of the tile pair.
        center: (K, 2) middle of the template in moving tile pixels.
        score: (K, 2 R + 1, 2 R + 1) similarity in [-1, 1]; element [k, R + j, R + i] belongs to
            the reference being (i, j) * step pixels away. NaN where it can't be told.
        step: pixels between displacements.
        size: side of the template in pixels.
        back: (K, 2 Q + 1, 2 Q + 1) the same the other way round, for the forward-backward check:
            the reference's template at the same place, the moving tile (i, j) * back_step pixels
            away. None if it wasn't looked at.
        back_step: pixels between displacements of `back`.
        structure: (K, 2) logarithm of how much there is to compare in a template: on the side that
            shows less of it, and on the other; None if that isn't known.
        reliability: what makes a template's best place likely: log odds of all, and per deviation
            of lead, per unit of each of `structure`; see georeg/search/peaks.py, whose own ones are
            taken if None.
    """

    tile: Index
    center: Array
    score: Image
    step: float
    size: float
    back: Image | None = None
    back_step: float = 0.0
    structure: Array | None = None
    reliability: tuple[float, ...] | None = None

    def __len__(self) -> int:
        """Number of templates."""
        return len(self.tile)

    @property
    def radius(self) -> int:
        """R, in steps."""
        return int(self.score.shape[-1] - 1) // 2

    def select(self, keep: npt.NDArray[np.bool_] | Index) -> Surfaces:
        """Some of the templates."""
        return replace(
            self,
            tile=self.tile[keep],
            center=self.center[keep],
            score=self.score[keep],
            back=None if self.back is None else self.back[keep],
            structure=None if self.structure is None else self.structure[keep],
        )

    def moved(self, offset: Array) -> Surfaces:
        """The same with centres `offset`, (2,) or (K, 2) pixels, further on."""
        return replace(self, center=self.center + offset)

    @classmethod
    def concat(cls, parts: Sequence[Surfaces]) -> Surfaces:
        """All templates of surfaces with the same radius and step.

        Raises:
            ValueError: there are no parts.
        """
        if not parts:
            raise ValueError("no surfaces: their radius and step are unknown")
        backs = [p.back for p in parts if p.back is not None]
        structure = [p.structure for p in parts if p.structure is not None]
        return cls(
            np.concatenate([p.tile for p in parts]),
            np.concatenate([p.center for p in parts]),
            np.concatenate([p.score for p in parts]),
            parts[0].step,
            parts[0].size,
            np.concatenate(backs) if len(backs) == len(parts) else None,
            parts[0].back_step,
            np.concatenate(structure) if len(structure) == len(parts) else None,
            parts[0].reliability,
        )


@dataclass(frozen=True, eq=False)
class TilePoints:
    """Point matches of a batch.

    Attributes:
        tile: (N,) index of the tile pair.
        moving_xy: (N, 2) in moving tile pixels.
        reference_xy: (N, 2) in reference tile pixels.
        score: (N,) in [0, 1].
        sigma: (N,) standard deviation in pixels.
    """

    tile: Index
    moving_xy: Array
    reference_xy: Array
    score: Array
    sigma: Array

    def __len__(self) -> int:
        """Number of matches."""
        return len(self.tile)

    def select(self, keep: npt.NDArray[np.bool_] | Index) -> TilePoints:
        """Some of the matches."""
        return TilePoints(
            self.tile[keep],
            self.moving_xy[keep],
            self.reference_xy[keep],
            self.score[keep],
            self.sigma[keep],
        )

    @classmethod
    def concat(cls, parts: Sequence[TilePoints]) -> TilePoints:
        """All matches."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([p.tile for p in parts]),
            np.concatenate([p.moving_xy for p in parts]),
            np.concatenate([p.reference_xy for p in parts]),
            np.concatenate([p.score for p in parts]),
            np.concatenate([p.sigma for p in parts]),
        )

    @classmethod
    def none(cls) -> TilePoints:
        """No matches."""
        return cls(
            np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0)
        )


@dataclass(frozen=True)
class Device:
    """Where and how a matcher computes.

    Attributes:
        name: cpu, cuda or cuda:N.
        dtype: float32, or float16 or bfloat16 for what networks can do in it (autocast); weights,
            softmaxes and coordinates are float32 always.
        seed: of everything random.
        compiled: whether networks go through torch.compile.
    """

    name: str = "cpu"
    dtype: str = "float32"
    seed: int = 0
    compiled: bool = False


@dataclass(frozen=True, eq=False)
class Weights:
    """What a trained matcher knows.

    Attributes:
        name: of the catalogue's entry, or of a file.
        states: tensors by name, under the names that the official code gives them, by layout
            (models/layouts): a matcher may need several files.
        options: how they were trained, where their tensors don't tell; see the catalogue.
    """

    name: str
    states: Mapping[str, Mapping[str, Any]]
    options: tuple[str, ...] = ()


class Matcher(Protocol):
    """Finds correspondences in tile pairs; knows nothing of rasters, CRS or files.

    A matcher is made as `MATCHER(device)`, or as `MATCHER(device, weights)` if it has `layouts`.

    Attributes:
        name: file name, and value of `--matcher`.
        layouts: layouts of the weights that it needs, the main one first; empty if none.
        tile: side of the tiles it likes, in pixels.
        small: side of those it takes where a scene has more than are to be matched: what changes
            from place to place is seen better by more of them that are closer to each other. As
            `tile`, if it needs to see as much at a time.
        reach: how far from a tile's edge it needs pixels (so neighbours overlap by twice that).
        limit: side of the largest image that it takes in one piece.
        scene: side of the image in which it looks for a whole scene ('locate').
        side_by_side: whether on a CPU several batches are best matched at a time, each in one
            thread, rather than one batch in all threads (as large networks are).
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def layouts(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def tile(self) -> int: ...  # noqa: D102
    @property
    def small(self) -> int: ...  # noqa: D102
    @property
    def reach(self) -> int: ...  # noqa: D102
    @property
    def limit(self) -> int: ...  # noqa: D102
    @property
    def scene(self) -> int: ...  # noqa: D102
    @property
    def side_by_side(self) -> bool: ...  # noqa: D102

    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        """Either points, or surfaces from which the engine reads the points."""
        ...
