import hashlib

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rio_cogeo import cog_validate

from georeg import transforms
from georeg.errors import InputError, OutputError
from georeg.grid import Window
from georeg.raster import Raster
from georeg.resampling.validity import Layout
from georeg.warping import Block, WarpOptions
from georeg.writers.geotiff import WriteOptions, shift_only, write, write_warped
from georeg.writers.metadata import Metadata
from georeg.writers.tables import write_tables
from georeg.writers.tiff import check_whole, is_bigtiff
from warp_cases import AT, entries, gdalinfo, grid, holes, produce, run, save, shift, texture, wavy

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
PALETTE = {k: (k * 20, 255 - k * 20, k, 255) for k in range(8)}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Small rasters of every kind of validity and colour, to be read only."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    values = np.stack([texture(700, 800, seed=k) for k in range(4)])
    bad = holes(700, 800)
    rgba = values.copy()
    rgba[3] = np.where(bad, 0, 255)
    palette = save(
        folder / "palette.tif",
        rng.integers(0, 8, (700, 800)).astype("uint8"),
        photometric="palette",
    )
    with rasterio.open(palette, "r+") as dataset:
        dataset.write_colormap(1, PALETTE)
    return {
        "gray": save(folder / "gray.tif", values[0].astype("uint8"), nodata=0),
        "rgba": save(folder / "rgba.tif", rgba.astype("uint8"), interp=RGBA),
        "mask": save(folder / "mask.tif", values[:3].astype("uint16"), mask=~bad),
        "palette": palette,
        "float": save(
            folder / "float.tif", np.where(bad, np.nan, values[0]).astype("float32"), nodata=np.nan
        ),
        "complex": save(folder / "complex.tif", (values[0] + 1j * values[1]).astype("complex64")),
    }


KINDS = ["gray", "rgba", "mask", "palette", "float", "complex"]


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
@pytest.mark.parametrize("kind", KINDS)
def test_file_holds_what_was_warped(tmp_path, sources, kind, driver):
    (tmp_path / "out").mkdir()
    source = sources[kind]
    output = tmp_path / "out" / "a.tif"
    produce(source, output, driver=driver)
    expected, mask = run(source, (650, 640), wavy)
    with rasterio.open(output) as dataset:
        assert np.array_equal(dataset.read(), expected, equal_nan=kind == "float")
        assert dataset.transform == AT
        assert dataset.crs == "EPSG:32633"
        if mask is not None:
            assert np.array_equal(dataset.read_masks(1) > 0, mask)
        if kind == "palette":
            assert dataset.colormap(1)[3] == PALETTE[3]
    assert entries(tmp_path / "out") == ["a.tif"]
    assert check_whole(str(output)) >= 1
    if driver == "COG":
        valid, errors, warnings = cog_validate(str(output), strict=True, quiet=True)
        assert (valid, errors, warnings) == (True, [], [])


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (512, 512), (513, 600)])
@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_odd_sizes(tmp_path, shape, driver):
    source = save(tmp_path / "in.tif", texture(300, 3100).astype("uint8"))
    produce(source, tmp_path / "a.tif", shift(0.5, 0.5), shape, driver=driver)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.shape == shape
        assert dataset.read(1)[0, 0] > 0
    # rio-cogeo takes an overview that is as wide as the image, 1 pixel, for none.
    if driver == "COG" and shape != (3000, 1):
        assert cog_validate(str(tmp_path / "a.tif"), strict=True, quiet=True)[0]


def test_many_bands(tmp_path):
    values = np.stack([np.full((90, 90), k) for k in range(70)]).astype("float32")
    source = save(tmp_path / "in.tif", values, interleave="band")
    produce(source, tmp_path / "a.tif", shift(5, 5), (60, 60))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.count == 70
        assert (dataset.read()[:, 0, 0] == np.arange(70)).all()
        # 512 x 512 would make tiles of 70 MB.
        assert dataset.block_shapes[0] == (128, 128)


@pytest.mark.parametrize("kind", KINDS)
def test_same_bytes_every_time(tmp_path, sources, kind):
    source = sources[kind]
    for driver in ("COG", "GTiff"):
        hashes = set()
        # GDAL orders the blocks of a mask band otherwise if it compresses in the same thread.
        for threads in (1, 2, 3) if driver == "COG" else (2, 3, 4):
            options = WarpOptions(threads=threads)
            output = tmp_path / f"{driver}{threads}.tif"
            produce(source, output, warp_options=options, driver=driver, threads=threads)
            hashes.add(hashlib.sha256(output.read_bytes()).hexdigest())
        assert len(hashes) == 1


def test_nothing_of_the_clock_or_the_place_in_the_file(tmp_path):
    source = save(tmp_path / "in.tif", texture(100, 100).astype("uint8"))
    produce(source, tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    assert b"TIFFTAG_DATETIME" not in content
    assert b".georeg-" not in content
    assert b"vsimem" not in content
    assert str(tmp_path).encode() not in content


# Metadata, with gdalinfo as the judge


def with_metadata(folder):
    values = np.stack([texture(200, 220, seed=k) for k in range(3)]).astype("uint16")
    path = save(folder / "rich.tif", values, nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("B04", "B08", None)
        dataset.units = ("W/m2", "", "K")
        dataset.scales = (0.0001, 1.0, 0.5)
        dataset.offsets = (-0.1, 0.0, 10.0)
        dataset.colorinterp = [ColorInterp.red, ColorInterp.gray, ColorInterp.undefined]
        dataset.update_tags(PLATFORM="S2A", name="x", ns_="y", STATISTICS_APPROXIMATE="YES")
        dataset.update_tags(TIFFTAG_DATETIME="2020:01:02 03:04:05", TIFFTAG_SOFTWARE="old")
        dataset.update_tags(ns="MISSION", orbit="33")
        dataset.update_tags(ns="GEOREG", stale="yes")
        dataset.update_tags(ns="RPC", LINE_OFF="1", SAMP_OFF="1")
        dataset.update_tags(ns="GEOLOCATION", X_BAND="1")
        dataset.update_tags(1, wavelength="665", STATISTICS_MEAN="5", STATISTICS_MAXIMUM="9")
        dataset.update_tags(2, ns="SENSOR", detector="7")
    return path


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_metadata_survives(tmp_path, driver):
    source = with_metadata(tmp_path)
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "a.tif"
    produce(source, output, driver=driver)
    info = gdalinfo(output, "-mdd", "all")
    bands = info["bands"]
    assert [b.get("description") for b in bands] == ["B04", "B08", None]
    assert [b.get("unit") or None for b in bands] == ["W/m2", None, "K"]
    assert [b.get("scale", 1.0) for b in bands] == [0.0001, 1.0, 0.5]
    assert [b.get("offset", 0.0) for b in bands] == [-0.1, 0.0, 10.0]
    assert [b["colorInterpretation"] for b in bands] == ["Red", "Gray", "Undefined"]
    assert [b["noDataValue"] for b in bands] == [0, 0, 0]
    default = info["metadata"][""]
    assert default["PLATFORM"] == "S2A"
    assert default["name"] == "x"
    assert default["ns_"] == "y"
    assert default["TIFFTAG_DATETIME"] == "2020:01:02 03:04:05"
    assert default["TIFFTAG_SOFTWARE"] == "georeg 0.1.0"
    assert default["AREA_OR_POINT"] == "Area"
    assert info["metadata"]["GEOREG"] == {"seed": "7", "moving": "a.tif"}
    assert info["metadata"]["MISSION"] == {"orbit": "33"}
    assert bands[0]["metadata"][""] == {"wavelength": "665"}
    assert bands[1]["metadata"]["SENSOR"] == {"detector": "7"}
    assert "RPC" not in info["metadata"]
    assert "GEOLOCATION" not in info["metadata"]
    assert not [key for key in default if key.startswith("STATISTICS")]
    assert entries(tmp_path / "out") == ["a.tif"]


CLASSES = """<PAMDataset><PAMRasterBand band="1">
<CategoryNames><Category>none</Category><Category>grass &amp; trees</Category></CategoryNames>
<GDALRasterAttributeTable tableType="thematic">
<FieldDefn index="0"><Name>Count</Name><Type>0</Type><Usage>1</Usage></FieldDefn>
<FieldDefn index="1"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
<FieldDefn index="2"><Name>Class</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<Row index="0"><F>9</F><F>0</F><F>none</F></Row>
<Row index="1"><F>8</F><F>1</F><F>W\N{LATIN SMALL LETTER A WITH DIAERESIS}lder</F></Row>
</GDALRasterAttributeTable>
</PAMRasterBand><PAMRasterBand band="2">
<GDALRasterAttributeTable tableType="athematic" Row0Min="0" BinSize="1">
<FieldDefn index="0"><Name>Histogram</Name><Type>0</Type><Usage>1</Usage></FieldDefn>
<Row index="0"><F>3</F></Row>
</GDALRasterAttributeTable>
</PAMRasterBand></PAMDataset>"""


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_classes_keep_their_names(tmp_path, driver):
    """Not numbers of pixels, which are others after resampling."""
    source = save(tmp_path / "in.tif", texture(90, 90).astype("uint8")[None].repeat(2, 0))
    (tmp_path / "in.tif.aux.xml").write_text(CLASSES, encoding="utf-8")
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "a.tif"
    for _ in range(2):
        produce(source, output, shift(0, 0), (90, 90), driver=driver, overwrite=True)
    assert entries(tmp_path / "out") == ["a.tif", "a.tif.aux.xml"]
    info = gdalinfo(output)
    assert info["bands"][0]["categories"] == ["none", "grass & trees"]
    assert "categories" not in info["bands"][1]
    assert [(field["name"], field["usage"]) for field in info["rat"]["fieldDefn"]] == [
        ("Value", 5), ("Class", 2),
    ]  # fmt: skip
    assert [row["f"] for row in info["rat"]["row"]] == [[0, "none"], [1, "W\u00e4lder"]]
    assert "Histogram" not in (tmp_path / "out" / "a.tif.aux.xml").read_text()


def test_tables_stand_beside_what_gdal_puts_there(tmp_path):
    """A CRS that a GeoTIFF can't express."""
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><SRS>x</SRS><PAMRasterBand band="2"><Foo /></PAMRasterBand></PAMDataset>'
    )
    tables = {1: ("<CategoryNames />",), 2: ("<CategoryNames />",)}
    write_tables(str(tmp_path / "a.tif"), tables, "a.tif")
    assert (tmp_path / "a.tif.aux.xml").read_text() == (
        '<PAMDataset><SRS>x</SRS><PAMRasterBand band="2"><Foo /><CategoryNames /></PAMRasterBand>'
        '<PAMRasterBand band="1"><CategoryNames /></PAMRasterBand></PAMDataset>'
    )


@pytest.mark.skipif("affine" not in transforms.available(), reason="needs the affine transform")
def test_gcps_are_dropped(tmp_path):
    source = save(tmp_path / "in.tif", texture(100, 100).astype("uint8"), transform=None, crs=None)
    with rasterio.open(source, "r+") as dataset:
        gcp = rasterio.control.GroundControlPoint
        points = [gcp(0, 0, 10, 50), gcp(0, 100, 11, 50), gcp(100, 0, 10, 49)]
        dataset.gcps = (points, rasterio.crs.CRS.from_epsg(4326))
    produce(source, tmp_path / "a.tif")
    assert "gcps" not in gdalinfo(tmp_path / "a.tif")


def test_pixel_is_point_is_kept(tmp_path):
    source = save(tmp_path / "in.tif", texture(100, 100).astype("float32"))
    with rasterio.open(source, "r+") as dataset:
        dataset.update_tags(AREA_OR_POINT="Point")
    for driver in ("COG", "GTiff"):
        output = tmp_path / f"{driver}.tif"
        produce(source, output, driver=driver)
        info = gdalinfo(output)
        assert info["metadata"][""]["AREA_OR_POINT"] == "Point"
        assert info["geoTransform"] == list(AT.to_gdal())


def test_palette_overviews_hold_palette_numbers(tmp_path):
    values = np.zeros((1400, 1400), "uint8")
    values[::2] = 7
    source = save(tmp_path / "in.tif", values, photometric="palette")
    with rasterio.open(source, "r+") as dataset:
        dataset.write_colormap(1, PALETTE)
    produce(source, tmp_path / "a.tif", shift(0, 0), (1400, 1400))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.overviews(1)
        assert set(np.unique(dataset.read(1, out_shape=(350, 350)))) <= {0, 7}
        assert dataset.colorinterp[0] == ColorInterp.palette
    for classes in (True, False):
        source = save(tmp_path / "in.tif", values)
        produce(
            source, tmp_path / "b.tif", shift(0, 0), (1400, 1400), classes=classes, overwrite=True
        )
        with rasterio.open(tmp_path / "b.tif", OVERVIEW_LEVEL=0) as dataset:
            assert (set(np.unique(dataset.read(1))) <= {0, 7}) == classes


def test_no_overview_bleeds_nodata(tmp_path):
    values = np.full((1400, 1400), 100, "float32")
    values[holes(1400, 1400)] = -9999
    source = save(tmp_path / "in.tif", values, nodata=-9999)
    produce(source, tmp_path / "a.tif", shift(0, 0), (1400, 1400))
    with rasterio.open(tmp_path / "a.tif", OVERVIEW_LEVEL=0) as dataset:
        assert set(np.unique(dataset.read(1))) == {-9999, 100}


# Formats


def test_bigtiff_only_where_needed(tmp_path):
    source = save(tmp_path / "in.tif", texture(100, 100).astype("uint8"))
    for driver in ("COG", "GTiff"):
        produce(source, tmp_path / "a.tif", driver=driver, overwrite=True)
        assert not is_bigtiff(str(tmp_path / "a.tif"))
        creation = {"bigtiff": "yes"}
        produce(source, tmp_path / "a.tif", driver=driver, overwrite=True, creation=creation)
        assert is_bigtiff(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_progress(tmp_path, driver):
    source = save(tmp_path / "in.tif", texture(600, 1500).astype("uint8"))
    seen = []
    with Raster(source) as raster:
        write_warped(
            raster,
            grid(600, 1500),
            wavy,
            str(tmp_path / "a.tif"),
            options=WriteOptions(driver),
            progress=seen.append,
        )
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[0] > 0
    assert seen[-1] == 1.0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_cancelling_leaves_nothing(tmp_path, driver, error):
    source = save(tmp_path / "in.tif", texture(600, 1500).astype("uint8"))

    def stop(_):
        raise error

    with Raster(source) as raster, pytest.raises(error):
        write_warped(
            raster,
            grid(600, 1500),
            wavy,
            str(tmp_path / "a.tif"),
            options=WriteOptions(driver),
            progress=stop,
        )
    assert entries(tmp_path) == ["in.tif"]


def test_broken_input_is_an_input_error(tmp_path):
    rng = np.random.default_rng(0)
    source = save(tmp_path / "in.tif", rng.integers(0, 255, (900, 900)).astype("uint8"))
    content = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "in.tif").write_bytes(content[: len(content) // 2])
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="truncated"):
        produce(source, tmp_path / "out" / "a.tif")
    assert entries(tmp_path / "out") == []


def test_missing_blocks_are_noticed(tmp_path):
    layout = Layout("uint8", 1, nodata=0)
    blocks = [Block(Window(0, 0, 100, 40), np.ones((1, 40, 100), "uint8"))]
    with pytest.raises(OutputError, match="4000 of 10000"):
        write(str(tmp_path / "a.tif"), grid(100, 100), layout, Metadata(), blocks)
    assert entries(tmp_path) == []


# Shifting without resampling


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
@pytest.mark.parametrize("kind", KINDS)
def test_shift_only_keeps_every_bit(tmp_path, sources, kind, driver):
    source = sources[kind]
    output = tmp_path / "shifted.tif"
    moved = AT.translation(3.25, -7.5) @ AT
    with Raster(source) as raster:
        shift_only(raster, str(output), moved, WriteOptions(driver), provenance={"seed": "1"})
    with rasterio.open(source) as before, rasterio.open(output) as after:
        assert after.transform == moved
        assert after.crs == before.crs
        assert after.dtypes == before.dtypes
        assert after.read().tobytes() == before.read().tobytes()
        assert np.array_equal(after.dataset_mask(), before.dataset_mask())
        assert after.colorinterp == before.colorinterp
        assert after.mask_flag_enums == before.mask_flag_enums
        assert str(after.nodata) == str(before.nodata)
        assert after.tags(ns="GEOREG") == {"seed": "1"}
    if driver == "COG":
        assert cog_validate(str(output), strict=True, quiet=True)[0]


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_complex_integers_of_either_sign(tmp_path, driver):
    """As SLC images have them: interpolated, many parts lie between -0.5 and 0."""
    parts = np.random.default_rng(0).integers(-3, 4, (2, 120, 120))
    values = (parts[0] + 1j * parts[1]).astype("complex64")
    source = save(tmp_path / "in.tif", values, dtype="complex_int16")
    warp_options = WarpOptions(resampling="bilinear")
    produce(source, tmp_path / "a.tif", shift(10.25, 7.5), (100, 100), warp_options, driver=driver)
    data, _ = run(source, (100, 100), shift(10.25, 7.5), resampling="bilinear")
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.dtypes == ("complex_int16",)
        assert np.array_equal(dataset.read(), np.rint(data.view("float32")).view("complex64"))


def test_shift_only_of_complex_integers_and_strange_floats(tmp_path):
    values = (np.arange(400).reshape(20, 20) * (1 - 2j)).astype("complex64")
    source = save(tmp_path / "in.tif", values, dtype="complex_int16")
    with Raster(source) as raster:
        shift_only(raster, str(tmp_path / "a.tif"), AT)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.dtypes == ("complex_int16",)
        assert np.array_equal(dataset.read(1), values)
    values = np.array([[np.nan, np.inf, -np.inf, -0.0]], "float64")
    values.view("uint64")[0, 0] |= 12345  # a NaN with a payload
    source = save(tmp_path / "in.tif", values)
    for driver in ("COG", "GTiff"):
        with Raster(source) as raster:
            options = WriteOptions(driver, overwrite=True)
            shift_only(raster, str(tmp_path / "a.tif"), AT, options)
        with rasterio.open(tmp_path / "a.tif") as dataset:
            assert dataset.read().tobytes() == values.tobytes()
            assert dataset.nodata is None


def test_shift_only_says_that_bands_share_a_nodata_value(tmp_path, caplog):
    """Pixels of the second band's own value became valid without a word."""
    source = save(tmp_path / "in.tif", np.arange(400, dtype=np.uint8).reshape(20, 20) % 5)
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{k}"><NoDataValue>{value}</NoDataValue>'
        f"<SimpleSource><SourceFilename>{source}</SourceFilename></SimpleSource></VRTRasterBand>"
        for k, value in ((1, 0), (2, 3))
    )
    (tmp_path / "two.vrt").write_text(
        f'<VRTDataset rasterXSize="20" rasterYSize="20">{bands}</VRTDataset>'
    )
    with Raster(str(tmp_path / "two.vrt")) as raster:
        shift_only(raster, str(tmp_path / "a.tif"), AT)
    assert "different nodata values" in caplog.text
    with Raster(source) as raster:
        caplog.clear()
        shift_only(raster, str(tmp_path / "b.tif"), AT)
    assert not caplog.text


def test_shift_only_keeps_metadata(tmp_path):
    source = with_metadata(tmp_path)
    with Raster(source) as raster:
        shift_only(raster, str(tmp_path / "a.tif"), AT)
    before, after = (gdalinfo(p, "-mdd", "all") for p in (source, tmp_path / "a.tif"))
    for key in ("description", "unit", "scale", "offset", "colorInterpretation", "noDataValue"):
        assert [b.get(key) for b in before["bands"]] == [b.get(key) for b in after["bands"]]
    assert after["metadata"]["MISSION"] == {"orbit": "33"}
    assert "GEOREG" not in after["metadata"]


def test_the_georeference_of_a_netcdf_is_not_carried_along_as_tags(tmp_path):
    """GDAL tells of a netCDF's attributes as tags; those of its grid mapping are the old place."""
    name = str(tmp_path / "scene.tif")
    with rasterio.open(
        name, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8",
        transform=Affine.translation(1, 2),
    ) as dataset:  # fmt: skip
        own = {
            "crs#grid_mapping_name": "transverse_mercator",
            "crs#GeoTransform": "436767 10 0 1 0 -1",
            "crs#false_easting": "500000",
            "NC_GLOBAL#title": "A scene",
            "B4#long_name": "red",
        }
        dataset.update_tags(**own)
    with Raster(name) as raster:
        tags = Metadata.of(raster).tags[""]
    assert not [key for key in tags if key.startswith("crs#")]
    assert (tags["NC_GLOBAL#title"], tags["B4#long_name"]) == ("A scene", "red")
