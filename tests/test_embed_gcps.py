"""GCPs in a GeoTIFF: gdalwarp makes of them what georeg makes of the fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

import gdal_judges as judges
import scenes
from fit_cases import TRUE, UTM, fit_file, header
from georeg.applying import apply_fit
from georeg.errors import InputError
from georeg.settings import OutputSettings, Settings
from georeg.transforms import LADDER, from_dict
from georeg.writers import gcps
from georeg.writers.gcps import CLOSE, fit_gcps

SHAPE = (360, 420)
PLACE = TRUE @ Affine.translation(200, 250)


def embed(fit, source: str, output: Path, **more) -> dict[str, str]:
    """Embed, and return what the file says about it."""
    wanted = OutputSettings(embed_gcps=True, **more)
    apply_fit(fit, source, str(output), wanted, settings=Settings(threads=1))
    with rasterio.open(output) as file:
        assert file.transform == Affine.identity()
        return dict(file.tags(ns="GEOREG"))


@pytest.mark.parametrize("name", LADDER)
def test_gdalwarp_makes_the_same_of_them(tmp_path: Path, name: str) -> None:
    fit = fit_file(name)
    source = judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE)
    tags = embed(fit, source, tmp_path / "gcps.tif")
    own = judges.own_warp(fit, source, tmp_path / "own.tif")
    method = tags["GCPS_FOR"].removeprefix("gdalwarp").split()
    theirs = judges.gdalwarp(tmp_path / "gcps.tif", tmp_path / "theirs.tif", own, *method)
    error = judges.apart(own, theirs, SHAPE)
    assert error < judges.CLOSE, f"{name}: {error:.4f} px with {tags['GCPS_FOR']}"
    assert float(tags["GCPS_ERROR_PX"]) <= CLOSE
    if name in ("affine", "field"):
        theirs = judges.gdalwarp(tmp_path / "gcps.tif", theirs, own, *method, new=True)
        assert judges.apart(own, theirs, SHAPE) < judges.CLOSE


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_no_pixel_is_touched(tmp_path: Path, driver: str) -> None:
    """PixelIsPoint moved the GCPs by a pixel before the tag was left out."""
    data = np.random.default_rng(0).integers(1, 255, (200, 300)).astype(np.uint8)
    source = scenes.write(tmp_path / "moving.tif", data, PLACE, nodata=7)
    with rasterio.open(source, "r+") as file:
        file.update_tags(AREA_OR_POINT="Point", CAMERA="old")
    fit = fit_file("shift")
    embed(fit, source, tmp_path / "gcps.tif", driver=driver)
    with rasterio.open(source) as one, rasterio.open(tmp_path / "gcps.tif") as two:
        np.testing.assert_array_equal(one.read(), two.read())
        assert two.nodata == 7
        assert two.tags()["CAMERA"] == "old"
        gcps, crs = two.gcps
    assert CRS.from_wkt(crs.to_wkt()) == fit.frame.crs
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gcps.tif", "moving.tif"]
    shift = fit.transform.forward(np.zeros((1, 2)))[0]
    for gcp in gcps:
        claimed = np.array(PLACE @ (gcp.col, gcp.row))
        assert (gcp.x, gcp.y) == pytest.approx(claimed + shift * [1, -1], abs=1e-6)
    info = json.loads(judges.run("gdalinfo", "-json", tmp_path / "gcps.tif"))
    assert len(info["gcps"]["gcpList"]) == len(gcps)
    assert info["gcps"]["gcpList"][0]["pixel"] == 0


def test_of_a_scan_without_georeference_and_in_another_crs(tmp_path: Path) -> None:
    source = judges.ramp(tmp_path / "scan.tif", SHAPE, None, None)
    fit = fit_file("affine", placement=PLACE, moving_shape=SHAPE)
    tags = embed(fit, source, tmp_path / "gcps.tif", dst_crs="EPSG:25833", driver="GTiff")
    assert tags["GCPS_FOR"] == "gdalwarp"
    own = judges.own_warp(fit, source, tmp_path / "own.tif", dst_crs="EPSG:25833")
    theirs = judges.gdalwarp(tmp_path / "gcps.tif", tmp_path / "theirs.tif", own)
    assert judges.apart(own, theirs, SHAPE) < judges.CLOSE


def test_a_fit_that_is_not_defined_all_over_the_raster(tmp_path: Path) -> None:
    """GCPs at some of its places would have others made up."""
    horizon = {"name": "projective", "matrix": [[1, 0, 0], [0, 1, 0], [-1 / 500, 0, 1]]}
    fit = replace(fit_file("shift"), transform=from_dict(horizon))  # PLACE goes on to x = 620
    source = judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE)
    with pytest.raises(InputError, match=r"moving.tif: the fit isn't defined all over it"):
        embed(fit, source, tmp_path / "gcps.tif")
    assert not (tmp_path / "gcps.tif").exists()


def test_gcps_that_never_become_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The best of all that were tried are taken, and said to be no better."""
    monkeypatch.setattr(gcps, "_SIDES", (9, 4))
    fit, head = fit_file("field"), header(tmp_path)
    monkeypatch.setattr(gcps, "CLOSE", 1e-6)
    found = fit_gcps(fit, head, "a.tif", UTM)
    assert found.summary()[:2] == (81, "gdalwarp -tps")
    assert 0.02 < found.error < 1
    assert caplog.messages == [f"81 GCPs for gdalwarp -tps are exact to {found.error:.2f} px only"]
    monkeypatch.setattr(gcps, "CLOSE", found.error)
    assert fit_gcps(fit, head, "a.tif", UTM).error == found.error
    assert len(caplog.messages) == 1
    monkeypatch.setattr(gcps, "_interpolations", lambda _: iter(()))
    with pytest.raises(InputError, match=r"^a\.tif: GDAL can't interpolate between GCPs"):
        fit_gcps(fit, head, "a.tif", UTM)
