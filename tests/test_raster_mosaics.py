"""Virtual rasters whose sources are gone or damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import rasterio.shutil

import rasters
from georeg.errors import InputError
from georeg.grid import Window
from georeg.raster import Raster
from georeg.warping import gdal_env, layout_of, read_original

SIDE = 1200  # large enough for GDAL to read several tiles at once
WHOLE = Window(0, 0, 2 * SIDE, 2 * SIDE)


def test_a_virtual_raster_without_its_source(tmp_path: Path) -> None:
    """It was called truncated or corrupt."""
    source = rasters.write(tmp_path / "tile.tif", rasters.ramp())
    rasterio.shutil.copy(source, tmp_path / "all.vrt", driver="VRT")
    Path(source).unlink()
    said = r"all\.vrt can't be decoded: .*tile\.tif: No such file"
    with pytest.raises(InputError, match=said), Raster(str(tmp_path / "all.vrt")) as raster:
        raster.read(Window(0, 0, 9, 9))


def virtual(path: Path, sources: list[str], side: int) -> str:
    """A virtual raster of square sources, two of them side by side."""
    parts = [
        f"<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand>"
        f'<SourceProperties RasterXSize="{side}" RasterYSize="{side}" DataType="Byte" '
        f'BlockXSize="{side}" BlockYSize="6" />'
        f'<SrcRect xOff="0" yOff="0" xSize="{side}" ySize="{side}" />'
        f'<DstRect xOff="{k % 2 * side}" yOff="{k // 2 * side}" xSize="{side}" ySize="{side}" />'
        "</SimpleSource>"
        for k, source in enumerate(sources)
    ]
    path.write_text(
        f'<VRTDataset rasterXSize="{WHOLE.width}" rasterYSize="{WHOLE.height}">'
        "<SRS>EPSG:32633</SRS><GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1">{"".join(parts)}</VRTRasterBand></VRTDataset>'
    )
    return str(path)


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize("harm", [remove, cut])
@pytest.mark.parametrize("nested", [False, True])
def test_a_mosaic_with_a_tile_that_is_gone_or_damaged(
    tmp_path: Path, harm: Callable[[Path], None], nested: bool
) -> None:
    """GDAL's threads made zeros of it without a word, where several tiles were read at once."""
    tiles = [
        rasters.write(tmp_path / f"{k}.tif", np.full((1, SIDE, SIDE), k + 1, np.uint8))
        for k in range(4)
    ]
    name = virtual(tmp_path / "all.vrt", tiles, SIDE)
    if nested:
        name = virtual(tmp_path / "outer.vrt", [name], 2 * SIDE)
    with gdal_env(), Raster(name) as raster:
        assert raster.read(WHOLE).data[0, ::SIDE, ::SIDE].tolist() == [[1, 2], [3, 4]]
    harm(tmp_path / "3.tif")
    with gdal_env(), Raster(name) as raster, pytest.raises(InputError, match="can't be decoded"):
        raster.read(WHOLE)
    with gdal_env(), Raster(name) as raster, pytest.raises(InputError, match="can't be decoded"):
        read_original(raster, raster.dataset(), WHOLE, layout_of(raster))


@pytest.mark.parametrize("named", ["{0}", "GTI:{0}", "index.gti"])
def test_a_tile_index_without_a_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """GDAL makes zeros of the place of a missing tile, and calls them valid."""
    monkeypatch.chdir(tmp_path)
    right = rasters.TRANSFORM @ rasters.TRANSFORM.translation(300, 0)
    tiles = [
        rasters.write("left.tif", rasters.ramp((40, 300), "uint16")),
        rasters.write("right.tif", rasters.ramp((40, 300), "uint16"), transform=right),
    ]
    name = named.format(rasters.tile_index(tmp_path / "tiles.gti.gpkg", tiles))
    Path("index.gti").write_text(
        "<GDALTileIndexDataset><IndexDataset>tiles.gti.gpkg</IndexDataset></GDALTileIndexDataset>"
    )
    with Raster(name) as raster:
        assert raster.read(Window(0, 0, 600, 40)).data.min() > 0
        assert raster.decoded_at_once()[1] == 300
    Path("right.tif").write_bytes(b"")
    with pytest.raises(InputError, match=r"1 of its 2 tiles are missing or empty \(right\.tif\)"):
        Raster(name)


def test_a_tile_index_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only GDAL can look for its tiles, as on a server: none of them is called missing."""
    monkeypatch.chdir(tmp_path)
    tiles = [rasters.write("a.tif", rasters.ramp())]
    with ZipFile("all.zip", "w") as archive:
        archive.write(rasters.tile_index(Path("tiles.gti.gpkg"), tiles))
        archive.write("a.tif")
    Path("a.tif").unlink()
    with Raster(f"/vsizip/{tmp_path}/all.zip/tiles.gti.gpkg") as found:
        assert found.read(Window(0, 0, 60, 40)).data.min() > 0
