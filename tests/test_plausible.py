"""A user's wrong file of tie points: one line that says what, which file and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from cli_cases import GEO, pair, run, snapshot, truth

COLUMNS = "moving_x,moving_y,reference_x,reference_y\n"
MAPPED = "moving_x,moving_y,map_x,map_y\n"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return pair(tmp_path_factory.mktemp("scene") / "in")


MOVING, REFERENCE = truth()
ON_MAP = np.array([GEO @ tuple(p) for p in REFERENCE])
LONLAT = np.stack(
    Transformer.from_crs(32633, 4326, always_xy=True).transform(*ON_MAP.T), axis=1
)  # fmt: skip
FLIP = Affine.translation(0, 300) @ Affine.scale(1, -1)


def lines(one: Any, other: Any) -> str:
    both = np.column_stack([np.asarray(one, float), np.asarray(other, float)])
    return "".join(",".join(map(repr, row)) + "\n" for row in both.tolist())


def crs(name: str) -> str:
    return f"# crs of map_x, map_y: {name}\n"


LINE = np.linspace(20, 280, 12)[:, None] * [1.0, 0.5] + [0, 60]
TALL = MOVING * [0.3, 1.0]
BAD: dict[str, tuple[str, str]] = {
    "header missing": (lines(MOVING, REFERENCE), "the first line must name the columns"),
    "one point": (COLUMNS + lines(MOVING[:1], REFERENCE[:1]), "only one tie point is enabled"),
    "two points": (COLUMNS + lines(MOVING[:2], REFERENCE[:2]), "only 2 tie points are enabled"),
    "two enabled": (
        "moving_x,moving_y,reference_x,reference_y,enabled\n"
        + "".join(
            f"{line},{int(i < 2)}\n" for i, line in enumerate(lines(MOVING, REFERENCE).split())
        ),
        "only 2 tie points are enabled",
    ),
    "collinear": (COLUMNS + lines(LINE, LINE + 3), "all 12 tie points lie on one line"),
    "one place": (COLUMNS + lines(LINE * 0 + 50, LINE * 0 + 40), "lie at one place"),
    "pixels of another raster": (
        COLUMNS + lines(MOVING + 5000, REFERENCE), "are they points of that raster?",
    ),
    "moving axes swapped": (COLUMNS + lines(MOVING[:, ::-1], REFERENCE), "mirror"),
    "moving rows upwards": (COLUMNS + lines(MOVING * [1, -1], REFERENCE), "y looks negative"),
    "moving rows from below": (
        COLUMNS + lines([FLIP @ tuple(p) for p in MOVING], REFERENCE), "mirror",
    ),
    "reference axes swapped": (COLUMNS + lines(MOVING, REFERENCE[:, ::-1]), "mirror"),
    "map axes swapped": (
        MAPPED + lines(MOVING, ON_MAP[:, ::-1]), "their x and y look swapped, x is easting",
    ),
    "degrees without CRS": (
        MAPPED + lines(MOVING, LONLAT), "they would be right in EPSG:4326, name that CRS",
    ),
    "latitude first": (MAPPED + lines(MOVING, LONLAT[:, ::-1]), "they look like y, x in EPSG:4326"),
    "latitude first, CRS named": (
        crs("EPSG:4326") + MAPPED + lines(MOVING, LONLAT[:, ::-1]), "their x and y look swapped",
    ),
    "metres in degrees": (
        crs("EPSG:4326") + MAPPED + lines(MOVING, ON_MAP), "they would be right in EPSG:32633",
    ),
    "another zone": (
        crs("EPSG:32634") + MAPPED + lines(MOVING, ON_MAP), "they would be right in EPSG:32633",
    ),
    "another place": (MAPPED + lines(MOVING, ON_MAP + 1e6), "the CRS is wrong, or they are"),
    "one beyond the pole": (
        crs("EPSG:4326") + MAPPED + lines(MOVING, [*LONLAT[:-1], [13.0, 95.0]]),
        f"tie point {len(MOVING)} can't be placed in the reference",
    ),
    "no CRS": (crs("WGS") + MAPPED + lines(MOVING, LONLAT), "'WGS' is not a CRS"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_points(scene: tuple[str, str], tmp_path: Path, kind: str) -> None:
    text, said = BAD[kind]
    points = tmp_path / "mine.csv"
    points.write_text(text)
    before = snapshot(tmp_path)
    result = run(
        "fit", points, "--moving", scene[0], "--reference", scene[1], "-o", tmp_path / "f.json",
        "--threads", "1",
    )  # fmt: skip
    assert result.code == 4, result.err
    assert result.out == ""
    assert result.line.startswith(f"georeg: error: {points}")
    assert said in result.line
    assert len(result.line) < 400
    assert snapshot(tmp_path) == before


def test_axes_of_a_raster_that_is_not_square(tmp_path: Path) -> None:
    """There it shows which side is wrong."""
    from cli_cases import save, texture

    wide = (texture(300)[:150] * 255).astype(np.uint8)
    moving, reference = save(tmp_path / "m.tif", wide), save(tmp_path / "r.tif", wide)
    xy = np.random.default_rng(0).uniform([160, 10], [290, 140], (20, 2))
    for (one, other), which, name in (
        ((xy[:, ::-1], xy), "moving", moving), ((xy, xy[:, ::-1]), "reference", reference),
    ):  # fmt: skip
        (tmp_path / "p.csv").write_text(COLUMNS + lines(one, other))
        result = run("fit", tmp_path / "p.csv", "--moving", moving, "--reference", reference,
                     "-o", tmp_path / "f.json")  # fmt: skip
        assert result.code == 4
        assert f" of 20 {which} positions lie outside of {name} (300 x 150 pixels)" in result.line
        assert "x and y look swapped, x is the column" in result.line


def test_few_points_are_enough_for_a_stiff_model(scene: tuple[str, str], tmp_path: Path) -> None:
    """Six for a similarity, and points on a line for a shift: it is the user's choice."""
    points = tmp_path / "p.csv"
    args = ("fit", points, "--moving", scene[0], "--reference", scene[1], "-o", tmp_path / "f.json",
            "--force", "--overwrite", "--threads", "1")  # fmt: skip
    some = [0, 5, 14, 21, 30, 35]
    points.write_text(COLUMNS + lines(MOVING[some], REFERENCE[some]))
    assert run(*args, "--transform", "similarity").code == 0
    points.write_text(COLUMNS + lines(MOVING[[0, 1, 2]], REFERENCE[[0, 1, 2]] + [[0], [0], [1]]))
    result = run(*args, "--transform", "similarity")
    assert result.code == 4
    assert "3 tie points are too few to leave some out for a check: add more" in result.line
    points.write_text(COLUMNS + lines(LINE, LINE + 3))
    assert run(*args, "--transform", "shift").code == 0
    result = run(*args, "--transform", "affine")
    assert result.code == 4
    assert "all 12 tie points lie on one line" in result.line
    points.write_text(COLUMNS + lines(MOVING[:2], REFERENCE[:2]))
    result = run(*args, "--transform", "similarity")
    assert result.code == 4
    assert "a fit of 'similarity' needs at least 3, so that it can be checked" in result.line
