"""What rasters in a compound CRS show: GDAL says that all of their bands are in metres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

import rasters
import scenes
from cli_cases import texture
from georeg.radiometry import fit_radiometry
from georeg.raster import Raster


def seen_as(name: str) -> str:
    with Raster(name) as raster:
        return fit_radiometry(raster).modality


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("dtype", "unit", "expected"),
    [("uint8", None, "optical"), ("uint16", None, "optical"), ("uint16", "m", "dem"),
     ("int16", None, "dem")],
)  # fmt: skip
def test_unit_of_a_vertical_crs(
    tmp_path: Path, dtype: str, unit: str | None, expected: str, version: str
) -> None:
    """GDAL says "metre" for every band of a GeoTIFF whose CRS has heights; grey levels are none."""
    pixels = np.rint(20 + 200 * scenes.texture((100, 100))).astype(dtype)
    name = rasters.write(
        tmp_path / "a.tif", pixels[None], crs="EPSG:32633+5773", GEOTIFF_VERSION=version
    )
    if unit:
        with rasterio.open(name, "r+") as file:
            file.set_band_unit(1, unit)
    with rasterio.open(name) as file:
        assert file.units == (unit or "metre",)
    assert seen_as(name) == expected


def ground(rough: float) -> np.ndarray:
    """Heights in metres: hills, and crowns of trees as rough as any image."""
    grain = np.random.default_rng(3).uniform(0, rough, (150, 150))
    return 120 + 40 * scenes.texture((150, 150)) + grain


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (ground(0), None, "dem"),
        (ground(15), None, "dem"),
        (ground(15), "thermal", "infrared"),
        (0.05 + 0.4 * scenes.texture((150, 150)), None, "optical"),
        (np.rint(ground(15) * 20), None, "optical"),
        (np.random.default_rng(1).gamma(4, 0.02, (150, 150)), None, "sar"),
    ],
    ids=["terrain", "surface", "named", "reflectance", "scaled reflectance", "backscatter"],
)
def test_real_numbers_under_a_vertical_crs_are_heights_if_they_can_be(
    tmp_path: Path, values: np.ndarray, name: str | None, expected: str
) -> None:
    pixels = values.astype(np.float32)[None]
    path = rasters.write(tmp_path / "a.tif", pixels, crs="EPSG:32633+5773")
    if name:
        with rasterio.open(path, "r+") as file:
            file.set_band_description(1, name)
    with rasterio.open(path) as file:
        assert file.units == ("metre",)
    assert seen_as(path) == expected


def test_real_numbers_of_an_8_bit_picture(tmp_path: Path) -> None:
    """As smooth as terrain; with the picture itself it was aligned by its shading, a pixel off."""
    picture = np.rint(255 * texture(300))
    assert seen_as(rasters.write(tmp_path / "a.tif", picture[None].astype("uint8"))) == "optical"
    assert seen_as(rasters.write(tmp_path / "b.tif", picture[None].astype("float32"))) == "optical"
    gaps = np.where(picture < 30, np.nan, picture).astype("float32")
    assert seen_as(rasters.write(tmp_path / "c.tif", gaps[None])) == "optical"
    # Heights are whole numbers often, and real ones with fractions.
    assert seen_as(rasters.write(tmp_path / "d.tif", picture[None].astype("int16"))) == "dem"
    heights = (255 * texture(300)).astype("float32")
    assert seen_as(rasters.write(tmp_path / "e.tif", heights[None])) == "dem"
    grain = np.random.default_rng(1).gamma(4, 20, (300, 300)).clip(0, 255).astype("uint8")
    for dtype in ("uint8", "float32"):
        name = rasters.write(tmp_path / f"{dtype}.tif", grain[None].astype(dtype))
        assert seen_as(name) == "optical"


@pytest.mark.parametrize(("heights", "expected"), [("6360", "dem"), ("5703", "optical")])
def test_heights_in_feet_reach_further(tmp_path: Path, heights: str, expected: str) -> None:
    """The ground lies up to 14,500 ft high in California; 13,800 m high it lies nowhere."""
    pixels = (9000 + 40 * ground(15)).astype(np.float32)[None]
    assert (
        seen_as(rasters.write(tmp_path / "a.tif", pixels, crs=f"EPSG:2229+{heights}")) == expected
    )
