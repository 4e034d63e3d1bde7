"""What can be wrong with the inputs of an orthoimage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from cli_cases import run, snapshot
from georeg.errors import InputError, SettingsError
from georeg.ortho import rpc_rpb
from georeg.ortho.orthorectify import orthorectify
from georeg.ortho.rpcfiles import write_rpc
from georeg.settings import OrthoSettings, Settings
from ortho_cases import (
    EAST,
    FAST,
    NORTH,
    UTM,
    Scene,
    make_dem,
    make_scene,
    rpc_of,
    save,
)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """An image with the right RPCs."""
    return make_scene(tmp_path_factory.mktemp("right"))


def bad_rpc(folder: Path) -> str:
    path = save(folder / "bad.tif", np.ones((50, 50), np.uint8), rpc_of(50))
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="RPC", LINE_NUM_COEFF=" ".join(["nan"] * 20))
    return path


def far_dem(folder: Path) -> str:
    return make_dem(folder / "dem.tif", transform=Affine(5, 0, EAST + 40_000, 0, -5, NORTH))


def far_reference(folder: Path) -> str:
    place = Affine(1, 0, EAST + 5_000, 0, -1, NORTH)
    return save(folder / "far.tif", np.eye(300, dtype=np.uint8), crs=UTM.to_wkt(), transform=place)


def no_rpcs(folder: Path) -> str:
    return save(folder / "a.tif", np.ones((50, 50), np.uint8))


def left_over(folder: Path) -> str:
    (folder / "a_RPC.TXT").write_text("")
    return str(folder / "a.tif")


def rpc_file(folder: Path) -> str:
    path = str(folder / "given.RPB")
    write_rpc(path, rpc_of())
    return path


def broken_sidecar(folder: Path) -> str:
    path = save(folder / "b.tif", np.ones((50, 50), np.uint8), rpc_of(50))
    (folder / "b_RPC.TXT").write_text("LINE_OFF: 24.5\n")
    return path


def broken_rpb(text: str) -> Callable[[Path], str]:
    """An image with RPCs in its tags, and an .RPB that holds none."""

    def make(folder: Path) -> str:
        path = save(folder / "c.tif", np.ones((50, 50), np.uint8), rpc_of(50))
        (folder / "c.RPB").write_text(text)
        return path

    return make


RPB = rpc_rpb.write(rpc_of(50))

# What is wrong: the exit code, what is said, and the arguments; IN, DEM, REF and OUT stand for
# good files, functions make bad ones.
BAD: dict[str, tuple[int, str, list[Any]]] = {
    "no ground": (2, "give a --dem, or a constant --height", ["IN", "-o", "OUT"]),
    "both grounds": (2, "not both", ["IN", "--dem", "DEM", "--height", "3", "-o", "OUT"]),
    "missing dem": (4, "no such file", ["IN", "--dem", "/nowhere.tif", "-o", "OUT"]),
    "dem elsewhere": (4, "doesn't cover", ["IN", "--dem", far_dem, "-o", "OUT"]),
    "no rpcs": (4, "has no RPCs", [no_rpcs, "--dem", "DEM", "-o", "OUT"]),
    "nan": (4, "LINE_NUM_COEFF is not a finite", [bad_rpc, "--dem", "DEM", "-o", "OUT"]),
    "broken sidecar": (
        4, "b_RPC.TXT file found, but missing SAMP_OFF",
        [broken_sidecar, "--dem", "DEM", "-o", "OUT"],
    ),
    "empty rpb": (
        4, "c.RPB holds no RPCs that can be read", [broken_rpb(""), "--dem", "DEM", "-o", "OUT"],
    ),
    "rpb that ends early": (
        4, "c.RPB holds no RPCs that can be read",
        [broken_rpb(RPB[: RPB.rfind("END;")]), "--dem", "DEM", "-o", "OUT"],
    ),
    "rpb without an item": (
        4, "c.RPB file found, but missing IMAGE.sampOffset",
        [broken_rpb(RPB.replace("sampOffset", "offset")), "--dem", "DEM", "-o", "OUT"],
    ),
    "report over the rpcs": (
        2, "is the input",
        ["IN", "--dem", "DEM", "-o", "OUT", "--rpc", rpc_file, "--report", rpc_file],
    ),
    "datum without grid": (
        4, "us_nga_egm08_25.tif", ["IN", "--dem", "DEM", "--dem-datum", "egm2008", "-o", "OUT"]
    ),
    "grid moving": (
        2, "no pixel grid of its own", ["IN", "--dem", "DEM", "--grid", "moving", "-o", "OUT"]
    ),
    "shift-only": (2, "no such option", ["IN", "--dem", "DEM", "--shift-only", "-o", "OUT"]),
    "nothing to refine by": (
        2, "--reference, or --gcps use",
        ["IN", "--dem", "DEM", "-o", "OUT", "--rpc-output", "r.RPB"],
    ),
    "no tie points": (
        2, "with a --reference only",
        ["IN", "--dem", "DEM", "-o", "OUT", "--gcps", "use", "--points", "OUT.csv"],
    ),
    "rpcs of no format": (
        2, "are written as .RPB",
        ["IN", "--dem", "DEM", "-o", "OUT", "--reference", "REF", "--rpc-output", "OUT.rpc"],
    ),
    "stretch": (
        2, "--max-stretch must be above 1",
        ["IN", "--dem", "DEM", "-o", "OUT", "--max-stretch", "1"],
    ),
    "height": (2, "nowhere on Earth", ["IN", "--height", "384400000", "-o", "OUT"]),
    "beside rpcs": (
        2, "GDAL would take it for RPCs of the orthoimage", ["IN", "--dem", "DEM", "-o", left_over]
    ),
    "beside the copy": (
        2, "RPCs of the copy",
        ["IN", "--dem", "DEM", "--gcps", "use", "-o", "OUT", "--image-output", left_over],
    ),
    "over the input": (2, "is the input", ["IN", "--dem", "DEM", "-o", "IN", "--overwrite"]),
    "pixels that are too large": (
        2, "the image would vanish between the pixels of the output, which are 5000 x 5000",
        ["IN", "--dem", "DEM", "-o", "OUT", "--resolution", 5000],
    ),
    "far reference": (
        4, "overlap", ["IN", "--dem", "DEM", "-o", "OUT", "--reference", far_reference]
    ),
    "elsewhere": (
        2, "nothing of the image lies in",
        ["IN", "--dem", "DEM", "-o", "OUT", "--bounds", 0, 0, 100, 100, "--res", 1],
    ),
    "reference with rpcs": (
        4, "lay it over a DEM first", ["IN", "--dem", "DEM", "-o", "OUT", "--reference", "IN"]
    ),
    "several into one": (
        2, "must be a folder that exists", ["IN", "IN", "--dem", "DEM", "-o", "OUT"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_inputs(
    right: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    from georeg.ortho import vertical

    monkeypatch.setattr(vertical, "_searched", lambda: ["/nowhere"])
    code, said, args = BAD[case]
    files = {"IN": right.image, "DEM": right.dem, "REF": right.reference,
             "OUT": str(tmp_path / "out.tif"), "OUT.rpc": str(tmp_path / "out.rpc"),
             "OUT.csv": str(tmp_path / "out.csv")}  # fmt: skip
    given = [arg(tmp_path) if callable(arg) else files.get(arg, arg) for arg in args]
    before = snapshot(tmp_path)
    done = run("ortho", *given, *FAST)
    assert done.code == code, done.err
    assert said.lower() in done.err.lower()
    assert snapshot(tmp_path) == before


def test_align_with_a_dem_but_without_rpcs(right: Scene, tmp_path: Path) -> None:
    """The reference against itself: the DEM isn't needed, and that is said."""
    out = tmp_path / "a.tif"
    done = run("align", right.reference, "--reference", right.reference, "--dem", right.dem, "-o",
               out, *FAST)  # fmt: skip
    assert done.code == 0, done.err
    assert "has no RPCs: the ground isn't needed" in done.err
    alone = run("align", right.reference, "--reference", right.reference, "--rpc", "x", "-o",
                tmp_path / "b.tif")  # fmt: skip
    assert alone.code == 2
    assert "--rpc goes with --dem" in alone.err


def test_align_without_a_dem_says_what_rpcs_need(right: Scene, tmp_path: Path) -> None:
    done = run("align", right.image, "--reference", right.reference, "-o", tmp_path / "a.tif")
    assert done.code == 4
    assert "RPCs, which need the ground: give --dem" in done.err


def test_settings_are_checked_in_python_too() -> None:
    with pytest.raises(SettingsError, match="give the ground"):
        OrthoSettings()
    with pytest.raises(SettingsError, match="none of"):
        OrthoSettings(dem="x", dem_datum="sea")
    with pytest.raises(SettingsError, match="need a --dem"):
        OrthoSettings(height=3, geoid="x")
    with pytest.raises(SettingsError, match="by --bias"):
        orthorectify("x", None, OrthoSettings(dem="x"), settings=Settings(transform="affine"))
    with pytest.raises(InputError, match="no such file"):
        orthorectify("/nowhere.tif", None, OrthoSettings(height=3))
