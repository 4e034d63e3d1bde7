"""Geotransforms of every orientation, GCPs, and headers that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint

import rasters
from georeg.errors import InputError
from georeg.inputs.georef import AffineGeoref, GcpGeoref
from georeg.raster import Raster

ORIENTED = {
    "north-up": Affine(10, 0, 350000, 0, -10, 5250000),
    "south-up": Affine(10, 0, 350000, 0, 10, 5250000),
    "mirrored": Affine(-10, 0, 350000, 0, -10, 5250000),
    "rotated": Affine(10, 0, 350000, 0, -10, 5250000) @ Affine.rotation(30),
    "sheared": Affine(10, 2, 350000, 1, -8, 5250000),
    "quarter turn": Affine(0, 10, 350000, 10, 0, 5250000),
}


@pytest.mark.parametrize("transform", ORIENTED.values(), ids=ORIENTED.keys())
def test_orientations(tmp_path: Path, transform: Affine) -> None:
    name = rasters.write(tmp_path / "a.tif", rasters.ramp(), transform=transform)
    with Raster(name) as raster:
        georef = raster.header.georef
        assert isinstance(georef, AffineGeoref)
        xy = np.array([[0.0, 0.0], [60.0, 0.0], [12.5, 33.0]])
        expected = np.array([transform @ tuple(p) for p in xy])
        np.testing.assert_allclose(georef.to_map(xy), expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(georef.to_pixel(expected), xy, atol=1e-6)


@settings(deadline=None, derandomize=True)
@given(
    angle=st.floats(-180, 180),
    size=st.floats(1e-3, 1e3),
    shear=st.floats(-40, 40),
    x=st.floats(-1e7, 1e7),
    y=st.floats(-1e7, 1e7),
)
def test_round_trip(angle: float, size: float, shear: float, x: float, y: float) -> None:
    transform = Affine.translation(x, y) @ Affine.rotation(angle) @ Affine.shear(shear)
    georef = AffineGeoref(transform @ Affine.scale(size, -size))
    xy = np.array([[0.0, 0.0], [5000.25, 123.5], [-30.0, 9000.0]])
    error = np.abs(georef.to_pixel(georef.to_map(xy)) - xy).max()
    assert error < 1e-6 + 1e-8 / size  # a double holds 1e7 m to 2e-9 m


def _gcps(mapping: Affine, wobble: float, count: int) -> list[GroundControlPoint]:
    points = []
    for x in np.linspace(0, 60, count):
        for y in np.linspace(0, 40, count):
            east, north = mapping @ (x, y)
            points.append(
                GroundControlPoint(row=y, col=x, x=east + wobble * (x / 60) ** 2, y=north)
            )
    return points


@pytest.mark.parametrize(("wobble", "count"), [(0.0, 2), (0.0, 4), (30.0, 4)])
def test_gcps_like_gdal(tmp_path: Path, wobble: float, count: int) -> None:
    """Where gdalwarp puts a pixel by default, there we put it."""
    gcps = _gcps(ORIENTED["rotated"], wobble, count)
    georef = GcpGeoref.from_gcps(
        np.array([[g.col, g.row] for g in gcps]), np.array([[g.x, g.y] for g in gcps])
    )
    from rasterio.transform import GCPTransformer

    with GCPTransformer(gcps) as theirs:
        x, y = theirs.xy([10, 33], [20, 50], offset="ul")
    ours = georef.to_map(np.array([[20.0, 10.0], [50.0, 33.0]]))
    np.testing.assert_allclose(ours, np.stack([x, y], 1), atol=0.1)
    back = georef.to_pixel(ours)
    np.testing.assert_allclose(back, [[20, 10], [50, 33]], atol=1e-3)


def test_gcps_across_the_antimeridian(tmp_path: Path) -> None:
    name = str(tmp_path / "a.tif")
    gcps = [
        GroundControlPoint(row=y, col=x, x=(179.8 + x * 0.01 + 180) % 360 - 180, y=50 - y * 0.01)
        for x in (0, 60)
        for y in (0, 40)
    ]
    with rasterio.open(
        name, "w", driver="GTiff", height=40, width=60, count=1, dtype="uint8",
        gcps=gcps, crs="EPSG:4326",
    ) as file:  # fmt: skip
        file.write(rasters.ramp())
    with Raster(name) as raster:
        assert raster.header.georef is not None
        x = raster.header.georef.to_map(np.array([[30.0, 20.0]]))[0, 0]
        assert x == pytest.approx(180.1, abs=1e-6)


def test_too_few_gcps(tmp_path: Path) -> None:
    name = str(tmp_path / "a.tif")
    gcps = [GroundControlPoint(row=0, col=x, x=350000 + 10 * x, y=5250000) for x in (0, 10, 60)]
    with rasterio.open(
        name, "w", driver="GTiff", height=40, width=60, count=1, dtype="uint8",
        gcps=gcps, crs="EPSG:32633",
    ) as file:  # fmt: skip
        file.write(rasters.ramp())
    with pytest.raises(InputError, match="GCPs can't be used"):
        Raster(name)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(1, 1, 0, 1, 1, 0),
        Affine(1e-300, 0, 0, 0, 0, 0),
        Affine(1e14, 0, 0, 0, -1e14, 0),
        Affine(1, 0, float("nan"), 0, -1, 0),
    ],
    ids=["collinear", "no height", "beyond the solar system", "NaN"],
)
def test_absurd(tmp_path: Path, transform: Affine) -> None:
    name = rasters.write(tmp_path / "a.tif", rasters.ramp(), transform=transform)
    with pytest.raises(InputError, match="absurd geotransform"):
        Raster(name)


@pytest.mark.parametrize(("driver", "suffix"), [("PNG", "png"), ("PNM", "pgm")])
def test_none(tmp_path: Path, driver: str, suffix: str) -> None:
    """Of PNM, rasterio makes a geotransform of what lies in memory."""
    path = tmp_path / f"a.{suffix}"
    name = rasters.write(path, rasters.ramp(), transform=None, crs=None, driver=driver)
    with Raster(name) as raster:
        assert raster.header.georef is None
    (tmp_path / "a.wld").write_text("10\n0\n0\n-10\n350005\n5249995\n")
    with Raster(name) as raster:
        assert raster.header.georef == AffineGeoref(rasters.TRANSFORM)
