"""Manifests, decisions, the lock: without any alignment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenes
from cli_cases import run
from georeg.batch.deciding import decide
from georeg.batch.entries import Entry, entry_of, jobs_of
from georeg.batch.fingerprints import fingerprint, unchanged
from georeg.batch.job import Job
from georeg.batch.manifests import read_manifest, read_manifests
from georeg.batch.planning import Sources, plan_jobs
from georeg.batch.records import DONE, FAILED, STARTED, load_record, record_of, store_record
from georeg.batch.run import check_jobs, clear_temporary
from georeg.errors import InputError, SettingsError
from georeg.settings import OutputSettings, Settings
from georeg.writers.place import placed

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


def test_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("a.tif", "sub/a.tif", "b.tif", "b.jp2", "notes.txt", ".hidden.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = read_manifests([str(tmp_path)])
    assert [entry.id for entry in found] == ["a", "b.jp2", "b.tif", "sub/a"]
    found = read_manifests([str(tmp_path / "*.tif")])
    assert [Path(entry.moving).name for entry in found] == ["a.tif", "b.tif"]
    with pytest.raises(InputError, match="no file matches"):
        read_manifests([str(tmp_path / "*.img")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no rasters"):
        read_manifests([str(tmp_path / "empty")])


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
    assert "no asset 'B12'" in wrong.problem


@pytest.fixture
def job(tmp_path: Path) -> Job:
    pair = scenes.make_pair(tmp_path / "in", scenes.shift(1, 1), (60, 60))
    out = str(tmp_path / "out.tif")
    return Job("x", pair.moving, pair.reference, out, out)


def finished(job: Job, status: str = DONE, **error: Any) -> None:
    """A record as if the job had been done."""
    Path(job.output).write_bytes(b"12345")
    inputs = {name: fingerprint(name) for name in job.inputs()}
    result = {"files": {job.output: 5}} if status == DONE else None
    store_record(
        job.record_path,
        record_of(job, status, owns=True, inputs=inputs, result=result, error=error or None),
    )


def test_a_job_goes_through_json(job: Job) -> None:
    full = replace(
        job, settings=Settings(moving_bands=(3, 2)), facts={"cloud_cover": 3.0},
        output_settings=OutputSettings(bounds=(0, 0, 1, 1), creation={"COMPRESS": "LZW"}),
    )  # fmt: skip
    assert Job.from_dict(json.loads(json.dumps(full.to_dict()))) == full


def test_done_is_done(job: Job) -> None:
    assert decide(job).why == "new"
    finished(job)
    decision = decide(job)
    assert (decision.todo, decision.why) == (False, "done")
    assert not decide(replace(job, settings=Settings(threads=7, memory=99, device="cpu"))).todo
    assert decide(job, redo=True).todo


def test_what_is_changed_is_done_again(job: Job, tmp_path: Path) -> None:
    finished(job)
    assert "other settings" in decide(replace(job, settings=Settings(seed=1))).why
    wanted = OutputSettings(driver="GTiff")
    assert "other settings" in decide(replace(job, output_settings=wanted)).why
    assert "other inputs" in decide(replace(job, reference=job.moving)).why
    copy = tmp_path / "copy"
    shutil.copy(job.moving, copy)
    os.utime(job.moving)  # touched, or copied: the contents count
    assert not decide(job).todo
    with open(job.moving, "r+b") as file:
        file.seek(200)
        file.write(b"\x01\x02")
    assert "changed" in decide(job).why
    shutil.copy(copy, job.moving)
    assert not decide(job).todo
    Path(job.output).write_bytes(b"123")
    assert "gone or was changed" in decide(job).why
    Path(job.output).unlink()
    assert "gone" in decide(job).why


def test_failures_are_retried_when_asked_or_when_it_was_the_disk(job: Job) -> None:
    finished(job, FAILED, kind="InputError", message="m", exit_code=4)
    assert not decide(job).todo
    assert decide(job, retry=True).todo
    finished(job, FAILED, kind="OutputError", message="full", exit_code=1, passing=True)
    assert decide(job).todo


def test_an_interrupted_job_is_done_again(job: Job) -> None:
    store_record(job.record_path, record_of(job, STARTED, owns=True))
    assert decide(job).why == "interrupted last time"


def test_a_missing_input_that_comes_makes_a_failure_new(job: Job) -> None:
    away = job.moving + ".away"
    os.rename(job.moving, away)
    finished(job, FAILED, kind="InputError", message="no such file", exit_code=4)
    assert not decide(job).todo
    os.rename(away, job.moving)
    assert decide(job).todo


@pytest.mark.parametrize("text", ["", "{", '{"format": "georeg-job"}', '{"format": "x"}', "[]"])
def test_damaged_records_are_no_records(job: Job, text: str) -> None:
    Path(job.record_path).write_text(text)
    assert load_record(job.record_path) is None
    assert decide(job).todo


def test_large_files_are_told_by_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("georeg.batch.fingerprints._WHOLE", 1000)
    monkeypatch.setattr("georeg.batch.fingerprints._PIECE", 10)
    path = tmp_path / "large"
    path.write_bytes(bytes(5000))
    known = fingerprint(str(path))
    os.utime(path)
    assert unchanged(str(path), known)
    path.write_bytes(bytes(4990) + b"123456789x")
    assert not unchanged(str(path), known)


def test_jobs_must_not_meet(job: Job) -> None:
    other = replace(job, id="y", source="jobs.csv, line 3")
    with pytest.raises(SettingsError, match=r"x and jobs.csv, line 3 have the same output"):
        check_jobs([job, other])
    with pytest.raises(SettingsError, match="same id"):
        check_jobs([job, replace(job)])
    with pytest.raises(SettingsError, match="is an input of"):
        check_jobs([job, replace(other, output=job.moving, base=job.moving)])


def test_leftovers_of_killed_runs_are_removed_and_nothing_else(job: Job, tmp_path: Path) -> None:
    killed = "import os, sys\nfrom georeg.writers.place import placed\n"
    killed += "with placed(sys.argv[1]): os._exit(9)"
    subprocess.run([sys.executable, "-c", killed, job.output], check=False)
    Path(f"{job.record_path}.georeg-123").touch()
    (tmp_path / "summary.csv.georeg-99").touch()
    (tmp_path / "foreign.csv.georeg-99").touch()
    with placed(str(tmp_path / "other.tif")) as (folder, path):
        clear_temporary([job], str(tmp_path))
        assert os.path.isdir(folder)
        Path(path).touch()
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"in", "other.tif", "foreign.csv.georeg-99"}


def test_options_of_single_jobs(tmp_path: Path) -> None:
    manifest = tmp_path / "jobs.toml"
    manifest.write_text(
        'reference = "b.tif"\n'
        '[[job]]\nmoving = "a.tif"\nmax-shift = "300m"\nforce = true\nmoving-bands = [3, 2]\n'
        '[[job]]\nmoving = "c.tif"\nmodality = "sar"\nbounds = [0, 1, 2, 3]\nco = "COMPRESS=LZW"\n'
    )
    result = run("batch", manifest, "-o", tmp_path / "out", "--dry-run", "--max-shift", "7")
    assert result.code == 0, result.err
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [job["todo"] for job in found] == [True, True]
    assert not (tmp_path / "out").exists()
    from georeg.batch import planning

    seen: list[Job] = []
    original = planning.jobs_of

    def spy(*args: Any, **more: Any) -> list[Job]:
        seen.extend(original(*args, **more))
        return seen

    planning.jobs_of = spy  # type: ignore[assignment]
    try:
        run("batch", manifest, "-o", tmp_path / "out", "--dry-run", "--max-shift", "7")
    finally:
        planning.jobs_of = original
    one, two = seen
    assert (one.settings.max_shift, one.settings.max_shift_unit) == (300, "m")
    assert one.settings.force
    assert one.settings.moving_bands == (3, 2)
    assert (two.settings.max_shift, two.settings.max_shift_unit) == (7, "px")
    assert two.settings.moving_modality == two.settings.reference_modality == "sar"
    assert two.output_settings.bounds == (0, 1, 2, 3)
    assert two.output_settings.creation == {"COMPRESS": "LZW"}


def test_an_existing_output_is_kept(job: Job) -> None:
    """It came of something else: no job may replace it unasked, nor after --retry."""
    from georeg.batch.doing import do

    Path(job.output).write_text("precious")
    for _ in range(2):
        record = do(job)
        assert record.status == FAILED
        assert "--overwrite" in record.message
        assert Path(job.output).read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scheduler", "tcp://x:1"), "--executor dask"),
        (("--workers", "0"), "--workers"),
        (("--timeout", "-1"), "--timeout"),
        (("--bbox", "1,2,3"), "--bbox"),
    ],
)
def test_wrong_options(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    result = run("batch", tmp_path, "-o", tmp_path / "out", "--reference", "a.tif", *options)
    assert result.code == 2
    assert said in result.line


def test_cloud_outputs_need_a_local_folder(tmp_path: Path) -> None:
    result = run("batch", tmp_path, "-o", "s3://bucket/out", "--reference", "a.tif")
    assert result.code == 2
    assert "--state" in result.line


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


def test_slots_for_cpus_and_gpus(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """One queue for each GPU, and CPU workers by cores and memory for jobs that want none."""
    from georeg.batch import slots

    def on(device: str) -> Job:
        return replace(job, settings=Settings(device=device))

    monkeypatch.setattr(slots, "processors", lambda: 8)
    monkeypatch.setattr(slots, "available_memory", lambda: 4000.0)
    jobs = [on("auto"), on("cuda"), on("cuda:1"), on("cpu"), on("cpu")]
    found = slots.plan_slots(jobs, None, 2)
    assert [slot.device for slot in found] == ["cuda:0", "cuda:1", "cpu", "cpu"]
    assert [found[0].takes(j) for j in jobs] == [True, True, False, False, False]
    assert [found[1].takes(j) for j in jobs] == [True, True, True, False, False]
    assert [found[2].takes(j) for j in jobs] == [False, False, False, True, True]
    assert found[0].fit(jobs[1]).settings.device == "cuda:0"
    assert found[2].fit(jobs[3]).settings.threads == 4
    assert len(slots.plan_slots([on("auto")] * 50, None, 0)) == 3  # 4000 MB: 1212 MB for each
    assert len(slots.plan_slots([on("auto")] * 50, 5, 0)) == 5
    assert len(slots.plan_slots([on("auto")], None, 0)) == 1


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
