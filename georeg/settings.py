"""What a user can decide about an alignment; the command line's options have the same names."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from georeg.errors import SettingsError

SEARCHES = ("normal", "wide")


@dataclass(frozen=True)
class Settings:
    """How to find the alignment. Lengths are in reference pixels unless said otherwise.

    Attributes:
        matcher: name of a matcher, or auto.
        transform: name of a transform model, or auto: the simplest one that predicts well.
        search: normal (rotation +-10 degrees, scale +-10 %) or wide (any rotation, scale 1/4..4).
        max_shift: largest shift to look for; 5 % of the overlap's diagonal, at least 64 working
            pixels, if None.
        georef: False ignores the moving raster's georeference, or does without one.
        moving_bands: 1-based bands to look at; chosen by the data if empty.
        reference_bands: the same of the reference.
        moving_modality: optical, sar, infrared, map, dem or auto.
        reference_modality: the same of the reference.
        moving_nodata: taken instead of the file's own nodata value.
        reference_nodata: the same of the reference.
        moving_crs: taken instead of the file's own CRS.
        reference_crs: the same of the reference.
        working_resolution: pixel size to work with, in map units of the reference; the coarser
            one of the two rasters if None.
        max_tiles: most tiles to match in full resolution.
        max_rmse: refuse if the error at left-out points is larger; no limit of its own if None.
        force: deliver even what isn't trustworthy, and mark it.
        seed: of everything random.
        threads: None for all processors.
        device: auto, cpu, cuda or cuda:N.
        memory: megabytes that tiles and blocks in the works may take.
    """

    matcher: str = "auto"
    transform: str = "auto"
    search: str = "normal"
    max_shift: float | None = None
    georef: bool = True
    moving_bands: tuple[int, ...] = ()
    reference_bands: tuple[int, ...] = ()
    moving_modality: str = "auto"
    reference_modality: str = "auto"
    moving_nodata: float | None = None
    reference_nodata: float | None = None
    moving_crs: str | None = None
    reference_crs: str | None = None
    working_resolution: float | None = None
    max_tiles: int = 256
    max_rmse: float | None = None
    force: bool = False
    seed: int = 0
    threads: int | None = None
    device: str = "auto"
    memory: int = 256

    def __post_init__(self) -> None:
        """Check what can be checked without the rasters.

        Raises:
            SettingsError: a value makes no sense.
        """
        if self.search not in SEARCHES:
            raise SettingsError(f"search '{self.search}' is none of {', '.join(SEARCHES)}")
        for name in ("max_shift", "working_resolution", "max_rmse"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise SettingsError(f"--{name.replace('_', '-')} must be above 0, not {value:g}")
        if self.max_tiles < 1:
            raise SettingsError(f"--max-tiles must be 1 or more, not {self.max_tiles}")
        if self.threads is not None and self.threads < 1:
            raise SettingsError(f"--threads must be 1 or more, not {self.threads}")
        if self.memory < 16:
            raise SettingsError(f"--memory must be 16 or more (MB), not {self.memory}")

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        return asdict(self)
