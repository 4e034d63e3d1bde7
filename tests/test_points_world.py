"""Tie points of rasters that go all the way around the Earth: no place is taken for another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from georeg import transforms
from georeg.fitfile import FitFile
from georeg.grid import Grid
from georeg.writers.ground import on_the_ground
from georeg.writers.plausible import check_plausible
from georeg.writers.points import read_points, write_points
from georeg.writers.sides import Side, Sides, open_side

PLACES = ((-170, 80), (170, 80), (120, -10), (20, -60), (-100, 30))


def world(path: Path, left: float = -180.0) -> Side:
    """A raster of one pixel per degree."""
    with rasterio.open(
        path, "w", driver="GTiff", width=360, height=180, count=1, dtype="uint8",
        crs="EPSG:4326", transform=Affine(1.0, 0.0, left, 0.0, -1.0, 90.0),
    ) as file:  # fmt: skip
        file.write(np.ones((1, 180, 360), np.uint8))
    return open_side(str(path))


def drawn(path: Path) -> str:
    """Points with a pixel of the moving raster and a place on the map."""
    rows = [f"{x + 180},{90 - y},{x},{y}" for x, y in PLACES]
    path.write_text("\n".join(["moving_x,moving_y,map_x,map_y", *rows]) + "\n")
    return str(path)


@pytest.mark.parametrize("left", [-180.0, 0.0])
def test_map_positions_all_over_the_world(tmp_path: Path, left: float) -> None:
    """Those beyond half a turn from the first pixel were placed beside the raster."""
    sides = Sides(world(tmp_path / "moving.tif"), world(tmp_path / "reference.tif", left))
    assert sides.reference is not None
    table = read_points(drawn(tmp_path / "points.csv"), sides)
    found = table.matches(sides.reference.georef, sides.reference.crs, sides.reference.shape)
    expected = [((x - left) % 360, 90 - y) for x, y in PLACES]
    assert found.reference_xy == pytest.approx(np.array(expected))
    if left == -180.0:
        check_plausible(table, sides)


def test_displacements_and_footprints_of_the_world(tmp_path: Path) -> None:
    """Lines went around the Earth, and outlines were torn where the points' mean isn't 0."""
    sides = Sides(world(tmp_path / "moving.tif"), world(tmp_path / "reference.tif"))
    table = read_points(drawn(tmp_path / "points.csv"), sides).select(np.arange(5) < 4)
    assert table.map_xy[:, 0].mean() == 35.0
    found = on_the_ground(table, sides)
    assert found.claimed == pytest.approx(found.true)
    assert found.metres == pytest.approx(np.zeros(4))
    for _, outline in found.footprints:
        assert outline.min(axis=0) == pytest.approx([-180, -90])
        assert outline.max(axis=0) == pytest.approx([180, 90])


def test_outlines_across_the_antimeridian_stay_whole(tmp_path: Path) -> None:
    """Where PROJ's longitudes jump amid an outline, it goes on beyond 180 degrees."""
    path = tmp_path / "fiji.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=100, height=100, count=1, dtype="uint8",
        crs=CRS(32760).to_wkt(), transform=Affine(5000.0, 0.0, 600000.0, 0.0, -5000.0, 8200000.0),
    ) as file:  # fmt: skip
        file.write(np.ones((1, 100, 100), np.uint8))
    sides = Sides(open_side(str(path)), world(tmp_path / "reference.tif"))
    points = tmp_path / "points.csv"
    points.write_text("moving_x,moving_y,map_x,map_y\n50,50,-179,-18\n60,50,-178.5,-18\n")
    found = on_the_ground(read_points(str(points), sides), sides)
    outline = dict(found.footprints)["moving, as it claims"]
    assert np.ptp(outline[:, 0]) < 6
    assert np.abs(outline[:, 0] + 180).max() < 6
    assert np.abs(found.claimed - found.true).max() < 3


def test_points_moved_all_over_the_world(tmp_path: Path) -> None:
    """The first one that was moved decided where all of them were."""
    sides = Sides(world(tmp_path / "moving.tif"), world(tmp_path / "reference.tif"))
    table = read_points(drawn(tmp_path / "points.csv"), sides)
    path = tmp_path / "points.geojson"
    write_points(path, replace(table, crs="EPSG:4326"), sides)
    data = json.loads(path.read_text())
    for feature in data["features"]:
        feature["geometry"]["coordinates"][1] -= 1.0
    path.write_text(json.dumps(data))
    assert read_points(path, sides).map_xy == pytest.approx(table.map_xy - [0.0, 1.0])


def test_where_a_scan_claims_to_be(tmp_path: Path) -> None:
    """It has no georeference: its fit places it, in the CRS of the reference."""
    path = tmp_path / "scan.png"
    with rasterio.open(
        path, "w", driver="PNG", width=90, height=45, count=1, dtype="uint8"
    ) as file:
        file.write(np.ones((1, 45, 90), np.uint8))
    sides = Sides(open_side(str(path)), world(tmp_path / "reference.tif"))
    points = tmp_path / "points.csv"
    points.write_text("moving_x,moving_y,map_x,map_y\n10,10,-140,50\n50,40,20,-70.5\n")
    table = read_points(str(points), sides)
    bare = on_the_ground(table, sides)
    assert np.isnan(bare.claimed).all()
    assert np.isnan(bare.metres).all()
    frame = Grid((180, 360), Affine(1.0, 0.0, -180.0, 0.0, -1.0, 90.0), CRS(4326))
    shift = transforms.from_dict({"name": "shift", "matrix": np.eye(3).tolist()})
    place = frame.transform @ Affine.scale(4)
    placed = replace(sides, fit=FitFile(shift, frame, frame, place, (45, 90)))
    found = on_the_ground(table, placed)
    assert found.claimed == pytest.approx(np.array([[-140.0, 50.0], [20.0, -70.0]]))
    assert found.metres == pytest.approx([0.0, 55_305], abs=50)
