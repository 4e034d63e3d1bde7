"""Jobs, their records, and what is done again: without any alignment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rasterio
import rasterio.shutil
from rasterio.vrt import WarpedVRT

import rasters
import scenes
from cli_cases import run
from georeg.batch.deciding import decide
from georeg.batch.fingerprints import fingerprint, unchanged
from georeg.batch.job import Job
from georeg.batch.records import (
    DONE,
    FAILED,
    REFUSED,
    STARTED,
    load_record,
    record_of,
    store_record,
    write_durably,
)
from georeg.batch.run import check_jobs, clear_temporary
from georeg.errors import SettingsError
from georeg.models import catalogue, store
from georeg.settings import OutputSettings, Settings
from georeg.writers.place import placed


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


def test_a_row_that_was_mended_is_done(job: Job) -> None:
    """Its settings were the defaults before and after: it stayed 'failed last time'."""
    wrong = replace(job, problem="jobs.csv, line 2: 'foo' is no option of a job")
    finished(wrong, FAILED, kind="SettingsError", message=wrong.problem, exit_code=2)
    assert not decide(wrong).todo
    assert decide(replace(wrong, problem="jobs.csv, line 2: another")).todo
    assert decide(job).todo


@pytest.mark.parametrize("text", ["", "{", '{"format": "georeg-job"}', '{"format": "x"}', "[]"])
def test_damaged_records_are_no_records(job: Job, text: str) -> None:
    Path(job.record_path).write_text(text)
    assert load_record(job.record_path) is None
    assert decide(job).todo


def test_what_is_read_along_is_looked_at(job: Job, tmp_path: Path) -> None:
    """Mosaics of other pixels, and rasters at another place, were done."""
    with rasterio.open(job.moving) as file:
        pixels, place = file.read(1), file.transform
        mosaic = str(tmp_path / "mosaic.vrt")
        with WarpedVRT(file) as warped:
            rasterio.shutil.copy(warped, mosaic, driver="VRT")
    image, world = str(tmp_path / "image.png"), tmp_path / "image.pgw"
    with rasterio.open(image, "w", driver="PNG", dtype="uint8", **shape_of(pixels)) as file:
        file.write(pixels.astype("uint8"), 1)
    text = "\n".join(map(str, (place.a, 0, 0, place.e, place.c, place.f)))
    world.write_text(text)
    index = rasters.tile_index(tmp_path / "tiles.gti.gpkg", [job.moving])
    grey = rasters.write(
        tmp_path / "grey.pgm", rasters.ramp(), transform=None, crs=None, driver="PNM"
    )
    (tmp_path / "grey.wld").write_text(text)
    source = Path(job.moving)
    for moving, other in (
        (mosaic, source), (index, source), (image, world), (grey, tmp_path / "grey.wld")
    ):  # fmt: skip
        mine = replace(job, moving=moving)
        finished(mine)
        assert not decide(mine).todo
        Path(f"{moving}.aux.xml").write_text("<PAMDataset></PAMDataset>")  # QGIS had a look
        assert not decide(mine).todo
        os.utime(other, ns=(0, len(moving)))
        assert f"{moving} changed" in decide(mine).why


def test_weights_that_are_exchanged(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same path, or imported under the same name."""
    path = tmp_path / "my.safetensors"
    path.write_bytes(b"one")
    mine = replace(job, settings=Settings(weights=str(path)))
    finished(mine)
    assert not decide(mine).todo
    path.write_bytes(b"two")
    assert f"{path} changed" in decide(mine).why

    monkeypatch.setenv("GEOREG_MODEL_DIR", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    entry = catalogue.get("minima_loftr")
    store.keep_record(entry, store.Record(3, "a" * 64, "import"))
    used = {"name": entry.name, "sha256": "a" * 64}
    store_record(job.record_path, replace(record_of(job, REFUSED), result={"weights": used},
                 inputs={name: fingerprint(name) for name in job.inputs()}))  # fmt: skip
    assert not decide(job).todo
    store.keep_record(entry, store.Record(3, "b" * 64, "import"))
    assert decide(job).why == "the weights minima_loftr changed"


def shape_of(pixels: Any) -> dict[str, int]:
    return {"count": 1, "height": pixels.shape[0], "width": pixels.shape[1]}


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


def test_names_as_long_as_the_disk_takes(job: Job, tmp_path: Path) -> None:
    """Their temporary names were longer still; and what is left of these is removed, too."""
    path = tmp_path / ("ä" * 123 + ".job.json")  # 255 bytes
    write_durably(str(path), "text")
    assert path.read_text() == "text"
    long = replace(job, base=str(tmp_path / ("ä" * 123 + ".tif")))
    assert long.record_path == str(path)
    cut = os.fsencode("ä" * 123)[:243] + b".georeg-9999"
    open(os.path.join(os.fsencode(tmp_path), cut), "wb").close()
    (tmp_path / ("b" * 243 + ".georeg-9999")).touch()
    clear_temporary([long], str(tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"in", path.name, "b" * 243 + ".georeg-9999"}


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
    assert len(slots.plan_slots([on("auto")] * 50, 10**14, 0)) == 50
    assert len(slots.plan_slots([on("auto")], None, 0)) == 1
