"""Manifests, folders and patterns, and the jobs that come of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import georeg
import rasters
from cli_cases import run
from georeg.batch.entries import Entry, entry_of, jobs_of
from georeg.batch.manifests import read_manifest, read_manifests
from georeg.batch.manifests.stac import entries_of_items
from georeg.batch.planning import Sources, plan_jobs
from georeg.errors import InputError
from georeg.settings import OutputSettings, Settings

CSV = """\
# a comment
id;moving;reference;max-shift;cloud_cover

one;a.tif;b.tif;300m;
;/data/c.tif;;;12.5
"""
TOML = """
reference = "b.tif"
max_shift = "80"
[[job]]
id = "one"
moving = "a.tif"
max-shift = "300m"
[[job]]
moving = "/data/c.tif"
cloud_cover = 12.5
"""
GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "geometry": None, "properties": {
            "id": "one", "moving": "a.tif", "reference": "b.tif", "max-shift": "300m"}},
        {"type": "Feature", "geometry": None, "properties": {
            "moving": "/data/c.tif", "cloud_cover": 12.5}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "toml", "geojson"])
def test_manifests_say_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"jobs.{kind}"
    path.write_text({"csv": CSV, "toml": TOML, "geojson": json.dumps(GEOJSON)}[kind])
    one, two = read_manifest(str(path))
    assert (one.id, one.moving, one.reference) == ("one", "a.tif", "b.tif")
    assert one.options == {"max_shift": "300m"}
    assert one.folder == str(tmp_path)
    assert two.moving == "/data/c.tif"
    assert float(two.facts["cloud_cover"]) == 12.5
    first, second = jobs_of(
        [one, two], str(tmp_path / "out"), "/ref.tif",
        lambda options: (Settings(max_shift=1.0 if options else None), OutputSettings()),
    )  # fmt: skip
    assert first.moving == str(tmp_path / "a.tif")
    assert first.output == str(tmp_path / "out" / "one.tif")
    assert (second.id, second.output) == ("c", str(tmp_path / "out" / "c.tif"))
    assert second.reference == (str(tmp_path / "b.tif") if kind == "toml" else "/ref.tif")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "input,reference\na,b\n", "no column 'moving'"),
        ("a.csv", "moving,moving\na,b\n", "same name"),
        ("a.csv", "moving,id\na,b,c\n", "line 2: 3 values"),
        ("a.toml", "moving = 1", "no [[job]]"),
        ("a.toml", "job = ", "not valid TOML"),
        ("a.geojson", '{"type": "Point"}', "neither a GeoJSON"),
        ("a.geojson", '{"type": "FeatureCollection", "features": 3}', "neither a GeoJSON"),
        ("a.json", "[1]", "a manifest"),
    ],
)
def test_malformed_manifests(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    result = run("batch", path, "-o", tmp_path / "out")
    assert result.code == 4
    assert said in result.line
    assert not (tmp_path / "out").exists()


def test_tables_as_spreadsheets_export_them(tmp_path: Path) -> None:
    """Columns and rows that were once used and are empty now end lines with separators.

    They were two columns of the same name, values too many, and jobs without a raster.
    """
    path = tmp_path / "jobs.csv"
    path.write_bytes(b"moving;id;;\r\na.tif;one;;\r\nb.tif;two;;;;\r\n;;;\r\n;\r\n")
    found = read_manifest(str(path))
    assert [(entry.moving, entry.id) for entry in found] == [("a.tif", "one"), ("b.tif", "two")]
    path.write_text("moving,\na.tif,lost\n")
    with pytest.raises(InputError, match="line 2: 2 values for 1 columns"):
        read_manifest(str(path))


def test_files_of_options_are_where_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the command line names was looked for beside the manifest, and the other way round."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "grid.tif").touch()
        (folder / "own.ckpt").touch()
    path = there / "jobs.toml"
    path.write_text(
        'reference = "b.tif"\n[[job]]\nmoving = "a.tif"\n'
        '[[job]]\nmoving = "c.tif"\ngrid = "grid.tif"\nweights = "own.ckpt"\n'
        '[[job]]\nmoving = "d.tif"\nweights = "minima_loftr"\n'
    )
    monkeypatch.chdir(here)

    def resolve(options: Mapping[str, Any]) -> tuple[Settings, OutputSettings]:
        known = {"weights": "own.ckpt", "grid": "grid.tif", **options}
        return Settings(weights=known["weights"]), OutputSettings(grid=known["grid"])

    jobs = plan_jobs(Sources((str(path),), str(tmp_path / "out")), resolve)
    grids = [job.output_settings.grid for job in jobs]
    assert grids == [str(folder / "grid.tif") for folder in (here, there, here)]
    weights = [job.settings.weights for job in jobs]
    assert weights == [str(here / "own.ckpt"), str(there / "own.ckpt"), "minima_loftr"]


@given(
    st.lists(
        st.fixed_dictionaries({
            "moving": st.text("abc/ö .,;\"'x", min_size=1).map(lambda t: f"m{t}x"),
            "max-shift": st.sampled_from(["", "300m", "12"]),
        }),
        min_size=1, max_size=5,
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_tables_round_trip(rows: list[dict[str, str]]) -> None:
    import csv
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "jobs.csv")
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["moving", "max-shift"])
            writer.writeheader()
            writer.writerows(rows)
        found = read_manifest(path)
    assert [entry.moving for entry in found] == [row["moving"].strip() for row in rows]
    assert [entry.options.get("max_shift", "") for entry in found] == [r["max-shift"] for r in rows]


def test_a_feature_that_says_nothing_is_a_job_that_fails(tmp_path: Path) -> None:
    """It was left out without a word, as if it were the reference itself."""
    path = tmp_path / "jobs.geojson"
    features = [*GEOJSON["features"], {"type": "Feature", "geometry": None, "properties": None}]
    path.write_text(json.dumps({**GEOJSON, "features": features}))
    jobs = plan_jobs(
        Sources((str(path),), str(tmp_path / "out")),
        lambda options: (Settings(), OutputSettings()),
    )
    assert ["'moving' is missing" in job.problem for job in jobs] == [False, False, True]


def test_a_mapping_that_says_nothing_is_a_job_that_fails(tmp_path: Path) -> None:
    """The same from Python: a batch of it was one of no jobs, with exit code 0."""
    result = georeg.align_many([{"moving": "", "id": "x"}], tmp_path / "out")
    (record,) = result.records
    assert (record.id, record.status, result.exit_code) == ("x", "failed", 5)
    assert "'moving' is missing" in record.message


def test_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("a.tif", "sub/a.tif", "b.tif", "b.jp2", "notes.txt", ".hidden.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    rasters.tile_index(tmp_path / "points.gpkg", [])  # features, as tie points are: no raster
    rasters.tile_index(tmp_path / "index.gti.gpkg", [])
    rasters.write(tmp_path / "pixels.gpkg", rasters.ramp(), driver="GPKG")
    found = read_manifests([str(tmp_path)])
    assert [entry.id for entry in found] == [
        "a", "b.jp2", "b.tif", "index.gti", "pixels", "sub/a",
    ]  # fmt: skip
    found = read_manifests([str(tmp_path / "*.tif")])
    assert [Path(entry.moving).name for entry in found] == ["a.tif", "b.tif"]
    with pytest.raises(InputError, match="no file matches"):
        read_manifests([str(tmp_path / "*.img")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no rasters"):
        read_manifests([str(tmp_path / "empty")])
    for name in ("unmounted", "2024.01/"):
        with pytest.raises(InputError, match=rf"{name}: no such folder"):
            read_manifests([f"{tmp_path}/{name}"])
    assert read_manifests(["gone.tif", 'HDF5:"gone"://a'])  # may come, or be GDAL's


def test_times_of_toml(tmp_path: Path) -> None:
    """TOML has times of its own, which JSON hasn't."""
    path = tmp_path / "jobs.toml"
    days = "2024-06-01T10:00:00Z", "2024-06-01T10:00:00.5", "2024-06-01"
    path.write_text("".join(f"[[job]]\nmoving = 'a{d}.tif'\ndatetime = {d}\n" for d in days))
    jobs = jobs_of(
        read_manifest(str(path)), str(tmp_path), "/ref.tif",
        lambda options: (Settings(), OutputSettings()),
    )  # fmt: skip
    found = [json.loads(json.dumps(job.to_dict()))["facts"]["datetime"] for job in jobs]
    assert found == ["2024-06-01T10:00:00+00:00", "2024-06-01T10:00:00.500000", "2024-06-01"]


def test_numbers_of_numpy() -> None:
    """Rows of a table of pandas have them; what goes to a worker is JSON."""
    values = {"moving": "a.tif", "cloud_cover": np.float32(2.5), "seed": np.int64(7)}
    (job,) = jobs_of(
        [entry_of(values, "job 1", "")], "/out", "/ref.tif",
        lambda options: (Settings(**options), OutputSettings()),
    )  # fmt: skip
    sent = json.loads(json.dumps(job.to_dict()))
    assert (sent["facts"]["cloud_cover"], sent["settings"]["seed"]) == (2.5, 7)


def test_what_a_table_of_pandas_lacks() -> None:
    """NaN, NaT and NA are cells that nobody filled in."""
    table = pd.DataFrame({
        "moving": ["a.tif", "b.tif"], "reference": [np.nan, "r.tif"], "id": [pd.NA, "b"],
        "datetime": [pd.NaT, pd.Timestamp("2024-06-01")], "max_shift": [np.nan, 40.0],
    })  # fmt: skip
    made = [
        entry_of(row, f"job {number}", "") for number, row in enumerate(table.to_dict("records"), 1)
    ]
    assert (made[0].reference, made[0].id, made[0].facts, made[0].options) == ("", "", {}, {})
    assert (made[1].reference, made[1].id, made[1].options) == ("r.tif", "b", {"max_shift": 40.0})
    assert made[1].facts == {"datetime": "2024-06-01T00:00:00"}


def test_outputs_are_no_inputs(tmp_path: Path) -> None:
    """A second run doesn't take what the first one wrote, whole or not, below its inputs."""
    for name in ("a.tif", "out/a.tif", "out/gone.tif", "sub/.georeg-12-34/output.tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def names(source: str, output_dir: Path) -> list[str]:
        return [
            os.path.relpath(job.moving, tmp_path) for job in plan_jobs(
                Sources((str(tmp_path / source),), str(output_dir), "/ref.tif"),
                lambda options: (Settings(), OutputSettings()),
            )
        ]  # fmt: skip

    assert names("", tmp_path / "out") == ["a.tif"]
    assert names("**/*.tif", tmp_path / "out") == ["a.tif"]
    assert names("out", tmp_path) == ["out/a.tif", "out/gone.tif"]  # it is what was named
    assert names("out/*.tif", tmp_path) == ["out/a.tif", "out/gone.tif"]
    assert names("out/a.tif", tmp_path / "out") == ["out/a.tif"]


ITEM = {
    "type": "Feature", "stac_version": "1.0.0", "id": "S2A_1", "geometry": None,
    "properties": {"datetime": "2024-05-01T10:00:00Z", "eo:cloud_cover": 3.5},
    "links": [{"rel": "self", "href": "https://example.org/items/S2A_1.json"}],
    "assets": {
        "thumbnail": {"href": "t.tif", "type": "image/tiff", "roles": ["thumbnail"]},
        "meta": {"href": "meta.xml", "type": "application/xml"},
        "B04": {"href": "../B04.tif", "type": "image/tiff; application=geotiff"},
        "B08": {"href": "s3://bucket/B08.tif", "type": "image/tiff; application=geotiff"},
    },
}  # fmt: skip


def test_stac_items(tmp_path: Path) -> None:
    local: dict[str, Any] = {**ITEM, "id": "local", "links": []}
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [ITEM, local]}))
    web, near = read_manifest(str(path))
    assert web.moving == "https://example.org/B04.tif"
    assert web.facts == {
        "datetime": "2024-05-01T10:00:00Z", "cloud_cover": 3.5, "item": "S2A_1",
        "href": "https://example.org/items/S2A_1.json",
    }  # fmt: skip
    assert near.moving == str(tmp_path.parent / "B04.tif")
    assert read_manifest(str(path), "B08")[0].moving == "s3://bucket/B08.tif"
    (wrong, _) = read_manifest(str(path), "B12")
    assert "no asset 'B12': name one (--asset): thumbnail, meta, B04, B08" in wrong.problem


@pytest.mark.parametrize(
    ("href", "good"), [("a.TIF", True), ("https://x.org/a.tif?key=a.b", True), ("a.xml", False)]
)
def test_stac_assets_without_a_type(href: str, good: bool) -> None:
    """The type is left free; such Items had 'no asset that is a raster'."""
    (found,) = entries_of_items([{"id": "a", "assets": {"data": {"href": href}}}], "/items.json")
    assert bool(found.moving) == good
    assert good or "no asset that is known to be a raster: name one (--asset): data" in (
        found.problem or ""
    )


def test_entries_without_a_place() -> None:
    (job,) = jobs_of(
        [Entry("", "jobs.csv, line 2", id="x", problem="p")], "/out", None,
        lambda options: (Settings(), OutputSettings()),
    )  # fmt: skip
    assert (job.problem, job.moving, job.inputs()) == ("p", "", ())


def test_names_with_colons(tmp_path: Path) -> None:
    """Scenes called after the time of day are files; other names with colons are GDAL's."""
    scene = tmp_path / "S1_2020-01-01T10:00:00.tif"
    scene.touch()
    table = 'NETCDF:"some.nc":red'
    jobs = jobs_of(
        [Entry(name, "jobs.csv", folder=str(tmp_path)) for name in (scene.name, table)],
        "/out", "/ref.tif", lambda options: (Settings(), OutputSettings()),
    )  # fmt: skip
    assert [job.moving for job in jobs] == [str(scene), table]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('NETCDF:"/data/scene one.nc":B4', "scene one_B4"),
        ("netcdf:scene.nc:B4", "scene_B4"),
        ('HDF5:"/data/scene.h5"://grid/B4', "scene_grid_B4"),
        ('HDF4_EOS:EOS_GRID:"scene.hdf":grid:B4', "scene_grid_B4"),
        ('ZARR:"scene.zarr":/B4:0', "scene_B4_0"),
        ("s3://bucket/scene.tif", "scene"),
        ("scans/12:30.tif", "12:30"),
    ],
)
def test_jobs_of_subdatasets_are_called_after_file_and_subdataset(name: str, expected: str) -> None:
    """Not NETCDF:"scene, which all bands of a file had in common."""
    entry = Entry(name, name)
    (job,) = jobs_of([entry], "/out", "b.tif", lambda _: (Settings(), OutputSettings()), state="/s")
    assert (job.id, os.path.basename(job.output)) == (expected, f"{expected}.tif")
