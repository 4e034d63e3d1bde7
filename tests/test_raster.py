"""Windows, reduced reads, bounded memory, threads and errors of `Raster`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling

import rasters
from georeg.errors import InputError, SettingsError
from georeg.grid import Window
from georeg.inputs import blocks
from georeg.inputs.opening import open_dataset
from georeg.raster import Raster

WHOLE = Window(0, 0, 60, 40)


def test_windows_beyond_the_edge(tmp_path: Path) -> None:
    pixels = rasters.ramp()
    with Raster(rasters.write(tmp_path / "a.tif", pixels)) as raster:
        read = raster.read(Window(-5, -3, 20, 10))
        assert read.mask.sum() == 15 * 7
        np.testing.assert_array_equal(read.data[0, 3:, 5:], pixels[0, :7, :15])
        assert (read.data[0][~read.mask] == 0).all()
        nothing = raster.read(Window(100, 100, 8, 6), (3, 4))
        assert nothing.data.shape == (1, 3, 4)
        assert not nothing.mask.any()


@settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    x=st.integers(-20, 70), y=st.integers(-20, 50), width=st.integers(1, 80),
    height=st.integers(1, 60), across=st.floats(1, 9), down=st.floats(1, 9),
)  # fmt: skip
def test_reduced_reads_are_block_means(
    tmp_path_factory: pytest.TempPathFactory,
    x: int, y: int, width: int, height: int, across: float, down: float,
) -> None:  # fmt: skip
    """Of the valid pixels of each block, wherever the window lies."""
    pixels = rasters.ramp(dtype="float32")
    pixels[0, 10:14, 20:33] = np.nan
    name = rasters.write(tmp_path_factory.mktemp("r") / "a.tif", pixels)
    shape = (max(1, int(height / down)), max(1, int(width / across)))
    padded = np.full((40 + 200, 60 + 200), np.nan)
    padded[100:140, 100:160] = pixels[0]
    cut = padded[100 + y : 100 + y + height, 100 + x : 100 + x + width]
    with Raster(name, nodata=-1) as raster:  # a nodata value of ours: averages of our own
        read = raster.read(Window(x, y, width, height), shape)
    rows = np.round(np.linspace(0, height, shape[0] + 1)).astype(int)
    columns = np.round(np.linspace(0, width, shape[1] + 1)).astype(int)
    for i in range(shape[0]):
        for j in range(shape[1]):
            block = cut[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            good = block[np.isfinite(block)]
            assert read.mask[i, j] == (good.size > 0)
            expected = good.mean() if good.size else 0.0
            assert read.data[0, i, j] == pytest.approx(expected, rel=1e-5)


def test_strips_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = rasters.ramp((200, 300), "uint16")
    pixels[0, 50:70, 100:180] = 5
    name = rasters.write(tmp_path / "a.tif", pixels)
    with Raster(name, nodata=5) as raster:
        window = Window(-10, 3, 290, 190)
        one = raster.read(window, (23, 31))
        monkeypatch.setattr(blocks, "STRIP", 300 * 7)
        many = raster.read(window, (23, 31))
    np.testing.assert_allclose(one.data, many.data, rtol=1e-6)
    np.testing.assert_array_equal(one.mask, many.mask)


def test_overviews_are_used(tmp_path: Path) -> None:
    pixels = np.full((1, 1024, 1024), 100, np.uint8)
    name = rasters.write(tmp_path / "a.tif", pixels, tiled=True)
    with rasterio.open(name, "r+") as file:
        file.build_overviews([2, 4, 8, 16], Resampling.average)
    with rasterio.open(name, "r+", OVERVIEW_LEVEL=3) as file:  # betray the one of factor 16
        assert file.shape == (64, 64)
    with rasterio.open(name, "r+") as file:
        file.write(np.full((1, 1024, 1024), 50, np.uint8))  # overviews still say 100
    with Raster(name) as raster:
        read = raster.read(Window(0, 0, 1024, 1024), (64, 64))
        assert (read.data == 100).all()
        assert (raster.read(Window(0, 0, 8, 8)).data == 50).all()


def test_threads_have_their_own_handles(tmp_path: Path) -> None:
    pixels = rasters.ramp((256, 256), "uint16")
    with Raster(rasters.write(tmp_path / "a.tif", pixels, tiled=True)) as raster:

        def read(k: int) -> bool:
            window = Window((k * 7) % 200, (k * 13) % 200, 50, 50)
            part = raster.read(window).data[0]
            expected = pixels[0, window.y : window.y + 50, window.x : window.x + 50]
            return bool((part == expected).all())

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(read, range(100)))


def test_threads_leave_warnings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters are the whole process's: one thread leaves while the next one still opens."""
    name = rasters.write(tmp_path / "a.tif", rasters.ramp(), transform=None, crs=None)
    real, both, one_left = rasterio.open, threading.Barrier(2, timeout=10), threading.Event()

    def slowly(*args: Any, **more: Any) -> Any:
        if both.wait() == 1:  # the second of the two goes on when the first one is done
            one_left.wait(10)
        return real(*args, **more)

    monkeypatch.setattr(rasterio, "open", slowly)

    def opened(_: int) -> None:
        open_dataset(name).close()
        one_left.set()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(opened, range(2))) == [None, None]
        assert list(warnings.filters) == before


_MEASURE = """
import sys
import numpy as np
from georeg.grid import Window
from georeg.radiometry import Radiometry, fit_radiometry
from georeg.raster import Raster
from georeg.pairing.views import View
def peak():
    # Not getrusage: its peak starts with that of the process that started this one.
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0])
name, nodata = sys.argv[1], None if sys.argv[2] == "-" else float(sys.argv[2])
with Raster(name, nodata=nodata) as raster:
    raster.read(Window(0, 0, 512, 512))
    before = peak()
    look = fit_radiometry(raster)
    side = raster.header.shape[0] // 16
    image, mask = View(raster, look, lambda xy: xy).look(Window(0, 0, side, side), 16.0)
    after = peak()
    assert mask.mean() > 0.99, mask.mean()
    print((after - before) / 1024, image[side // 2, side // 2], image[5, 5])
"""


@pytest.mark.parametrize(("overviews", "nodata"), [(True, "-"), (False, "-"), (False, "77")])
def test_memory_of_a_view_of_a_large_raster(tmp_path: Path, overviews: bool, nodata: str) -> None:
    """10 240 x 10 240 x 2 bytes are 200 MB, 400 as float32; a view takes a fraction of that."""
    side = 10240
    name = str(tmp_path / "large.tif")
    with rasterio.open(
        name, "w", driver="GTiff", height=side, width=side, count=1, dtype="uint16", tiled=True,
        SPARSE_OK="TRUE", crs="EPSG:32633", transform=rasters.TRANSFORM,
    ) as file:  # fmt: skip
        half = np.full((1, 1024, 1024), 1000, np.uint16)
        middle = side // 2 - 512
        file.write(half, window=rasterio.windows.Window(middle, middle, 1024, 1024))
    if overviews:
        with rasterio.open(name, "r+") as file:
            file.build_overviews([4, 16], Resampling.average)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, name, nodata],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
        env=_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown, inside, outside = (float(v) for v in done.stdout.split())
    assert grown < 130
    assert inside > outside


def _environment() -> dict[str, str]:
    return {**os.environ, "GDAL_CACHEMAX": "32", "OMP_NUM_THREADS": "1"}


def test_band_out_of_range(tmp_path: Path) -> None:
    with Raster(rasters.write(tmp_path / "a.tif", rasters.ramp(bands=2))) as raster:
        assert raster.check_bands([2, 1]) == (2, 1)
        with pytest.raises(SettingsError, match="has 2 band"):
            raster.check_bands([3])
        with pytest.raises(SettingsError, match="no band 0"):
            raster.check_bands([0])
        with pytest.raises(ValueError, match="can't read"):
            raster.read(WHOLE, (41, 60))


def test_unreadable(tmp_path: Path) -> None:
    text = tmp_path / "a.tif"
    text.write_text("this is no raster\n")
    for name, what in (
        (str(tmp_path / "missing.tif"), "no such file"),
        (str(text), "not a raster"),
        (str(tmp_path), "folder"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            Raster(name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_truncated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 65535, (1, 400, 400)).astype(np.uint16)
    name = rasters.write(
        tmp_path / "a.tif", pixels, compress="deflate", tiled=True, blockxsize=128, blockysize=128
    )
    content = Path(name).read_bytes()
    Path(name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"truncated|corrupt|opened"), Raster(name) as raster:
        raster.read(Window(0, 0, 400, 400))


LITTLE_MEMORY = """
import resource, sys
from georeg.grid import Window
from georeg.raster import Raster
with Raster(sys.argv[1]) as raster:
    pages = int(open("/proc/self/statm").read().split()[0])
    most = pages * resource.getpagesize() + 30_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        raster.read(Window(0, 0, 9, 9))
    except MemoryError:
        print("no memory")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_a_lack_of_memory_is_no_fault_of_the_file(tmp_path: Path) -> None:
    """It was called truncated or corrupt."""
    name = str(tmp_path / "a.tif")
    tile = {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "compress": "zstd"}
    size = {"width": 8192, "height": 8192, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        name, "w", driver="GTiff", transform=rasters.TRANSFORM, **size, **tile
    ) as file:
        file.write(np.ones((1, 8192, 8192), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, name], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("no memory\n", "")


def test_header_of_a_subset_of_things(tmp_path: Path) -> None:
    name = rasters.write(tmp_path / "a.tif", rasters.ramp(bands=2, dtype="int16"), nodata=-5)
    with rasterio.open(name, "r+") as file:
        file.set_band_description(1, "elevation")
        file.set_band_unit(1, "m")
    with Raster(name) as raster:
        header: Any = raster.header
        assert header.count == 2
        assert header.nodata == (-5, -5)
        assert header.descriptions[0] == "elevation"
        assert header.units[0] == "m"
        assert not header.masked
        assert header.grid is not None
        assert header.grid.metres_per_pixel() == pytest.approx((10, 10), rel=1e-3)
