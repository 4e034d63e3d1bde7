import numpy as np
import pytest
import rasterio

from georeg.errors import OutputError
from georeg.writers.tiff import check_whole, is_bigtiff, rename_domain
from warp_cases import gdalinfo, holes, save, texture


def files(folder):
    values = np.stack([texture(300, 300, seed=k) for k in range(2)]).astype("uint16")
    tiled = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    return [
        save(folder / "tiled.tif", values, **tiled, compress="deflate"),
        save(folder / "strips.tif", values),
        save(folder / "one strip.tif", values, blockysize=300),
        save(folder / "band.tif", values, **tiled, interleave="band"),
        save(folder / "big.tif", values, **tiled, bigtiff="yes"),
        save(folder / "motorola.tif", values, endianness="big"),
        save(folder / "big motorola.tif", values, endianness="big", bigtiff="yes"),
        save(folder / "mask.tif", values, **tiled, mask=~holes(300, 300)),
        save(folder / "dot.tif", values[:, :1, :1]),
    ]


def test_whole_files_pass(tmp_path):
    for path in files(tmp_path):
        with rasterio.open(path, "r+") as dataset:
            if dataset.width > 1:
                dataset.build_overviews([2, 4])
        assert check_whole(path) == (6 if "mask" in path else 3 if "dot" not in path else 1)
        assert is_bigtiff(path) == ("big" in path)


def test_cut_files_fail(tmp_path):
    for path in files(tmp_path):
        with open(path, "rb") as file:
            content = file.read()
        for part in (0, 1, 7, 100, len(content) // 2, len(content) - 1):
            with open(path, "wb") as file:
                file.write(content[:part])
            with pytest.raises(OutputError, match=r"out\.tif is incomplete"):
                check_whole(path, "out.tif")


def test_missing_blocks_fail_unless_allowed(tmp_path):
    path = str(tmp_path / "a.tif")
    settings = {"driver": "GTiff", "width": 300, "height": 300, "count": 1, "dtype": "uint8"}
    blocks = {"tiled": True, "blockxsize": 128, "blockysize": 128, "sparse_ok": True}
    with rasterio.open(path, "w", **settings, **blocks) as dataset:
        dataset.write(np.ones((1, 128, 128), "uint8"), window=((0, 128), (0, 128)))
    with pytest.raises(OutputError, match="8 of 9 blocks are missing"):
        check_whole(path)
    assert check_whole(path, sparse=True) == 1


def test_not_a_tiff(tmp_path):
    path = tmp_path / "a.tif"
    for content in (
        b"",
        b"II",
        b"PNG and so on and so on",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0" + b"\0" * 4,
    ):
        path.write_bytes(content)
        with pytest.raises(OutputError):
            check_whole(str(path))


@pytest.mark.parametrize("bigtiff", ["yes", "no"])
def test_rename_domain(tmp_path, bigtiff):
    path = save(tmp_path / "a.tif", texture(20, 20), bigtiff=bigtiff)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, ns="PARKED", wavelength="5", text='domain="PARKED"')
        dataset.update_tags(ns="PARKED2", other="6")
    size = (tmp_path / "a.tif").stat().st_size
    rename_domain(path, "PARKED")
    assert (tmp_path / "a.tif").stat().st_size == size
    info = gdalinfo(path, "-mdd", "all")
    assert info["bands"][0]["metadata"] == {"": {"wavelength": "5", "text": 'domain="PARKED"'}}
    assert info["metadata"]["PARKED2"] == {"other": "6"}
    plain = save(tmp_path / "b.tif", texture(20, 20))
    before = (tmp_path / "b.tif").read_bytes()
    rename_domain(plain, "PARKED")
    assert (tmp_path / "b.tif").read_bytes() == before
