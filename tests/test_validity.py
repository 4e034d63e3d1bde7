import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import reproject

from georeg.errors import SettingsError
from georeg.raster import Raster
from georeg.resampling.validity import as_declared, as_stored, avoid, nudged
from georeg.warping import WarpOptions, layout_of
from georeg.writers.geotiff import shift_only, write_warped
from warp_cases import AT, centres, grid, holes, produce, run, save, shift, similarity, texture

METHODS = ["nearest", "bilinear", "cubic", "lanczos", "average", "mode"]
TURN = similarity(25, 0.9, (100, 100), (110, 105))
RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


def under(mapping, shape, valid):
    """Whether the source pixel under every output pixel's centre is valid, and a doubt mask."""
    at = mapping(centres(*shape)).reshape(*shape, 2)
    index = np.floor(at).astype(int)
    rows, columns = valid.shape
    inside = (index >= 0).all(axis=2) & (index[..., 0] < columns) & (index[..., 1] < rows)
    out = np.zeros(shape, bool)
    out[inside] = valid[index[inside][:, 1], index[inside][:, 0]]
    doubt = (np.abs(at - np.round(at)) < 0.02).any(axis=2)
    return out, ~doubt


def check_shape(method, found, expected, sure):
    """The pixel under the centre decides; average and mode look at all under the output pixel."""
    if method in ("average", "mode"):
        return
    if method == "lanczos":  # GDAL gives up where the weights of the valid pixels cancel out
        assert not (found & ~expected)[sure].any()
        assert found[expected].mean() > 0.97
    else:
        assert (expected == found)[sure].all()


# Nothing bleeds, nothing grows, nothing is lost


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", 0),
        ("uint8", 255),
        ("uint16", 0),
        ("int16", -9999),
        ("int32", -(2**31)),
        ("uint32", 2**32 - 1),
        ("float32", -9999),
        ("float32", -3.4028234663852886e38),
        ("float32", float("nan")),
        ("float64", float("nan")),
    ],
)
def test_nodata_does_not_bleed(tmp_path, method, dtype, nodata):
    bad = holes(210, 230)
    values = np.where(bad, nodata, 100).astype(dtype)
    path = save(tmp_path / "a.tif", values, nodata=nodata)
    data, mask = run(path, (200, 200), TURN, resampling=method)
    assert mask is None
    empty = np.isnan(data[0]) if np.isnan(nodata) else data[0] == np.dtype(dtype).type(nodata)
    assert np.allclose(data[0][~empty], 100, rtol=1e-5)
    expected, sure = under(TURN, (200, 200), ~bad)
    check_shape(method, ~empty, expected, sure)
    assert 0.3 < expected.mean() < 0.9


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["internal", "external"])
def test_mask_band_does_not_bleed(tmp_path, method, where):
    bad = holes(210, 230)
    values = np.where(bad, 255, 100).astype("uint8")
    path = save(tmp_path / "a.tif", values, mask=~bad if where == "internal" else None)
    if where == "external":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as dataset:
            dataset.write_mask(~bad)
        assert (tmp_path / "a.tif.msk").exists()
    data, mask = run(path, (200, 200), TURN, resampling=method)
    assert (data[0][mask] == 100).all()
    assert (data[0][~mask] == 0).all()
    expected, sure = under(TURN, (200, 200), ~bad)
    check_shape(method, mask, expected, sure)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("place", [4, 1])
def test_alpha_does_not_bleed(tmp_path, method, dtype, place):
    bad = holes(210, 230)
    opaque = np.iinfo(dtype).max
    values = np.stack([np.where(bad, opaque, level) for level in (100, 120, 140)]).astype(dtype)
    alpha = np.where(bad, 0, opaque).astype(dtype)
    values = np.insert(values, place - 1, alpha, axis=0)
    interp = RGBA if place == 4 else RGBA[3:] + RGBA[:3]
    path = save(tmp_path / "a.tif", values, interp=interp)
    data, mask = run(path, (200, 200), TURN, resampling=method)
    assert mask is None
    alpha = data[place - 1]
    colours = np.delete(data, place - 1, axis=0)
    seen = alpha > 0
    # Values are exact under full opacity; thin alpha rounds away GDAL's own premultiplication.
    assert (colours[:, seen] == np.array([100, 120, 140])[:, None]).all()
    assert (colours[:, ~seen] == 0).all()
    expected, sure = under(TURN, (200, 200), ~bad)
    if method not in ("average", "mode"):
        assert not seen[sure & ~expected].any()
        assert (seen[sure & expected]).mean() > 0.99
    assert alpha.max() == opaque


def test_half_transparency_survives(tmp_path):
    values = np.stack([np.full((60, 60), v) for v in (10, 20, 30, 128)]).astype("uint8")
    path = save(tmp_path / "a.tif", values, interp=RGBA)
    data, _ = run(path, (50, 50), shift(3.3, 3.3), resampling="cubic")
    assert (data == values[:, :50, :50]).all()


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("int64", -(2**63)), ("int64", 2**63 - 1), ("uint64", 2**64 - 1)]
)
def test_nodata_of_64_bits(tmp_path, dtype, nodata):
    """GDAL knows it exactly, rasterio as a float or not at all: outputs said -9, 9 or 1."""
    bad = holes(210, 230)
    path = save(tmp_path / "a.tif", np.where(bad, nodata, 100).astype(dtype))
    copy = tmp_path / "a.vrt"
    rasterio.shutil.copy(path, copy, driver="VRT")
    band = f'<VRTRasterBand dataType="{"UInt64" if dtype == "uint64" else "Int64"}" band="1"'
    parts = copy.read_text().split(band)
    rest = parts[1].replace(">", f"><NoDataValue>{nodata}</NoDataValue>", 1)
    copy.write_text(parts[0] + band + rest)
    data, mask = run(str(copy), (200, 200), TURN)
    assert (data[0][mask] == 100).all()
    assert (data[0][~mask] == 0).all()
    expected, sure = under(TURN, (200, 200), ~bad)
    check_shape("cubic", mask, expected, sure)
    produce(str(copy), tmp_path / "out.tif", TURN, (200, 200))
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.nodata is None
        assert np.array_equal(dataset.read_masks(1) > 0, mask)


def test_nodata_of_64_bits_that_would_be_written_wrong(tmp_path):
    path = save(tmp_path / "a.tif", np.zeros((9, 9), "int64"))
    with Raster(path) as raster, pytest.raises(SettingsError, match="doesn't fit into bands"):
        layout_of(raster, -(2.0**63))
    assert as_declared(-(2.0**53), np.dtype("int64")) == -(2.0**53)


def test_nodata_and_mask_band_both_count(tmp_path):
    values = np.full((60, 60), 100, "int16")
    values[:, :20] = -1
    mask = np.ones((60, 60), bool)
    mask[:20] = False
    path = save(tmp_path / "a.tif", values, nodata=-1, mask=mask)
    data, band = run(path, (60, 60), shift(0, 0), resampling="bilinear")
    assert band is None
    assert (data[0, 20:, 20:] == 100).all()
    assert (data[0, :20] == -1).all()
    assert (data[0, :, :20] == -1).all()


def test_not_finite_is_invalid(tmp_path):
    values = np.full((60, 60), 5, "float32")
    values[10, 10] = np.nan
    values[20, 20] = np.inf
    values[30, 30] = -np.inf
    path = save(tmp_path / "a.tif", values)
    data, _ = run(path, (50, 50), shift(0.5, 0.5), resampling="cubic")
    empty = np.isnan(data[0])
    assert empty.sum() == 3
    assert np.allclose(data[0][~empty], 5)
    path = save(tmp_path / "b.tif", values, nodata=-9999)
    data, _ = run(path, (50, 50), shift(0.5, 0.5), resampling="cubic")
    assert (data[0] == -9999).sum() == 3
    assert np.isfinite(data).all()


def test_bands_are_valid_each_for_itself(tmp_path):
    values = np.full((2, 60, 60), 5, "float32")
    values[0, 10:20] = -9999
    values[1, 30:40] = -9999
    path = save(tmp_path / "a.tif", values, nodata=-9999)
    data, _ = run(path, (60, 60), shift(0, 0.4), resampling="cubic")
    for band, rows in ((0, slice(10, 20)), (1, slice(30, 40))):
        assert (data[band, rows] == -9999).all()
        rest = np.delete(data[band], np.arange(60)[rows], axis=0)
        assert np.allclose(rest, 5)


def test_dark_bands_of_bright_pixels_stay(tmp_path):
    """Nodata 0 in RGB: a pixel without red is not a hole."""
    values = np.full((3, 60, 60), 100, "uint8")
    values[0, 20:40] = 0
    values[:, 50:] = 0
    path = save(tmp_path / "a.tif", values, nodata=0)
    data, _ = run(path, (60, 60), shift(0, 0.4), resampling="bilinear")
    assert (data[0, 20:40] == 0).all()
    assert (data[1:, :50] == 100).all()
    assert (data[:, 50:] == 0).all()


def test_different_nodata_values_become_one(tmp_path):
    bad = holes(100, 100)
    parts = []
    for k, nodata in enumerate((0, 255)):
        values = np.where(bad, nodata, 100).astype("uint8")
        values[50, 50] = 255 - nodata  # valid, but the other band's nodata value
        parts.append(save(tmp_path / f"{k}.tif", values, nodata=nodata))
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{k + 1}"><NoDataValue>{nodata}</NoDataValue>'
        f"<SimpleSource><SourceFilename>{parts[k]}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand>"
        for k, nodata in enumerate((0, 255))
    )
    vrt = tmp_path / "both.vrt"
    vrt.write_text(f'<VRTDataset rasterXSize="100" rasterYSize="100">{bands}</VRTDataset>')
    with Raster(str(vrt)) as raster:
        assert raster.header.nodata == (0, 255)
        assert layout_of(raster).nodata == 0
    data, _ = run(str(vrt), (100, 100), shift(0, 0), resampling="nearest")
    bad[50, 50] = False
    for band in data:
        assert ((band == 0) == bad).all()
    assert data[:, 50, 50].tolist() == [255, 1]


# Palettes with transparent colours, which no GeoTIFF can hold


def see_through(folder, values):
    """A raster whose palette has ten colours; those of 4 and 7 show nothing."""
    save(folder / "numbers.tif", values)
    table = "".join(
        f'<Entry c1="{k}" c2="{2 * k}" c3="9" c4="{0 if k in (4, 7) else 255}"/>' for k in range(10)
    )
    vrt = folder / "palette.vrt"
    vrt.write_text(
        f'<VRTDataset rasterXSize="{values.shape[1]}" rasterYSize="{values.shape[0]}">'
        f"<SRS>EPSG:32633</SRS><GeoTransform>{', '.join(map(str, AT.to_gdal()))}</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><ColorInterp>Palette</ColorInterp>'
        f"<ColorTable>{table}</ColorTable><SimpleSource>"
        '<SourceFilename relativeToVRT="1">numbers.tif</SourceFilename>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return str(vrt)


@pytest.mark.parametrize("dst_nodata", [None, 200])
def test_transparent_colours_are_no_data(tmp_path, dst_nodata):
    values = np.random.default_rng(0).integers(0, 10, (60, 80)).astype("uint8")
    seen = ~np.isin(values, (4, 7))
    source = see_through(tmp_path, values)
    output = tmp_path / "out.tif"
    options = WarpOptions(dst_nodata=dst_nodata)
    with Raster(source) as raster:
        write_warped(raster, grid(60, 80), shift(0, 0), str(output), options)
    with rasterio.open(output) as dataset:
        assert dataset.nodata == (4 if dst_nodata is None else dst_nodata)
        assert np.array_equal(dataset.read_masks(1) > 0, seen)
        assert np.array_equal(dataset.read(1)[seen], values[seen])
        assert dataset.colormap(1)[4][3] == (0 if dst_nodata is None else 255)


def test_transparent_colours_are_masked_where_no_pixel_may_change(tmp_path):
    values = np.random.default_rng(0).integers(0, 10, (60, 80)).astype("uint8")
    output = tmp_path / "out.tif"
    with Raster(see_through(tmp_path, values)) as raster:
        shift_only(raster, str(output), AT)
    with rasterio.open(output) as dataset:
        assert np.array_equal(dataset.read(1), values)
        assert np.array_equal(dataset.read_masks(1) > 0, ~np.isin(values, (4, 7)))


# How the output marks what is invalid


@pytest.mark.parametrize(
    ("dtype", "options", "expected"),
    [
        ("uint8", {}, (None, None, True)),
        ("int32", {}, (None, None, True)),
        ("complex64", {}, (None, None, True)),
        ("float32", {}, ("nan", None, False)),
        ("float64", {"nodata": -1}, (-1, None, False)),
        ("uint8", {"nodata": 7}, (7, None, False)),
        ("uint8", {"mask": np.ones((20, 20), bool)}, (None, None, True)),
        ("float32", {"mask": np.ones((20, 20), bool)}, (None, None, True)),
    ],
)
def test_layout(tmp_path, dtype, options, expected):
    path = save(tmp_path / "a.tif", np.zeros((20, 20), dtype), **options)
    with Raster(path) as raster:
        layout = layout_of(raster)
        assert layout_of(raster, 3).nodata == 3
    nodata, alpha, mask = expected
    assert (layout.alpha, layout.mask) == (alpha, mask)
    assert str(layout.nodata) == nodata if nodata == "nan" else layout.nodata == nodata
    assert layout.dtype == dtype


def test_unusable_nodata_is_none(tmp_path):
    """gdal_translate happily writes nodata -9999 into a byte file."""
    path = save(tmp_path / "a.tif", np.full((20, 20), 9, "uint8"))
    for nodata in (-9999, 256, 3.5, float("nan")):
        with Raster(path, nodata=nodata) as raster:
            layout = layout_of(raster)
        assert (layout.nodata, layout.mask) == (None, True)
        data, mask = run(path, (20, 20), shift(5, 0), nodata=nodata, resampling="nearest")
        assert mask.sum() == 300
        assert (data[0][mask] == 9).all()


def test_nodata_given_by_the_user(tmp_path):
    values = np.full((40, 40), 50, "uint8")
    values[:10] = 9
    path = save(tmp_path / "a.tif", values)
    data, mask = run(path, (40, 40), shift(0.5, 0.5), nodata=9, resampling="cubic")
    assert mask is None
    assert set(np.unique(data)) == {9, 50}
    data, mask = run(path, (40, 40), shift(20, 0), nodata=9, dst_nodata=255, resampling="cubic")
    assert set(np.unique(data)) == {50, 255}
    assert (data[0, :, 20:] == 255).all()
    with pytest.raises(SettingsError, match="300"):
        run(path, (40, 40), shift(0, 0), dst_nodata=300)
    with pytest.raises(SettingsError, match="nan"):
        run(path, (40, 40), shift(0, 0), dst_nodata=float("nan"))


def test_nodata_for_an_input_with_alpha(tmp_path):
    values = np.stack([np.full((40, 40), v) for v in (7, 20, 30, 255)]).astype("uint8")
    path = save(tmp_path / "a.tif", values, interp=RGBA)
    data, _ = run(path, (40, 40), shift(20, 0), dst_nodata=7, resampling="nearest")
    assert (data[:3, :, 20:] == 7).all()
    assert (data[3, :, 20:] == 0).all()
    assert data[:, 0, 0].tolist() == [6, 20, 30, 255]


# Values at the limits


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "uint32"])
@pytest.mark.parametrize("method", ["cubic", "lanczos"])
def test_overshoot_is_clamped(tmp_path, dtype, method):
    limits = np.iinfo(dtype)
    values = np.full((60, 60), limits.min, dtype)
    values[:, 30:] = limits.max
    path = save(tmp_path / "a.tif", values)
    data, _ = run(path, (50, 50), shift(3.5, 3.5), resampling=method)
    middle = (limits.min + limits.max) / 2
    assert (data[0, :, :24] < middle).all()  # nothing wraps around
    assert (data[0, :, 28:] > middle).all()
    assert data.min() == limits.min
    assert data.max() == limits.max


@pytest.mark.parametrize("nodata", [0, 17, 255])
@pytest.mark.parametrize("with_holes", [True, False])
def test_results_that_hit_nodata_are_nudged_as_gdal_does(tmp_path, nodata, with_holes):
    values = texture(120, 120, low=-60, high=320).clip(1, 254).astype("uint8")
    values[values == nodata] = max(nodata - 1, 1)
    if with_holes:
        values[holes(120, 120)] = nodata
    path = save(tmp_path / "a.tif", values, nodata=nodata)
    data, _ = run(path, (100, 100), shift(7.3, 8.4), resampling="cubic")
    expected = np.zeros((100, 100), "uint8")
    with rasterio.open(path) as dataset:
        reproject(
            rasterio.band(dataset, 1),
            expected,
            dst_transform=AT @ AT.translation(7.3, 8.4),
            dst_crs=dataset.crs,
            dst_nodata=nodata,
            resampling=Resampling.cubic,
            XSCALE=1,
            YSCALE=1,
        )
    assert ((data[0] == nodata) == (expected == nodata)).all()
    assert np.abs(data[0].astype(int) - expected).max() <= 1
    neighbour = {0: 1, 17: 16, 255: 254}[nodata]
    assert (expected == neighbour).any()
    valid, sure = under(shift(7.3, 8.4), (100, 100), values != nodata)
    assert ((data[0] != nodata) == valid)[sure].all()


def test_nudging():
    assert nudged(0, np.dtype("uint8")) == 1
    assert nudged(-128, np.dtype("int8")) == -127
    assert nudged(0, np.dtype("int16")) == -1
    assert nudged(2**32 - 1, np.dtype("uint32")) == 2**32 - 2
    below = nudged(5.0, np.dtype("float32"))
    assert below < 5
    assert np.float32(5) - below < 1e-6
    assert nudged(np.finfo("float32").min, np.dtype("float32")) > np.finfo("float32").min
    values = np.array([1 + 1j, 0, 0], "complex64")
    avoid(values, np.array([True, True, False]), 0.0)
    assert values[1] != 0
    assert values[2] == 0
    assert values[0] == 1 + 1j


def test_as_stored():
    assert as_stored(1e300, np.dtype("float32")) is None
    assert as_stored(-3.40282346638529e38, np.dtype("float32")) == np.finfo("float32").min
    assert np.isinf(as_stored(np.inf, np.dtype("float32")))
    assert as_stored(0.1, np.dtype("float32")) == np.float32(0.1)
    assert as_stored(65536, np.dtype("uint16")) is None


# Complex numbers


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "lanczos", "average"])
def test_complex_stays_complex(tmp_path, dtype, method):
    y, x = np.mgrid[:140, :150] + 0.5
    values = (x + 1j * y).astype(dtype)
    path = save(tmp_path / "a.tif", values)
    data, mask = run(path, (100, 100), shift(10.25, 7.5), resampling=method)
    assert data.dtype == dtype
    assert mask.all()
    at = shift(10.25, 7.5)(centres(100, 100)).reshape(100, 100, 2)
    limit = 0.75 if method == "nearest" else 0.05
    assert np.abs(data[0] - (at[..., 0] + 1j * at[..., 1])).max() < limit


def test_complex_with_holes(tmp_path):
    values = np.full((80, 80), 3 - 4j, "complex64")
    values[20:30, 20:30] = np.nan
    values[50, 50] = complex(1, np.inf)
    path = save(tmp_path / "a.tif", values)
    data, mask = run(path, (80, 80), shift(0.5, 0.5), resampling="cubic")
    assert np.allclose(data[0][mask], 3 - 4j)
    assert (~mask[:79, :79]).sum() == 101
    values[20:30, 20:30] = 0
    values[50, 50] = 0
    path = save(tmp_path / "b.tif", values, nodata=0)
    data, mask = run(path, (80, 80), shift(0.5, 0.5), resampling="cubic")
    assert mask is None
    assert (data[0, :79, :79] == 0).sum() == 101
    assert np.allclose(data[0][data[0] != 0], 3 - 4j)


def test_complex_integers(tmp_path):
    values = np.full((40, 40), 300 - 400j, "complex64")
    path = save(tmp_path / "a.tif", values, dtype="complex_int16")
    with Raster(path) as raster:
        assert layout_of(raster).dtype == "complex_int16"
    data, mask = run(path, (30, 30), shift(2.5, 2.5), resampling="cubic")
    assert mask.all()
    assert np.allclose(data, 300 - 400j)
