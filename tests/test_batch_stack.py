"""Time series: the joint adjustment, and what of it reaches the rasters."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

import batch_cases as cases
import scenes
from georeg.batch.ending import failure
from georeg.batch.job import APPLY, PAIR, Job
from georeg.batch.network import PairPoints, adjust, connected, loops
from georeg.batch.picking import pick_reference
from georeg.batch.records import DONE, FAILED, record_of
from georeg.batch.result import BatchResult
from georeg.batch.run import check_jobs
from georeg.batch.stack import Stack, run_stack
from georeg.errors import SettingsError
from georeg.settings import Settings

Array = npt.NDArray[np.float64]
SIZE = 1000.0


def matrices(model: str, count: int, rng: np.random.Generator) -> list[Array]:
    """True claimed -> true matrices; raster 0 is right."""
    found = [np.eye(3)]
    for _ in range(count - 1):
        m = np.eye(3)
        m[:2, 2] = rng.uniform(-8, 8, 2)
        if model == "similarity":
            a, b = rng.uniform(-0.004, 0.004, 2)
            m[:2, :2] += [[a, -b], [b, a]]
        if model == "affine":
            m[:2, :2] += rng.uniform(-0.004, 0.004, (2, 2))
        found.append(m)
    return found


def pair_of(
    one: int, other: int, truth: list[Array], rng: np.random.Generator, noise: float = 0.2
) -> PairPoints:
    true = rng.uniform(0, SIZE, (60, 2))

    def claimed(n: int) -> Array:
        back = np.linalg.inv(truth[n])
        return np.asarray(true @ back[:2, :2].T + back[:2, 2])

    return PairPoints(
        one, other, claimed(one) + rng.normal(0, noise, (60, 2)), claimed(other), np.full(60, noise)
    )


@pytest.mark.parametrize("model", ["shift", "similarity", "affine"])
def test_a_network_finds_the_truth(model: str) -> None:
    rng = np.random.default_rng(1)
    truth = matrices(model, 7, rng)
    pairs = [pair_of(a, b, truth, rng) for a, b in combinations(range(7), 2) if a + b < 9]
    found = adjust(pairs, 7, model)
    corners = np.array([[0, 0], [SIZE, 0], [0, SIZE], [SIZE, SIZE]])
    for n, matrix in found.matrices.items():
        error = (corners @ (matrix - truth[n])[:2, :2].T) + (matrix - truth[n])[:2, 2]
        assert np.abs(error).max() < 0.2
    assert set(found.matrices) == set(range(1, 7))
    for value in (*found.held_out.values(), *found.pair_rmse):
        assert value == pytest.approx(0.2 * np.sqrt(2), rel=0.35)
    assert np.median([loop.rmse_px for loop in loops(pairs, model)]) < 0.3


def test_errors_do_not_drift_along_a_chain() -> None:
    """The last raster of a chain is placed by the loops that close it, not by its neighbours."""
    rng = np.random.default_rng(2)
    count = 12
    truth = matrices("shift", count, rng)
    chain = [(n, n - 1) for n in range(1, count)]
    biased = []
    for a, b in chain:  # every pair of neighbours is wrong by the same half pixel
        pair = pair_of(a, b, truth, rng)
        biased.append(PairPoints(a, b, pair.one_xy + [0.5, 0.0], pair.other_xy, pair.sigma))

    def worst(pairs: list[PairPoints]) -> float:
        found = adjust(pairs, count, "shift").matrices
        return max(float(np.hypot(*(found[n] - truth[n])[:2, 2])) for n in found)

    assert worst(biased) > 4
    direct = [pair_of(n, 0, truth, rng) for n in range(2, count)]
    assert worst([*biased, *direct]) < 0.7
    closures = [loop.rmse_px for loop in loops([*biased, *direct], "shift")]
    assert np.median(closures) == pytest.approx(0.5, abs=0.1)


def test_a_wrong_pair_is_outvoted() -> None:
    rng = np.random.default_rng(3)
    truth = matrices("shift", 5, rng)
    pairs = [pair_of(a, b, truth, rng) for a, b in combinations(range(5), 2)]
    bad = pairs[5]
    pairs[5] = PairPoints(bad.one, bad.other, bad.one_xy + [12.0, -7.0], bad.other_xy, bad.sigma)
    found = adjust(pairs, 5, "shift")
    for n, matrix in found.matrices.items():
        assert np.hypot(*(matrix - truth[n])[:2, 2]) < 0.25
    assert int(np.argmax(found.pair_rmse)) == 5
    assert found.pair_rmse[5] > 10


def test_rasters_without_a_chain_are_left_alone() -> None:
    rng = np.random.default_rng(4)
    truth = matrices("shift", 5, rng)
    pairs = [pair_of(1, 0, truth, rng), pair_of(3, 4, truth, rng)]
    assert connected(pairs, 5) == {0, 1}
    found = adjust(pairs, 5, "shift")
    assert set(found.matrices) == {1}
    assert np.isnan(found.pair_rmse[1])


def test_loops_are_all_triangles() -> None:
    rng = np.random.default_rng(5)
    truth = matrices("shift", 12, rng)
    steps = [(n, n + s) for s in (1, 2, 4) for n in range(1, 12 - s)] + [(n, 0) for n in (3, 4, 9)]
    found = loops([pair_of(a, b, truth, rng) for a, b in steps], "shift")
    known = {frozenset(step) for step in steps}
    expected = [
        three for three in combinations(range(12), 3)
        if all(frozenset(side) in known for side in combinations(three, 2))
    ]  # fmt: skip
    assert [loop.rasters for loop in found] == expected
    assert max(loop.rmse_px for loop in found) < 0.3


def test_a_transform_that_a_stack_does_not_have(tmp_path: Path) -> None:
    """It is said before all pairs are measured, not after."""
    jobs = [
        Job(n, f"/no/{n}.tif", "/no/ref.tif", str(tmp_path / n), str(tmp_path / n),
            Settings(transform="polynomial3"))
        for n in ("a.tif", "b.tif")
    ]  # fmt: skip
    with pytest.raises(SettingsError, match="--stack fits shift, similarity or affine"):
        run_stack(jobs, str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_whatever_rasters_are_called(tmp_path: Path) -> None:
    """Pairs and fits have ids and files of their own, which fit into a folder."""
    names = [
        "a", "reference", "fixed reference", "x/y", "x_y", "a--x_y", "a--a", "é" * 110 + "1",
        "é" * 110 + "2",
    ]  # fmt: skip
    jobs = [Job(n, f"/{n}.tif", "/base.tif", f"/out/{n}.tif", f"/out/{n}.tif") for n in names]
    stack = Stack(tuple(jobs), str(tmp_path), len(jobs))
    pairs = [stack.pair_job(one, other) for one, other in stack.pairs()]
    check_jobs(pairs)
    for job in pairs:
        for path in job.places:
            Path(path).touch()
    files = [Path(stack.fit_path(number)) for number in range(1, len(jobs) + 1)]
    for file in files:
        file.touch()
    assert len(set(files)) == len(names)
    # A raster that comes or goes doesn't rename the files of the others.
    fewer = Stack(tuple(jobs[1:]), str(tmp_path), len(jobs))
    assert {job.output for job in map(fewer.pair_job, (4, 4), (0, 5))} <= {j.output for j in pairs}


def test_reference_auto(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Coverage of the others, valid pixels, clouds and resolution decide."""
    image = scenes.texture((100, 100))

    def job(name: str, x: float, gsd: float, valid: float = 1.0, **facts: float) -> Job:
        data = np.clip(image * 254 + 1, 1, 255).astype(np.uint8)
        data[: int(100 * (1 - valid))] = 0
        data = np.kron(data, np.ones((int(10 / gsd),) * 2, np.uint8))  # always the same ground
        path = scenes.write(
            tmp_path / f"{name}.tif", data, Affine(gsd, 0, 350000 + x, 0, -gsd, 5250000), nodata=0
        )
        return Job(name, path, "auto", "o", "o", facts=facts)

    middle, left, right = job("middle", 0, 10), job("left", -500, 10), job("right", 500, 10)
    assert pick_reference([left, middle, right]) is middle
    assert pick_reference([job("cloudy", 0, 10, cloud_cover=70), left, middle]) is middle
    # Without a word it was taken for cloudless.
    assert pick_reference([job("comma", 0, 10, cloud_cover="70,5"), left, middle]) is middle
    assert not caplog.text
    assert pick_reference([job("nan", 0, 10, cloud_cover="nan"), middle]) is not middle
    assert "cloud_cover 'nan' is no number" in caplog.text
    assert pick_reference([job("gaps", 0, 10, valid=0.4), middle]) is middle
    fine = job("fine", 0, 5)
    assert pick_reference([job("same_ground", 0, 10), fine]) is fine


def test_a_stack_of_files(tmp_path: Path) -> None:
    """Three dates, each displaced; the program picks the reference and places the others."""
    image = scenes.texture((260, 260), 4)
    shifts = {"2020": (0.0, 0.0), "2021": (3.5, -2.0), "2022": (-2.5, 4.0)}
    inside = slice(30, 230)
    folder = tmp_path / "in"
    folder.mkdir()
    for n, (name, (dx, dy)) in enumerate(shifts.items()):
        place = scenes.shift(dx, dy)(scenes.pixels(image.shape))
        moved = scenes.sample(image, place, image.shape)
        seen = scenes.other_sensor(moved, n) if n == 1 else moved
        transform = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
        scenes.write(folder / f"{name}.tif", np.clip(seen[inside, inside], 0, 1), transform)
    out = tmp_path / "out"
    run = cases.batch_here(folder, out, "--reference", "auto", "--stack", "--driver", "GTiff")
    assert run.code == 0, run.err
    found = cases.records(out)
    done = {r["id"]: r for r in found.values() if r["action"] == "apply"}
    assert len(done) == 2
    (kept,) = {"2020", "2021", "2022"} - set(done)
    for name, record in done.items():
        fit = json.loads((out / "stack" / f"{name}.fit.json").read_text())
        matrix = np.array(fit["transform"]["matrix"])
        expected = np.subtract(shifts[name], shifts[kept])
        np.testing.assert_allclose(matrix[:2, 2], expected, atol=0.15)
        assert record["result"]["verdict"]["accuracy"]["rmse_px"] < 0.3
        with rasterio.open(out / f"{name}.tif") as file:
            assert file.read(1).any()
    page = (out / "summary.html").read_text()
    assert "Loops before it" in page
    again = cases.batch_here(folder, out, "--reference", "auto", "--stack", "--driver", "GTiff")
    assert again.code == 0
    assert "(5 before)" in again.err or "before" in again.err


def test_a_stack_whose_reference_is_told_its_crs(tmp_path: Path) -> None:
    """It holds for the reference, and for no other raster; the results have it."""
    image = scenes.texture((260, 260), 4)
    inside = slice(30, 230)
    shifts = {"2020": (0.0, 0.0), "2021": (3.5, -2.0), "2022": (-2.5, 4.0)}
    away = "+proj=tmerc +lon_0=15 +k=0.9996 +x_0=501000 +y_0=300 +datum=WGS84 +type=crs"
    for name, (dx, dy) in shifts.items():
        moved = scenes.sample(image, scenes.shift(dx, dy)(scenes.pixels(image.shape)), image.shape)
        reference = name == "2020"
        x, y = (1000 * reference, 300 * reference)
        transform = Affine(1, 0, scenes.ORIGIN[0] + x, 0, -1, scenes.ORIGIN[1] + y)
        crs = None if reference else scenes.CRS
        scenes.write(tmp_path / f"{name}.tif", np.clip(moved[inside, inside], 0, 1), transform, crs)
    out = tmp_path / "out"
    run = cases.batch_here(tmp_path, out, "--reference", tmp_path / "2020.tif", "--stack",
                           "--reference-crs", away)  # fmt: skip
    assert run.code == 0, run.err
    for name in ("2021", "2022"):
        fit = json.loads((out / "stack" / f"{name}.fit.json").read_text())
        matrix = np.array(fit["transform"]["matrix"])
        np.testing.assert_allclose(matrix[:2, 2], shifts[name], atol=0.15)
        with rasterio.open(out / f"{name}.tif") as file:
            assert CRS(file.crs.to_wkt()) == CRS(away)
            middle = file.transform @ (file.width / 2, file.height / 2)
        true = np.add(scenes.ORIGIN, (1100, 200))  # of the reference
        np.testing.assert_allclose(middle, true, atol=6)


def test_a_stack_beside_its_reference(tmp_path: Path) -> None:
    """The rasters find each other, but nothing leads to the reference: all are refused."""
    image = scenes.texture((140, 140), 4)
    transform = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    for name in ("2021", "2022"):
        scenes.write(tmp_path / f"{name}.tif", image, transform)
    base = scenes.write(tmp_path / "base.tif", scenes.texture((140, 140), 999), transform)
    out = tmp_path / "out"
    run = cases.batch_here(tmp_path, out, "--reference", base, "--stack")
    assert run.code == 5, run.err
    found = cases.records(out)
    assert {r["status"] for r in found.values() if r["action"] == "apply"} == {"failed"}
    assert "no chain of trustworthy pairs" in found["2021"]["error"]["message"]
    assert found["2021 to 2022"]["status"] == "done"
    assert "2021" in (out / "summary.html").read_text()
    assert not list(out.glob("*.tif"))


def test_pairs_that_crashed_are_said_by_the_exit_code() -> None:
    """What the rasters can't help isn't: a pair that doesn't overlap is no failure of the batch."""

    def code(kind: str) -> int:
        error = failure(kind, "a to b", 1)
        jobs = [Job(name, name, "r", f"{name}.tif", f"{name}.tif", action=action)
                for name, action in (("a to b", PAIR), ("a", APPLY))]  # fmt: skip
        records = (record_of(jobs[0], FAILED, error=error), record_of(jobs[1], DONE))
        return BatchResult("run", "folder", records, frozenset(), 0.0).exit_code

    assert {kind: code(kind) for kind in ("NoOverlapError", "Crash", "Timeout")} == {
        "NoOverlapError": 0, "Crash": 5, "Timeout": 5,
    }  # fmt: skip
