import sys
import threading

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio._err import CPLE_OutOfMemoryError
from rasterio.enums import ColorInterp, Resampling
from rasterio.env import get_gdal_config
from rasterio.errors import RasterioIOError
from rasterio.warp import reproject

from georeg.errors import SettingsError
from georeg.raster import Raster
from georeg.warping import WarpOptions, gdal_env, warp
from warp_cases import (
    AT,
    centres,
    coordinates,
    grid,
    holes,
    run,
    save,
    shift,
    similarity,
    texture,
    wavy,
)

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
INSIDE = 4  # source pixels from the edge, where kernels are whole


def position_error(path, source_shape, shape, mapping, **options):
    """Largest distance between where pixels came from and where they should, away from edges."""
    data, _ = run(path, shape, mapping, **options)
    truth = mapping(centres(*shape)).T.reshape(2, *shape)
    rows, columns = source_shape
    margin = options.pop("margin", INSIDE)
    well = (truth > margin).all(axis=0) & (truth[0] < columns - margin) & (truth[1] < rows - margin)
    assert well.mean() > 0.2
    assert np.isfinite(data[:, well]).all()
    return np.hypot(*(data - truth))[well].max()


@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos"])
@pytest.mark.parametrize(
    "mapping",
    [
        shift(3.0, -2.0),
        shift(0.37, 10.81),
        similarity(30, 1.0, (150, 150), (200, 160)),
        similarity(-77, 1.0, (150, 150), (200, 160)),
        similarity(0, 0.5, (150, 150), (200, 160)),
        wavy,
    ],
    ids=["whole shift", "shift", "30 degrees", "-77 degrees", "scale 0.5", "field"],
)
def test_positions(tmp_path, method, mapping):
    path = save(tmp_path / "a.tif", coordinates(340, 400))
    assert position_error(path, (340, 400), (300, 300), mapping, resampling=method) <= 0.05


@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos", "average"])
def test_positions_downsampled(tmp_path, method):
    path = save(tmp_path / "a.tif", coordinates(800, 800))
    mapping = similarity(0, 4.0, (90, 90), (402.5, 398.25))
    data, _ = run(path, (180, 180), mapping, resampling=method)
    truth = mapping(centres(180, 180)).T.reshape(2, 180, 180)
    well = (truth > 20).all(axis=0) & (truth < 780).all(axis=0)
    # A quarter of an output pixel is one source pixel: the kernels' own quantization.
    assert np.hypot(*(data - truth))[well].max() <= 4 * 0.05


def test_nearest_takes_the_pixel_under_the_centre(tmp_path):
    path = save(tmp_path / "a.tif", coordinates(340, 400))
    mapping = similarity(30, 1.0, (150, 150), (200, 160))
    data, _ = run(path, (300, 300), mapping, resampling="nearest", tolerance=1e-6)
    truth = mapping(centres(300, 300)).T.reshape(2, 300, 300)
    well = np.isfinite(data).all(axis=0)
    away = np.abs(truth - np.round(truth)) > 1e-3  # not on an edge between two pixels
    expected = np.floor(truth) + 0.5
    assert (data == expected)[:, well][away[:, well]].all()
    assert well.mean() > 0.6


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float64"])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "lanczos", "average", "mode"])
@pytest.mark.parametrize("by", [(3.4, 5.7), (-6.6, -5.3), (-8, 7), (-0.5, 0.5)])
def test_same_as_gdal_for_a_shift(tmp_path, method, dtype, by):
    """All pixels, those at the four edges of the source too."""
    path = save(tmp_path / "a.tif", texture(130, 110).astype(dtype), nodata=0)
    shape = (145, 125)
    data, _ = run(path, shape, shift(*by), resampling=method)
    expected = np.zeros(shape, dtype)
    with rasterio.open(path) as dataset:
        reproject(
            rasterio.band(dataset, 1),
            expected,
            dst_transform=AT @ AT.translation(*by),
            dst_crs=dataset.crs,
            resampling=Resampling[method],
            XSCALE=1,
            YSCALE=1,
        )
    if by == (-8, 7) and method in ("average", "mode"):
        # GDAL copies for whole pixels; else it also fills pixels that touch the source's edge.
        data[0][expected == 0] = 0
    assert ((data[0] == 0) == (expected == 0)).all()
    assert np.abs(data[0].astype(float) - expected.astype(float)).max() <= 1
    assert np.ptp(expected) > 100


@pytest.mark.parametrize("dtype", ["int8", "uint64", "int64"])
def test_rare_types(tmp_path, dtype):
    values = (texture(60, 60) / 4).astype(dtype)
    path = save(tmp_path / "a.tif", values)
    for method in ("nearest", "cubic"):
        data, mask = run(path, (50, 50), shift(5, 5), resampling=method)
        assert data.dtype == dtype
        assert (data[0] == values[5:55, 5:55]).all()
        assert mask.all()


def test_bands_of_different_types(tmp_path):
    """HDF and VRT files have them; a GeoTIFF can't."""
    small = save(tmp_path / "small.tif", np.full((40, 40), 200, "uint8"))
    large = save(tmp_path / "large.tif", np.full((40, 40), -300.5, "float32"))
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{k}"><SimpleSource><SourceFilename>{name}'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for k, kind, name in ((1, "Byte", small), (2, "Float32", large))
    )
    vrt = tmp_path / "both.vrt"
    vrt.write_text(f'<VRTDataset rasterXSize="40" rasterYSize="40">{bands}</VRTDataset>')
    data, _ = run(str(vrt), (30, 30), shift(2.5, 2.5), resampling="cubic")
    assert data.dtype == np.float32
    assert np.allclose(data[0], 200)
    assert np.allclose(data[1], -300.5)


@pytest.mark.parametrize("factor", [2, 4, 3.3])
@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos", "average", "mode"])
def test_downsampling_is_antialiased_as_gdals(tmp_path, method, factor):
    rng = np.random.default_rng(1)
    path = save(tmp_path / "a.tif", rng.integers(0, 255, (660, 660)).astype("uint8"))
    size = int(660 / factor)
    data, _ = run(path, (size, size), lambda xy: xy * factor, resampling=method)
    expected = np.zeros((size, size), "uint8")
    with rasterio.open(path) as dataset:
        reproject(
            rasterio.band(dataset, 1),
            expected,
            dst_transform=AT @ AT.scale(factor),
            dst_crs=dataset.crs,
            resampling=Resampling[method],
        )
    assert np.abs(data[0].astype(int) - expected).max() <= 1
    if method != "mode":
        assert data.std() < 50  # the noise's own is 74


def test_rotation_is_no_downsampling(tmp_path):
    """GDAL's own scale would blur here, because a turned window needs a larger source window."""
    values = np.random.default_rng(1).normal(100, 20, (400, 400)).astype("float32")
    path = save(tmp_path / "a.tif", values)
    for angle in (30, 45, 90):
        mapping = similarity(angle, 1.0, (100, 100), (200, 200))
        data, _ = run(path, (200, 200), mapping, resampling="cubic")
        assert data.std() > 15
    assert np.allclose(data[0][::-1].T, values[100:300, 100:300])  # 90 degrees, whole pixels


def test_same_as_gdal_for_another_crs(tmp_path):
    values = texture(400, 400).astype("uint8")
    path = save(tmp_path / "a.tif", values, nodata=0)
    back = Transformer.from_crs(4326, 32633, always_xy=True)
    left, top = back.transform(350_150, 5_249_800, direction="INVERSE")
    target = AT.translation(left, top) @ AT.scale(1.5e-5, -1.5e-5)

    def mapping(xy):
        return np.stack(~AT @ back.transform(*(target @ xy.T)), axis=1)

    data, _ = run(path, (200, 260), mapping, resampling="cubic", tolerance=1e-3)
    expected = np.zeros((200, 260), "uint8")
    with rasterio.open(path) as dataset:
        reproject(
            rasterio.band(dataset, 1),
            expected,
            dst_transform=target,
            dst_crs="EPSG:4326",
            resampling=Resampling.cubic,
            tolerance=0.0,
            XSCALE=1,
            YSCALE=1,
        )
    assert ((data[0] > 0) == (expected > 0)).all()
    assert np.abs(data[0].astype(int) - expected).max() <= 1


# Blocks


def many_blocks(monkeypatch, side):
    monkeypatch.setattr("georeg.warping._SIDES", (side,))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "lanczos", "average", "mode"])
@pytest.mark.parametrize("name", ["field", "turned", "rough", "small"])
def test_no_seams(tmp_path, monkeypatch, method, dtype, name):
    """Any blocks give the pixels of one block: with holes, rough fields and downsampling."""
    mapping = {
        "field": wavy,
        "turned": similarity(33, 0.9, (150, 150), (190, 180)),
        # Needs small steps, but only in the middle.
        "rough": lambda xy: xy + 9 * np.exp(-((xy - 160) ** 2).sum(axis=1) / 300)[:, None] + 20.3,
        "small": similarity(12, 2.6, (150, 150), (190, 180)),
    }[name]
    values = texture(360, 380)
    values[holes(360, 380)] = 7
    path = save(tmp_path / "a.tif", values.astype(dtype), nodata=7)
    whole, _ = run(path, (220, 230), mapping, resampling=method)
    assert 0.05 < (whole == 7).mean() < 0.9
    for side in (128, 96):
        many_blocks(monkeypatch, side)
        parts, _ = run(path, (220, 230), mapping, resampling=method, threads=2)
        assert ((parts == 7) == (whole == 7)).all()
        apart = np.abs(parts.astype(float) - whole.astype(float))
        assert apart.max() <= (1e-3 if dtype == "float32" else 1)
        assert (apart > 1e-3).mean() < 0.001


@pytest.mark.parametrize("kind", ["alpha", "mask", "none"])
def test_no_seams_in_other_validity(tmp_path, monkeypatch, kind):
    values = np.stack([texture(260, 280, seed=k) for k in range(4)]).astype("uint8")
    hole = holes(260, 280)
    if kind == "alpha":
        values[3] = np.where(hole, 0, 255)
        path = save(tmp_path / "a.tif", values, interp=RGBA, photometric="RGB", alpha="YES")
    else:
        path = save(tmp_path / "a.tif", values, mask=None if kind == "none" else ~hole)
    mapping = similarity(20, 0.8, (150, 150), (140, 130))
    whole, mask = run(path, (290, 270), mapping, resampling="cubic")
    many_blocks(monkeypatch, 64)
    parts, other = run(path, (290, 270), mapping, resampling="cubic", threads=2)
    assert (np.abs(parts.astype(int) - whole) <= 1).all()
    if mask is not None:
        assert (mask == other).all()
        assert 0.2 < mask.mean() < 1


@pytest.mark.parametrize("seed", range(25))
def test_holes_keep_their_shape(tmp_path, monkeypatch, seed):
    """Turned, scaled, waved and tilted: every pixel is the one under its centre, or a hole."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(60, 300, 2)
    values = np.arange(1, rows * columns + 1, dtype="int32").reshape(rows, columns)
    values[holes(rows, columns)] = 0
    path = save(tmp_path / "a.tif", values, nodata=0)
    base = similarity(
        rng.uniform(0, 360), rng.uniform(0.4, 1.04), (120, 120), (columns / 2, rows / 2)
    )
    amplitude, length = rng.uniform(0, 8) * rng.integers(0, 2), rng.uniform(60, 300)
    tilt = rng.uniform(-8e-4, 8e-4, 2) * rng.integers(0, 2)

    def mapping(xy):
        x, y = base(120 + (xy - 120) / (1 + (xy - 120) @ tilt)[:, None]).T
        waves = amplitude * np.sin(y / length), amplitude * np.cos(x / length)
        return np.stack([x + waves[0], y + waves[1]], axis=1)

    shape = tuple(int(n) for n in rng.integers(20, 320, 2))
    many_blocks(monkeypatch, int(rng.choice([2048, 128, 64, 96])))
    data, _ = run(path, shape, mapping, resampling="nearest", tolerance=0.02)
    at = mapping(centres(*shape)).reshape(*shape, 2)
    index = np.floor(at).astype(int)
    inside = (index >= 0).all(axis=2) & (index[..., 0] < columns) & (index[..., 1] < rows)
    expected = np.zeros(shape, int)
    expected[inside] = values[index[inside][:, 1], index[inside][:, 0]]
    sure = (np.abs(at - np.round(at)) > 0.06).all(axis=2)
    assert (data[0] == expected)[sure].all()


def test_little_memory_gives_smaller_blocks(tmp_path):
    path = save(tmp_path / "a.tif", texture(1500, 1500).astype("uint8"))
    windows = []
    for memory in (2**20, 2**28):
        with gdal_env(), Raster(path) as raster:
            options = WarpOptions(memory=memory, threads=1)
            windows.append(list(warp(raster, grid(1400, 1400), wavy, options)))
    small, large = windows
    assert len(small) > len(large)
    pixels = [np.zeros((1400, 1400), int) for _ in windows]
    for image, blocks in zip(pixels, windows, strict=True):
        for block in blocks:
            w = block.window
            image[w.y : w.y + w.height, w.x : w.x + w.width] = block.data[0]
    assert np.abs(pixels[0] - pixels[1]).max() <= 1
    assert pixels[0].std() > 20


def test_small_gdal_cache_is_respected(tmp_path):
    path = save(tmp_path / "a.tif", np.zeros((8, 600, 600), "float64"))
    with rasterio.Env(GDAL_CACHEMAX=4 * 2**20), gdal_env(), Raster(path) as raster:
        for block in warp(raster, grid(500, 500), shift(0.5, 0.5), WarpOptions(threads=2)):
            assert block.data.nbytes <= 2**20


def test_blocks_complete_tiles_one_by_one(tmp_path):
    """Lest a tile of the output is compressed, read and compressed again."""
    path = save(tmp_path / "a.tif", np.zeros((3, 2200, 2200), "uint16"))
    with gdal_env(), Raster(path) as raster:
        options = WarpOptions(memory=2 * 2**20, threads=1)
        order = [
            (b.window.y // 512, b.window.x // 512)
            for b in warp(raster, grid(2100, 2100), shift(0.5, 0.5), options)
        ]
    assert len(order) > 25
    changes = [tile for k, tile in enumerate(order) if k == 0 or order[k - 1] != tile]
    assert len(changes) == len(set(changes)) == 25


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (513, 1)])
def test_tiny_outputs(tmp_path, shape):
    path = save(tmp_path / "a.tif", coordinates(60, 60))
    data, _ = run(path, shape, shift(20.25, 30.5), resampling="bilinear")
    truth = shift(20.25, 30.5)(centres(*shape)).T.reshape(2, *shape)
    inside = (truth < 59.5).all(axis=0)
    assert np.allclose(data[:, inside], truth[:, inside])
    assert np.isnan(data[:, (truth > 60).any(axis=0)]).all()


def test_tiny_source(tmp_path):
    path = save(tmp_path / "a.tif", np.array([[7]], "uint8"))
    data, mask = run(path, (5, 5), shift(-2, -2), resampling="cubic")
    assert mask.sum() == 1
    assert data[0, 2, 2] == 7


def test_progress_of_cancelling_stops_threads(tmp_path):
    path = save(tmp_path / "a.tif", np.zeros((2000, 2000), "uint8"))
    with gdal_env(), Raster(path) as raster:
        blocks = warp(raster, grid(2000, 2000), shift(0, 0), WarpOptions(threads=2))
        next(blocks)
        blocks.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("georeg-warp")]


def test_lack_of_memory_is_no_fault_of_the_raster(tmp_path, monkeypatch):
    path = save(tmp_path / "a.tif", np.ones((100, 100), "uint8"))

    def full(*_):
        raise RasterioIOError("Read failed") from CPLE_OutOfMemoryError(3, 2, "cannot allocate")

    monkeypatch.setattr("georeg.warping._resample", full)
    with gdal_env(), Raster(path) as raster, pytest.raises(MemoryError, match="cannot allocate"):
        next(warp(raster, grid(100, 100), shift(0, 0)))


def test_a_small_raster_in_a_large_grid_is_averaged_too(tmp_path):
    """As `--grid reference` asks for, where the reference is a large mosaic of coarser pixels."""
    noise = np.random.default_rng(0).normal(100, 30, (400, 400)).astype("float32")
    path = save(tmp_path / "a.tif", noise)
    for at, side in ((0, 40), (1333, 4000)):  # each output pixel has 10 x 10 of the source
        data, _ = run(path, (side, side), lambda xy, at=at: (xy - at) * 10, resampling="cubic")
        inside = data[0, at + 2 : at + 38, at + 2 : at + 38]
        assert 1 < inside.std() < 5


# Where the mapping ends


def test_undefined_positions_become_invalid(tmp_path):
    path = save(tmp_path / "a.tif", np.full((300, 300), 50, "uint8"))

    def mapping(xy):
        out = xy + 10.0
        out[xy[:, 0] > 130.5] = np.nan
        out[xy[:, 1] > 200] = np.inf
        return out

    data, mask = run(path, (250, 250), mapping, resampling="cubic")
    y, x = np.nonzero(mask)
    assert x.max() < 131
    assert x.max() >= 126
    assert y.max() < 200
    assert y.max() >= 195
    assert (data[0][mask] == 50).all()
    assert (data[0][~mask] == 0).all()


@pytest.mark.parametrize(
    "mapping",
    [
        lambda xy: xy * np.nan,
        lambda xy: xy * 1e200,
        lambda xy: xy * 1e9 + 1e9,
        lambda xy: xy + 1000,
        lambda xy: xy - 1000,
    ],
    ids=["nowhere", "overflow", "far", "right", "left"],
)
@pytest.mark.parametrize("nodata", [None, 0])
def test_nothing_in_sight(tmp_path, mapping, nodata):
    path = save(tmp_path / "a.tif", np.full((100, 100), 50, "uint8"), nodata=nodata)
    data, mask = run(path, (120, 120), mapping, resampling="cubic")
    assert (data == 0).all()
    assert mask is None or not mask.any()


@pytest.mark.parametrize(
    "mapping",
    [
        lambda xy: xy * 0 + 50.5,
        lambda xy: np.stack([xy[:, 0], 0 * xy[:, 1] + 3.5], axis=1),
        lambda xy: np.stack([xy.sum(axis=1) / 3] * 2, axis=1),
        lambda xy: np.stack([np.clip(xy[:, 0], 40.5, 60.5), xy[:, 1]], axis=1),
        lambda xy: np.stack([np.abs(xy[:, 0] - 40), xy[:, 1]], axis=1),
    ],
    ids=["point", "line", "diagonal", "clipped", "folded"],
)
def test_degenerate_mappings_do_what_they_say(tmp_path, mapping):
    """GDAL can't invert these; it need not."""
    path = save(tmp_path / "a.tif", coordinates(100, 100))
    data, _ = run(path, (80, 80), mapping, resampling="bilinear")
    truth = mapping(centres(80, 80)).T.reshape(2, 80, 80)
    well = (truth > 0.5).all(axis=0) & (truth < 99.5).all(axis=0)
    apart = np.hypot(*(data - truth))[well]
    assert np.mean(apart < 0.05) >= 0.9  # all but kinks, and those within the smallest step
    assert apart.max() < 2


# Settings


def test_palettes_are_not_interpolated(tmp_path):
    path = save(tmp_path / "a.tif", np.ones((50, 50), "uint8"), photometric="palette")
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {0: (0, 0, 0, 255), 1: (9, 8, 7, 255)})
    with pytest.raises(SettingsError, match="palette"):
        run(path, (20, 20), shift(0, 0), resampling="cubic")
    data, _ = run(path, (20, 20), shift(0.4, 0.4))
    assert (data == 1).all()
    data, _ = run(path, (20, 20), shift(0.4, 0.4), resampling="mode")
    assert (data == 1).all()


@pytest.mark.parametrize(
    "bad",
    [
        {"resampling": "best"},
        {"tolerance": 0.0},
        {"tolerance": float("nan")},
        {"step": 48},
        {"step": 2},
        {"memory": 1000},
        {"threads": 0},
    ],
)
def test_bad_settings(bad):
    with pytest.raises(SettingsError):
        WarpOptions(**bad)


def test_environment_of_the_user_wins(monkeypatch):
    monkeypatch.delenv("GDAL_NUM_THREADS", raising=False)
    with gdal_env(3):
        assert get_gdal_config("GDAL_NUM_THREADS") == 3
        assert get_gdal_config("GDAL_CACHEMAX") == 256 * 2**20
        assert get_gdal_config("PROJ_NETWORK") is None
    assert get_gdal_config("GDAL_NUM_THREADS") is None
    with rasterio.Env(GDAL_CACHEMAX=2**20, GDAL_NUM_THREADS=1), gdal_env(3):
        assert get_gdal_config("GDAL_NUM_THREADS") == 1
        assert get_gdal_config("GDAL_CACHEMAX") == 2**20
    monkeypatch.setenv("GDAL_NUM_THREADS", "1")
    with gdal_env(3):
        assert get_gdal_config("GDAL_NUM_THREADS") != 3


@pytest.mark.skipif(sys.platform != "linux", reason="others don't let a working folder go")
def test_the_working_folder_is_left_alone(tmp_path, monkeypatch):
    """GDAL put work files there, and failed where it couldn't."""
    path = save(tmp_path / "a.tif", coordinates(340, 400))
    for name in ("CPL_TMPDIR", "TMPDIR", "TEMP"):
        monkeypatch.delenv(name, raising=False)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()  # nothing can be written there, even by root
    assert position_error(path, (340, 400), (300, 300), wavy) <= 0.05


def test_digits_that_are_lost_are_said_to_be(tmp_path, caplog):
    """Indices of cells, flags: GDAL has them as float64 on the way."""
    for top, said in ((2**53, 0), (2**60 + 1, 1)):
        caplog.clear()
        path = save(tmp_path / f"{top}.tif", np.full((90, 90), top, "uint64"))
        run(path, (70, 70), shift(3, 3), resampling="nearest")
        assert sum("last digits are lost" in r.message for r in caplog.records) == said
