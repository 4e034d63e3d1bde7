"""What QGIS makes of our files. QGIS has a Python of its own: the judge runs in that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

import scenes
from georeg.inputs.georef import AffineGeoref
from georeg.matches import Matches
from georeg.writers.points import PointTable, write_points
from georeg.writers.sides import Sides, open_side

PYTHON = "/usr/bin/python3"  # Debian's python3-qgis is for this one only
PLACE = Affine(10, 0, scenes.ORIGIN[0], 0, -10, scenes.ORIGIN[1])
SHAPE = (300, 400)
LINEAR = np.array([[9.7, 1.3], [0.9, -10.2]])  # pixel -> map, with the axes' mirror in it

JUDGE = """
import csv, json, sys
from qgis.core import *
from qgis.analysis import QgsGcpTransformerInterface as Gcps
job = json.loads(sys.argv[1])
app = QgsApplication([], False)
app.initQgis()
out = {}
for name, raster in job["rasters"].items():
    layer = QgsRasterLayer(raster, name)
    box = layer.extent()
    lines = open(job["points"][name], encoding="utf-8").read().splitlines()
    crs = QgsCoordinateReferenceSystem(lines[0].replace("#CRS: ", ""))
    rows = [r for r in csv.DictReader(lines[1:]) if int(r["enable"])]
    source = [QgsPointXY(float(r["sourceX"]), float(r["sourceY"])) for r in rows]
    true = [QgsPointXY(float(r["mapX"]), float(r["mapY"])) for r in rows]
    gcps = Gcps.createFromParameters(Gcps.TransformMethod.PolynomialOrder1, source, true)
    corners = [(box.xMinimum(), box.yMaximum()), (box.xMaximum(), box.yMinimum())]
    out[name] = {
        "layer": [layer.isValid(), *corners],
        "crs": crs.authid(),
        "corners": [gcps.transform(*c) for c in corners],
    }
    del layer
styles = {}
for name in ("points", "displacements", "footprints"):
    layer = QgsVectorLayer(job["gpkg"] + "|layername=" + name, name, "ogr")
    rules = layer.renderer().rootRule().children()
    kinds = [s.layerType() for rule in rules for s in rule.symbol().symbolLayers()]
    styles[name] = [layer.isValid(), layer.featureCount(), [r.label() for r in rules], kinds]
    del layer
out["styles"] = styles
print("RESULT" + json.dumps(out))
app.exitQgis()
"""


def judge(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What QGIS says; skips where there is none, unless GEOREG_QGIS is set, as in .ci/run."""
    needed = "GEOREG_QGIS" in os.environ
    if not needed and not shutil.which(PYTHON):
        pytest.skip(f"{PYTHON} is missing, the only Python that may have QGIS")
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GDAL", "PROJ"))}
    env |= {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(runtime), "HOME": str(folder)}
    found = subprocess.run(
        [PYTHON, "-c", "import qgis.analysis"], env=env, capture_output=True, check=False
    )
    if found.returncode and not needed:
        pytest.skip("QGIS is not installed (Debian: apt install python3-qgis)")
    done = subprocess.run(
        [PYTHON, "-c", JUDGE, json.dumps(job)], env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stderr
    result: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT"))
    return result


def test_qgis_agrees(tmp_path: Path) -> None:
    """Its own transformer, with points of ours, takes the raster's corners where we put them."""
    data = np.ones(SHAPE, np.uint8)
    rasters = {
        "placed": scenes.write(tmp_path / "placed.tif", data, PLACE),
        "scan": scenes.write(tmp_path / "scan.tif", data, None, None),
    }
    reference = open_side(rasters["placed"])
    rng = np.random.default_rng(0)
    moving_xy = rng.uniform(0, 300, (30, 2))
    true = moving_xy @ LINEAR.T + scenes.ORIGIN
    matches = Matches(moving_xy, AffineGeoref(PLACE).to_pixel(true), np.ones(30), np.full(30, 0.3))
    inlier = np.arange(30) > 3
    true[~inlier] += 500  # QGIS must not see these
    table = PointTable.of(matches, inlier, rng.normal(0, 1, (30, 2)), AffineGeoref(PLACE),
                          reference.crs)  # fmt: skip
    points = {}
    for name, raster in rasters.items():
        points[name] = str(tmp_path / f"{name}.points")
        write_points(points[name], table, Sides(open_side(raster), reference))
    gpkg = str(tmp_path / "p.gpkg")
    write_points(gpkg, table, Sides(reference, reference, None, None))
    found = judge({"rasters": rasters, "points": points, "gpkg": gpkg}, tmp_path)
    rows, columns = SHAPE
    corners = np.array([[0, 0], [columns, rows]], np.float64)
    for name, raster in rasters.items():
        side = open_side(raster)
        assert found[name]["layer"][0]
        assert found[name]["crs"] == "EPSG:32633"
        # Where QGIS shows the raster is where we say that it does.
        np.testing.assert_allclose(found[name]["layer"][1:], side.layer.to_map(corners), atol=1e-6)
        for (ok, x, y), corner in zip(found[name]["corners"], corners, strict=True):
            assert ok
            assert (x, y) == pytest.approx(tuple(LINEAR @ corner + scenes.ORIGIN), abs=1e-5)
    styles = found["styles"]
    assert styles["points"][:2] == [True, 30]
    assert [label.split(":")[0] for label in styles["points"][2]] == [
        "disabled", "outlier", "inlier",
    ]  # fmt: skip
    assert styles["points"][3] == ["SimpleMarker", "SimpleMarker", "SimpleMarker", "VectorField"]
    assert styles["displacements"][1] == 30
    assert len(styles["footprints"][2]) == 3
