"""Biases of RPCs recovered on real Pleiades images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoid_cases import make_geoid
from georeg import transforms
from georeg.ortho.bias import absorb
from georeg.ortho.orthorectify import orthorectify
from georeg.ortho.rpcfiles import need_rpc
from georeg.raster import Raster
from georeg.settings import OrthoSettings
from ortho_cases import (
    gdal_rpc,
    save,
)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

REAL = Path(os.environ.get("GEOREG_SHARED", "/nowhere")) / "data" / "pairs"


@pytest.mark.skipif(
    not (REAL / "pleiades_reunion").exists(), reason="GEOREG_SHARED has no pleiades_reunion"
)
@pytest.mark.slow
def test_pleiades_reunion(tmp_path: Path) -> None:
    """(12, -9) pixels and a drift of 3 and 4 per thousand lines, put into the second image."""
    folder = REAL / "pleiades_reunion"
    wanted = OrthoSettings(dem=str(folder / "dsm.tif"))
    reference = str(tmp_path / "reference.tif")
    orthorectify(str(folder / "img_01.tif"), reference, wanted)
    with Raster(str(folder / "img_02.tif")) as raster:
        own = need_rpc(raster).rpc
    bias = transforms.from_dict(
        {"name": "affine", "matrix": [[1, 0.003, 12], [0, 1.004, -9], [0, 0, 1]]}
    )
    image = str(tmp_path / "image.tif")
    with rasterio.open(folder / "img_02.tif") as file:
        save(Path(image), file.read(), absorb(own, bias)[0])
    found = orthorectify(image, None, wanted, reference=reference)
    assert found.verdict is not None
    assert found.verdict.ok
    # The two images' own RPCs differ by (-0.7, -0.1) pixels.
    lonlat = own.locate(np.array([[100.0, 100.0], [900.0, 1000.0]]), np.full(2, 2300.0))
    rest = found.rpc.project(lonlat, np.full(2, 2300.0)) - own.project(lonlat, np.full(2, 2300.0))
    assert np.abs(rest - [-0.72, -0.14]).max() < 0.1
    assert gdal_rpc(found.rpc).line_off != own.line_off


@pytest.mark.skipif(
    not (REAL / "pleiades_ventoux").exists(), reason="GEOREG_SHARED has no pleiades_ventoux"
)
@pytest.mark.slow
def test_pleiades_ventoux(tmp_path: Path) -> None:
    """60 lines in the RPCs of one view, found by the orthoimage of the other, over SRTM."""
    folder = REAL / "pleiades_ventoux"
    # EGM96 is 51 m above the ellipsoid all over the scene; PROJ's own grid isn't everywhere.
    geoid = make_geoid(tmp_path / "geoid.gtx", (5.3, 44.15), 51.0)
    settings = OrthoSettings(dem=str(folder / "srtm_utm31.tif"), dem_datum="egm96", geoid=geoid)
    reference = str(tmp_path / "reference.tif")
    left = replace(settings, rpc=str(folder / "rpc" / "left_image.geom"))
    orthorectify(str(folder / "left_image.tif"), reference, left)
    found = {}
    for name in ("right_image", "right_image_bias"):
        right = replace(settings, rpc=str(folder / "rpc" / f"{name}.geom"))
        result = orthorectify(str(folder / "right_image.tif"), None, right, reference=reference)
        assert result.verdict is not None
        assert result.verdict.ok, result.verdict.sentence()
        found[name] = result.rpc
    one, other = found.values()
    assert np.hypot(one.line_off - other.line_off, one.samp_off - other.samp_off) < 0.5
