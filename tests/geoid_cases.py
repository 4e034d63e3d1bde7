"""A small geoid, as GTX and as GeoTIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from ortho_cases import LAT, LON

STEP = 0.1  # degrees between its nodes


def undulation(lon: float | np.ndarray, lat: float | np.ndarray) -> np.ndarray:
    """Metres from the ellipsoid up to the geoid; linear, so that interpolation is exact."""
    return np.asarray(45.0 + 3.0 * (np.asarray(lon) - LON) - 2.0 * (np.asarray(lat) - LAT))


def make_geoid(
    path: Path,
    middle: tuple[float, float] = (LON, LAT),
    height: float | None = None,
    reach: int = 10,
) -> str:
    """A grid around the scene, of one height or `undulation`; the suffix picks the format."""
    n = 2 * reach + 1
    lon = middle[0] + STEP * (np.arange(n) - reach)
    lat = middle[1] - STEP * (np.arange(n) - reach)
    values = undulation(*np.meshgrid(lon, lat)).astype(np.float32)
    if height is not None:
        values[:] = height
    driver = "GTX" if path.suffix == ".gtx" else "GTiff"
    place = Affine(STEP, 0, lon[0] - STEP / 2, 0, -STEP, lat[0] + STEP / 2)
    with rasterio.open(
        path, "w", driver=driver, width=n, height=n, count=1, dtype="float32", crs="EPSG:4326",
        transform=place,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return str(path)
