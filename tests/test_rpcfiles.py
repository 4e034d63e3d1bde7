"""RPCs from files of all kinds, and what GDAL reads from ours."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning

from georeg.errors import InputError, SettingsError
from georeg.ortho import rpc_dimap, rpc_geom, rpc_rpb, rpc_txt
from georeg.ortho.rpc import COEFFICIENTS, NUMBERS, Rpc
from georeg.ortho.rpcfiles import find_rpc, need_rpc, rpc_tags, write_rpc
from georeg.raster import Raster
from ortho_cases import rpc_of, save

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{NotGeoreferencedWarning.__module__}.NotGeoreferencedWarning"
)
RPC = rpc_of()
PIXELS = np.zeros((40, 60), np.uint8)
VENTOUX = Path(os.environ.get("GEOREG_SHARED", "/nowhere")) / "data/pairs/pleiades_ventoux"


def same(one: Rpc, other: Rpc) -> bool:
    """All but the errors, which some formats can't leave open."""
    return all(getattr(one, key.lower()) == getattr(other, key.lower())
               for key in (*NUMBERS, *COEFFICIENTS))  # fmt: skip


def dimap(rpc: Rpc, first: float | None = None) -> str:
    """As an XML file counts: from 1, unless it says otherwise."""
    start = 1.0 if first is None else first
    tags = rpc.moved(start, start).to_tags()
    model = "GroundtoImage_Values" if first is not None else "Inverse_Model"
    lines = [f"<{key}_{k}>{c}</{key}_{k}>" for key in COEFFICIENTS
             for k, c in enumerate(tags[key].split(), start=1)]  # fmt: skip
    domain = "" if first is None else (
        f"<ImagetoGround_Validity_Domain><FIRST_ROW>{first}</FIRST_ROW>"
        f"<FIRST_COL>{first}</FIRST_COL></ImagetoGround_Validity_Domain>"
    )  # fmt: skip
    validity = domain + "".join(f"<{key}>{tags[key]}</{key}>" for key in NUMBERS)
    return (
        '<?xml version="1.0"?><Dimap_Document><Rational_Function_Model><Global_RFM>'
        f"<Direct_Model><LINE_NUM_COEFF_1>5</LINE_NUM_COEFF_1></Direct_Model>"
        f"<{model}>{''.join(lines)}</{model}><RFM_Validity>{validity}</RFM_Validity>"
        "</Global_RFM></Rational_Function_Model></Dimap_Document>"
    )


def geom(rpc: Rpc, **more: str) -> str:
    tags = rpc.to_tags()
    values = {key.lower(): tags[key] for key in NUMBERS}
    for key in COEFFICIENTS:
        values |= {f"{key.lower()}_{k:02d}": c for k, c in enumerate(tags[key].split())}
    values |= {"type": "ossimPleiadesModel", "polynomial_format": "B", **more}
    return "".join(f"{key}:  {value}\n" for key, value in values.items())


WRITERS = {
    "a_RPC.TXT": rpc_txt.write,
    "a.RPB": rpc_rpb.write,
    "RPC_A.XML": dimap,
    "neo.XML": lambda rpc: dimap(rpc, 0.0),
    "a.geom": geom,
}


@pytest.mark.parametrize("name", WRITERS)
def test_named_files_of_every_format(tmp_path: Path, name: str) -> None:
    image = save(tmp_path / "image.tif", PIXELS)
    path = tmp_path / name
    path.write_text(WRITERS[name](RPC))
    with Raster(image) as raster:
        source = need_rpc(raster, str(path))
        assert find_rpc(raster) is None
    assert same(source.rpc, RPC)
    assert source.origin == str(path)


@pytest.mark.parametrize("name", ["image_RPC.TXT", "image.RPB"])
def test_gdal_reads_what_we_write(tmp_path: Path, name: str) -> None:
    image = save(tmp_path / "image.tif", PIXELS, rpc_of(lat_off=10.0))
    odd = rpc_of(line_off=1 / 3, samp_off=-2e-7)
    write_rpc(str(tmp_path / name), odd)
    with Raster(image) as raster:
        assert same(need_rpc(raster).rpc, odd)
        assert need_rpc(raster).origin == "GDAL"


def test_gdal_and_we_read_the_same_dimap(tmp_path: Path) -> None:
    (tmp_path / "RPC_A_1.XML").write_text(dimap(RPC))
    image = save(tmp_path / "IMG_A_1_R1C1.TIF", PIXELS)
    with Raster(image) as raster:
        tags = rpc_tags(raster)
    assert np.isclose(float(tags["LINE_OFF"]), RPC.line_off, rtol=1e-14)
    assert same(rpc_dimap.read(dimap(RPC), "x"), RPC)


def product(folder: Path, *, whole: bool) -> Path:
    """A scene in two files side by side, 60 columns each; `whole`: with its DIM_*.XML."""
    folder.mkdir()
    (folder / "RPC_A_1.XML").write_text(dimap(RPC))
    for tile in ("R1C1", "R1C2"):
        save(folder / f"IMG_A_1_{tile}.TIF", PIXELS)
    files = "".join(
        f'<Data_File tile_R="1" tile_C="{c}">'
        f'<DATA_FILE_PATH href="IMG_A_1_R1C{c}.TIF"/></Data_File>'
        for c in (1, 2)
    )
    if whole:
        (folder / "DIM_A_1.XML").write_text(
            f"<Dimap_Document><Raster_Data><Data_Access><Data_Files>{files}</Data_Files>"
            "</Data_Access><Raster_Dimensions><Tile_Set><Regular_Tiling>"
            '<NTILES_SIZE nrows="40" ncols="60"/></Regular_Tiling></Tile_Set></Raster_Dimensions>'
            "</Raster_Data></Dimap_Document>"
        )
    return folder


def test_scenes_in_several_files(tmp_path: Path) -> None:
    """DIMAP's RPCs count from the scene's first pixel; where a file lies in it DIM_*.XML says."""
    good = product(tmp_path / "good", whole=True)
    for tile, column in (("R1C1", 0), ("R1C2", 60)):
        with Raster(str(good / f"IMG_A_1_{tile}.TIF")) as raster:
            assert need_rpc(raster).rpc.samp_off == pytest.approx(RPC.samp_off - column)
    poor = product(tmp_path / "poor", whole=False)
    xml = str(poor / "RPC_A_1.XML")
    with Raster(str(poor / "IMG_A_1_R1C1.TIF")) as raster:
        assert need_rpc(raster).rpc.samp_off == pytest.approx(RPC.samp_off)
        assert same(need_rpc(raster, xml).rpc, RPC)
    with Raster(str(poor / "IMG_A_1_R1C2.TIF")) as raster:
        for given in (None, xml):
            with pytest.raises(InputError, match=r"several files.*DIM_\*\.XML"):
                need_rpc(raster, given)
    own = tmp_path / "own"  # RPCs of its own
    own.mkdir()
    image = save(own / "IMG_A_1_R1C2.TIF", PIXELS, RPC)
    with Raster(image) as raster:
        assert need_rpc(raster).rpc.samp_off == pytest.approx(RPC.samp_off)


def test_tags_and_nitf_through_gdal(tmp_path: Path) -> None:
    image = save(tmp_path / "image.tif", PIXELS, RPC)
    rasterio.shutil.copy(image, tmp_path / "image.ntf", driver="NITF", RPC00B="YES")
    for path in tmp_path.glob("*.aux.xml"):
        path.unlink()
    with Raster(image) as tiff, Raster(str(tmp_path / "image.ntf")) as nitf:
        for key in (*NUMBERS, *COEFFICIENTS):  # GDAL tells 15 digits of the TIFF's tag
            value = getattr(need_rpc(tiff).rpc, key.lower())
            assert value == pytest.approx(getattr(RPC, key.lower()), rel=1e-14)
        found = need_rpc(nitf).rpc
        assert need_rpc(tiff, str(tmp_path / "image.ntf")).rpc == found  # a raster as --rpc
    # NITF has few digits.
    assert found.lat_off == pytest.approx(RPC.lat_off, abs=1e-4)
    assert found.line_num_coeff == pytest.approx(RPC.line_num_coeff, abs=1e-6)


def test_geom_beside_the_image(tmp_path: Path) -> None:
    image = save(tmp_path / "image.tif", PIXELS)
    (tmp_path / "image.geom").write_text(geom(RPC))
    with Raster(image) as raster:
        assert same(need_rpc(raster).rpc, RPC)


def test_a_part_of_a_scene_says_where_it_was(tmp_path: Path) -> None:
    """The Orfeo ToolBox's way: a geotransform without CRS that counts pixels."""
    image = save(tmp_path / "image.tif", PIXELS, transform=Affine(1, 0, 500, 0, 1, 700))
    path = tmp_path / "image.geom"
    path.write_text(geom(RPC))
    with Raster(image) as raster:
        source = need_rpc(raster)
        assert source.crop == (500, 700)
        assert same(source.rpc, RPC.moved(-500, -700))
        # Refined RPCs are written for the pixels of the part.
        write_rpc(str(tmp_path / "refined_RPC.TXT"), source.rpc)
        assert need_rpc(raster, str(tmp_path / "refined_RPC.TXT")).rpc == source.rpc


def test_ossims_own_adjustment() -> None:
    head = "adjustment_0.adj_param_{}."
    more = {"current_adjustment": "0"}
    for k, (name, parameter) in enumerate(
        {
            "intrack_offset": 0.5,
            "crtrack_offset": -0.25,
            "intrack_scale": 0,
            "map_rotation": 0,
        }.items()
    ):
        more |= {
            f"{head.format(k)}description": name,
            f"{head.format(k)}parameter": str(parameter),
            f"{head.format(k)}sigma": "50",
            f"{head.format(k)}center": "0",
        }
    found = rpc_geom.read(geom(RPC, **more), "a.geom")
    assert same(found, RPC.moved(-12.5, 25.0))
    with pytest.raises(InputError, match="adjusted by a rotation"):
        rpc_geom.read(geom(RPC, **{**more, f"{head.format(3)}parameter": "0.1"}), "a.geom")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "not a raster"),
        ("", "not a raster"),
        ("LINE_OFF: 3\nLINE_NUM_COEFF_1: 1\n", "SAMP_OFF is missing"),
        ("lineNumCoef = (1, 2);", "LINE_OFF is missing"),
        ("type:  ossimQuickbirdModel\n", "a sensor model of its own"),
        (geom(RPC, polynomial_format="A"), "RPC00A"),
        ("<Rational_Function_Model>", "can't be read"),
        ("<x><Rational_Function_Model/></x>", "LINE_OFF is missing"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><Rational_Function_Model/>', "defines entities"),
    ],
)
def test_files_that_hold_none(tmp_path: Path, text: str, said: str) -> None:
    image = save(tmp_path / "image.tif", PIXELS)
    path = tmp_path / "rpc.any"
    path.write_text(text)
    with Raster(image) as raster, pytest.raises(InputError, match=said) as error:
        need_rpc(raster, str(path))
    assert str(path) in str(error.value)


def test_rpcs_of_another_image_are_refused(tmp_path: Path) -> None:
    image = save(tmp_path / "image.tif", PIXELS)
    other = save(tmp_path / "other.tif", PIXELS[:20], RPC)
    bare = save(tmp_path / "bare.tif", PIXELS)
    with Raster(image) as raster:
        with pytest.raises(InputError, match="another size"):
            need_rpc(raster, other)
        with pytest.raises(InputError, match="holds no RPCs"):
            need_rpc(raster, bare)
        with pytest.raises(InputError, match="no such file"):
            need_rpc(raster, str(tmp_path / "none.RPB"))


def test_images_without_rpcs_are_told_what_to_do(tmp_path: Path) -> None:
    bare = save(tmp_path / "bare.tif", PIXELS)
    gcps = [GroundControlPoint(0, 0, 15, 48), GroundControlPoint(0, 60, 15.1, 48),
            GroundControlPoint(40, 0, 15, 47.9)]  # fmt: skip
    controlled = save(tmp_path / "gcps.tif", PIXELS, gcps=gcps, crs="EPSG:4326")
    with Raster(bare) as raster, pytest.raises(InputError, match="exterior orientation"):
        need_rpc(raster)
    with Raster(controlled) as raster, pytest.raises(InputError, match="georeg align"):
        need_rpc(raster)


def test_the_name_picks_the_format(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.RPB or _RPC\.TXT"):
        write_rpc(str(tmp_path / "a.xml"), RPC)


@pytest.mark.skipif(not VENTOUX.exists(), reason="GEOREG_SHARED has no pleiades_ventoux")
def test_real_geom_and_dimap_agree() -> None:
    """OTB's file was made from the vendor's."""
    (xml,) = (VENTOUX / "rpc").glob("*.XML")
    vendor = rpc_dimap.read(xml.read_text(), "xml")
    path = VENTOUX / "rpc" / "left_image.geom"
    other = rpc_geom.read(path.read_text(), "geom")
    for key in (*NUMBERS, *COEFFICIENTS):
        assert getattr(vendor, key.lower()) == pytest.approx(getattr(other, key.lower()), rel=1e-12)
