"""Rasters whose numbers are colours of a palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

import rasters
from georeg.grid import Window
from georeg.inputs.header import colour_numbers
from georeg.raster import Raster
from georeg.warping import gdal_env, warp
from test_raster_kinds import whole


def test_palette(tmp_path: Path) -> None:
    pixels = np.zeros((1, 40, 60), np.uint8)
    pixels[0, :, 20:40] = 1
    pixels[0, :, 40:] = 2
    colours = {0: (255, 0, 0, 255), 1: (0, 255, 128, 255), 2: (9, 9, 9, 0)}
    name = rasters.write(tmp_path / "a.tif", pixels, photometric="palette")
    with rasterio.open(name, "r+") as file:
        file.write_colormap(1, colours)
    with Raster(name) as raster:
        read = raster.read(whole(raster))
        assert read.data[:, 5, 5].tolist() == [255, 0, 0]
        assert read.data[:, 5, 30].tolist() == [0, 255, 128]
        assert read.mask[:, :40].all()
    # Colours are averaged, never their numbers; GDAL's GTiff palettes lose alpha.
    with Raster(name) as raster:
        small = raster.read(Window(0, 0, 40, 40), (1, 1))
        np.testing.assert_allclose(small.data[:, 0, 0], [127.5, 127.5, 64], atol=0.5)


def test_transparent_palette(tmp_path: Path) -> None:
    pixels = np.repeat(np.arange(3, dtype=np.uint8), 20)[None, None].repeat(40, 1)
    name = rasters.write(tmp_path / "a.tif", pixels, photometric="palette")
    vrt = tmp_path / "a.vrt"
    rasterio.shutil.copy(name, str(vrt), driver="VRT")
    table = (
        "<ColorInterp>Palette</ColorInterp><ColorTable>"
        '<Entry c1="10" c2="20" c3="30" c4="255"/><Entry c1="40" c2="50" c3="60" c4="0"/>'
        '<Entry c1="70" c2="80" c3="90" c4="255"/></ColorTable>'
    )
    text = vrt.read_text()
    start = text.index("<ColorInterp>")
    end = text.index("</ColorTable>") + len("</ColorTable>") if "</ColorTable>" in text else start
    vrt.write_text(text[:start] + table + text[end:])
    with Raster(str(vrt)) as raster:
        read = raster.read(whole(raster))
        assert read.mask[0, :20].all()
        assert not read.mask[0, 20:40].any()
        assert read.data[:, 0, 50].tolist() == [70, 80, 90]


def with_palette(tmp_path: Path, dtype: str, entries: str) -> str:
    """A virtual raster of colour numbers 0, 1, 2 in three stripes, held as that type."""
    pixels = np.repeat(np.arange(3, dtype=np.uint8), 20)[None, None].repeat(40, 1)
    source = rasters.write(tmp_path / "numbers.tif", pixels)
    name = tmp_path / f"{dtype}.vrt"
    name.write_text(
        '<VRTDataset rasterXSize="60" rasterYSize="40"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>350000,10,0,5250000,0,-10</GeoTransform>"
        f'<VRTRasterBand dataType="{dtype}" band="1"><ColorInterp>Palette</ColorInterp>'
        f"<ColorTable>{entries}</ColorTable><SimpleSource>"
        f"<SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return str(name)


@pytest.mark.parametrize("dtype", ["Int16", "UInt32", "UInt64", "Float32", "Float64"])
def test_colour_numbers_of_any_type(tmp_path: Path, dtype: str) -> None:
    """As `gdal_translate -ot Float32 -of VRT` makes them of a raster with a palette."""
    name = with_palette(
        tmp_path,
        dtype,
        '<Entry c1="10" c2="20" c3="30" c4="255"/><Entry c1="40" c2="50" c3="60" c4="0"/>'
        '<Entry c1="70" c2="80" c3="90" c4="255"/>',
    )
    with gdal_env(1), Raster(name) as raster:
        read = raster.read(whole(raster))
        assert read.data[:, 0, 5].tolist() == [10, 20, 30]
        assert read.data[:, 0, 50].tolist() == [70, 80, 90]
        assert read.mask[0].tolist() == [True] * 20 + [False] * 20 + [True] * 20
        assert raster.header.grid is not None
        (block,) = warp(raster, raster.header.grid, lambda xy: xy)
        assert block.data[0, 0, [5, 50]].tolist() == [0, 2]


def test_colour_numbers_that_are_none() -> None:
    values = np.array([np.nan, np.inf, -np.inf, -3.0, 1e300, 2.0])
    *wrong, two = np.clip(colour_numbers(values), 0, 3).tolist()
    assert wrong == [3, 3, 3, 0, 3]
    assert two == 2


def test_an_empty_palette(tmp_path: Path) -> None:
    with Raster(with_palette(tmp_path, "Byte", "")) as raster:
        assert raster.header.palette is None
        assert raster.read(whole(raster)).data[0, 0, [5, 30, 50]].tolist() == [0, 1, 2]
