"""What align writes, judged by tools that are not ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import scenes
from georeg.align import align
from georeg.settings import OutputSettings, Settings

SHAPE = (640, 620)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> scenes.Pair:
    folder = tmp_path_factory.mktemp("pair")
    return scenes.make_pair(folder, scenes.similarity(1.0, 1.0, 6, -4, SHAPE), SHAPE)


@pytest.fixture(scope="module", params=["COG", "GTiff"])
def written(request: Any, pair: scenes.Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "out.tif"
    wanted = OutputSettings(driver=request.param)
    result = align(pair.moving, pair.reference, str(out), Settings(threads=1), wanted)
    assert result.output, result.verdict.sentence()
    return out


def test_no_sidecars_beside_output_or_inputs(pair: scenes.Pair, written: Path) -> None:
    assert [p.name for p in written.parent.iterdir()] == ["out.tif"]
    assert sorted(p.name for p in Path(pair.moving).parent.iterdir()) == [
        "moving.tif",
        "reference.tif",
    ]


def test_rio_cogeo_finds_a_valid_cog(written: Path) -> None:
    cogeo = pytest.importorskip("rio_cogeo.cogeo")
    with rasterio.open(written) as file:
        if file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            pytest.skip("written as plain GeoTIFF")
    valid, errors, warnings = cogeo.cog_validate(str(written), strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    assert [p.name for p in written.parent.iterdir()] == ["out.tif"]


def test_gdalinfo_reads_what_we_meant(pair: scenes.Pair, written: Path) -> None:
    if shutil.which("gdalinfo") is None:
        pytest.skip("gdalinfo is not on PATH")
    done = subprocess.run(
        [
            "gdalinfo", "-json", "-mdd", "GEOREG", "-checksum",
            "--config", "GDAL_PAM_ENABLED", "NO", str(written),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ERROR" not in done.stderr
    info = json.loads(done.stdout)
    assert info["driverShortName"] == "GTiff"
    assert info["geoTransform"][1::4] == [1.0, -1.0]
    assert "32633" in info["coordinateSystem"]["wkt"]
    assert info["files"] == [str(written)]
    assert info["bands"][0]["type"] == "Byte"
    assert info["bands"][0]["noDataValue"] == 0
    assert info["bands"][0]["checksum"] != 0
    assert info["metadata"]["GEOREG"]["MOVING"] == pair.moving


def test_gdal_reads_every_block_and_the_mask_says_what_is_valid(
    pair: scenes.Pair, written: Path
) -> None:
    with rasterio.open(written) as file, rasterio.open(pair.moving) as moving:
        data, mask = file.read(1), file.read_masks(1) > 0
        valid = (moving.read(1) > 0).sum()
    assert ((data == 0) == ~mask).all()
    assert mask.sum() == pytest.approx(valid, rel=0.01)
    assert np.isin(np.unique(data[mask]), np.arange(1, 256)).all()
