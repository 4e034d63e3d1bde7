"""Reports that are stored, read again, and drawn again; pictures of rasters of any size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import report_cases as cases
import scenes
from cli_cases import FAST, pair, run, snapshot
from georeg.align import measure
from georeg.alignment import told, write_report
from georeg.errors import InputError
from georeg.pairing.scene import open_scene
from georeg.report import plots
from georeg.report.page import read_page
from georeg.report.pictures import CLOSE, SIDE, Picture, take_pictures
from georeg.report.rereading import look_again, read_report
from georeg.settings import Settings
from georeg.textfile import write_json


def alike(one: Any, other: Any) -> float:
    """Correlation of two pictures where both are valid."""
    both = (one[..., 1] > 0) & (other[..., 1] > 0)
    return float(np.corrcoef(one[both][:, 0], other[both][:, 0])[0, 1])


def test_pictures_show_before_and_after() -> None:
    pictures = cases.good(2.0).pictures
    assert pictures is not None
    # The moving raster is the reference with its tones turned round.
    for picture in (pictures.overview, *pictures.close_ups):
        assert picture.after is not None
        assert alike(picture.reference, picture.after) < -0.9
        assert alike(picture.reference, picture.before) > -0.6
    titles = [picture.title for picture in pictures.close_ups]
    assert titles == ["Upper left", "Upper right", "Lower left", "Lower right", "Largest residual"]
    assert all(max(p.shape) <= CLOSE and p.factor == 1 for p in pictures.close_ups)
    # Found on finer pixels, they show the rasters' own, too.
    finer = cases.bent().pictures
    assert finer is not None
    assert all(max(p.shape) <= CLOSE and p.factor == 2 for p in finer.close_ups)
    assert all(alike(p.reference, p.after) < -0.9 for p in finer.close_ups if p.after is not None)


def test_refused_shows_what_was_seen() -> None:
    pictures = cases.refused().pictures
    assert pictures is not None
    assert pictures.overview.reference[..., 1].any()


def test_pictures_of_large_rasters_stay_small(tmp_path: Path) -> None:
    shape = (400, 5000)
    pair_ = scenes.make_pair(tmp_path, scenes.shift(4, 3), shape)
    with open_scene(pair_.moving, pair_.reference, Settings(threads=1)) as scene:
        pictures = take_pictures(scene, None)
    assert max(pictures.overview.shape) <= SIDE
    assert pictures.overview.factor == pytest.approx(5)
    assert len(pictures.close_ups) == 4
    kept = sum(one.reference.nbytes + one.before.nbytes for one in _all(pictures))
    assert kept <= 2 * 2 * (SIDE * SIDE + 5 * CLOSE * CLOSE)


def _all(pictures: Any) -> list[Picture]:
    return [pictures.overview, *pictures.close_ups]


@pytest.mark.parametrize("name", ["r.json", "r.html"])
def test_a_stored_report_gives_the_same_pictures(tmp_path: Path, name: str) -> None:
    result = cases.good()
    path = str(tmp_path / name)
    write_report(path, result)
    report = read_report(path)
    again = look_again(report)
    assert result.pictures is not None
    for one, other in zip(_all(result.pictures), _all(again), strict=True):
        assert one.title == other.title
        assert one.after is not None
        assert other.after is not None
        np.testing.assert_array_equal(one.reference, other.reference)
        # The transform is stored to the last bit.
        np.testing.assert_array_equal(one.after, other.after)


def test_a_scan_without_georeference_is_found_again(tmp_path: Path) -> None:
    """Its place is in the report, nowhere else."""
    image = scenes.texture((400, 400), seed=4)
    base = scenes.Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    reference = scenes.write(tmp_path / "reference.tif", image, base)
    part = np.ascontiguousarray(scenes.other_sensor(image[8:392, 8:392]))
    scan = scenes.write(tmp_path / "scan.png", part, crs=None, driver="PNG")
    settings = Settings(georef=False, threads=2)
    result = told(measure(scan, reference, settings, pictures=True), "align", "")
    assert result.verdict.ok, result.verdict.reasons
    write_report(str(tmp_path / "r.json"), result)
    again = look_again(read_report(str(tmp_path / "r.json")))
    assert again.overview.after is not None
    assert alike(again.overview.reference, again.overview.after) < -0.9
    # What there was before the fit is our own first look, not where anybody said that it lies.
    write_report(str(tmp_path / "r.html"), result)
    page = (tmp_path / "r.html").read_text().partition('<script type="application/json"')[0]
    assert "Error of the first look" in page
    assert "First look: all of it" in page
    assert "where the first look puts a tie point" in page
    assert "Error before" not in page
    assert "georeference puts" not in page
    assert "before</span>" not in page


def test_lists_of_numbers_stand_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    data = {"rows": [[1.5, None, -2e-05], [3, 4, 5]], "text": "[\n 1,\n 2\n]", "none": []}
    write_json(str(path), data)
    text = path.read_text()
    assert "[1.5, null, -2e-05]" in text
    assert json.loads(text) == data


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"format": "georeg-fit", "version": 1}, "it is a fit"),
        ({"format": "georeg-ortho-report", "version": 1, "task": "ortho"}, "one of an orthoimage"),
        ({"format": "georeg-report", "version": 99}, "newer georeg"),
        ({}, "no report of georeg"),
        ([], "is not a report"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        read_report(str(path))
    page = tmp_path / "r.html"
    page.write_text("<html><body>Nothing</body></html>")
    with pytest.raises(InputError, match="no report"):
        read_report(str(page))


def test_plot_from_what_a_run_stored(tmp_path: Path) -> None:
    result = cases.good()
    write_report(str(tmp_path / "r.html"), result)
    outcome = run("plot", tmp_path / "r.html", "-o", tmp_path / "plots", "--format", "svg")
    assert outcome.code == 0, outcome.err
    names = {f"{name}.svg" for name in plots.NAMES}
    assert {p.name for p in (tmp_path / "plots").iterdir()} == names
    assert outcome.out.splitlines() == [str(tmp_path / "plots" / f"{n}.svg") for n in plots.NAMES]
    assert "data:image/webp" in (tmp_path / "plots" / "residuals.svg").read_text()
    again = run("plot", tmp_path / "r.html", "-o", tmp_path / "plots", "--format", "svg")
    assert again.code == 2
    assert "--overwrite" in again.line


def test_plot_without_the_rasters(tmp_path: Path) -> None:
    """They were moved: plots have no background then, unless one says where they are."""
    result = cases.good()
    gone = replace(result, report={**result.report, "moving": str(tmp_path / "gone.tif")})
    write_report(str(tmp_path / "r.json"), gone)
    outcome = run("plot", tmp_path / "r.json", "-o", tmp_path / "a", "--format", "svg")
    assert outcome.code == 0, outcome.err
    assert "plots without a background" in outcome.err
    assert not (tmp_path / "a" / "checkerboard.svg").exists()
    assert "<image" not in (tmp_path / "a" / "residuals.svg").read_text()
    moving = result.report["moving"]
    outcome = run("plot", tmp_path / "r.json", "-o", tmp_path / "b", "--format", "svg",
                  "--moving", moving)  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "b" / "checkerboard.svg").exists()
    wrong = run("plot", tmp_path / "r.json", "-o", tmp_path / "c", "--format", "svg",
                "--moving", tmp_path / "no.tif")  # fmt: skip
    assert wrong.code == 4


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("ladder", 5, "not iterable"),
        ("verdict", ..., "it lacks 'verdict'"),
        ("verdict", {}, "it lacks 'ok'"),
        ("tie_points", ..., "it lacks 'tie_points'"),
        ("coverage", {"cell_px": 9, "rows": 3}, "not iterable"),
    ],
)
def test_plot_of_a_report_that_was_edited(tmp_path: Path, part: str, value: Any, said: str) -> None:
    """An unexpected KeyError, or the like."""
    report = dict(cases.good().report)
    report[part] = value
    if value is ...:
        del report[part]
    path = tmp_path / "r.json"
    path.write_text(json.dumps(report))
    outcome = run("plot", path, "-o", tmp_path / "plots", "--format", "svg")
    assert outcome.code == 4
    assert f"{path}: the report is damaged: " in outcome.err
    assert said in outcome.err
    assert not (tmp_path / "plots").exists()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return pair(tmp_path_factory.mktemp("scene") / "in")


def test_align_writes_pages(scene: tuple[str, str], tmp_path: Path) -> None:
    result = run(
        "align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif",
        "--report", tmp_path / "r.html", "--report", tmp_path / "r.json", *FAST,
    )  # fmt: skip
    assert result.code == 0, result.err
    assert set(snapshot(tmp_path)) == {"a.tif", "r.html", "r.json"}
    stored = json.loads((tmp_path / "r.json").read_text())
    assert read_page((tmp_path / "r.html").read_text()) == stored
    assert stored["output"] == str(tmp_path / "a.tif")
    words = stored["command"].split()
    assert words[:3] == ["georeg", "align", scene[0]]
    assert words[words.index("--transform") :][:2] == ["--transform", "similarity"]
    assert words.count("--report") == 2


def test_check_writes_pages_whether_it_passes_or_not(
    scene: tuple[str, str], tmp_path: Path
) -> None:
    for limit, code, said in (("50", 0, "Not aligned"), ("1", 3, "is above --max-error 1")):
        path = tmp_path / f"{limit}.html"
        result = run(
            "check", scene[0], "--reference", scene[1], "--max-error", limit, "--report", path,
            *FAST,
        )  # fmt: skip
        assert result.code == code, result.err
        assert said in path.read_text()
    assert "more than --max-error 1: 'georeg align' may correct it" in result.line


def test_the_command_of_a_report_repeats_the_run(scene: tuple[str, str], tmp_path: Path) -> None:
    """Also what came from a configuration file."""
    import shlex

    config = tmp_path / "job.toml"
    config.write_text('transform = "similarity"\nmax_shift = "400m"\nmoving-bands = [1]\n')
    first = run(
        "align", scene[0], "--reference", scene[1], "-o", tmp_path / "a b.tif", "--config", config,
        "--no-symmetric", "--threads", "1", "--fit", tmp_path / "one.json",
        "--moving-nodata", "-3.4028234663852886e+38",
    )  # fmt: skip
    assert first.code == 0, first.err
    stored = json.loads((tmp_path / "a b.report.json").read_text())
    fit = (tmp_path / "one.json").read_bytes()
    program, *words = shlex.split(stored["command"])
    assert program == "georeg"
    assert "--config" not in words
    assert "400m" in words
    # Rounded, it is another number, beyond float32: what it stands for would be data.
    assert "-3.4028234663852886e+38" in words
    again = run(*words, "--overwrite")
    assert again.code == 0, again.err
    assert (tmp_path / "one.json").read_bytes() == fit


def test_fit_writes_pages(scene: tuple[str, str], tmp_path: Path) -> None:
    points = tmp_path / "p.csv"
    assert run("match", scene[0], "--reference", scene[1], "-o", points, *FAST).code == 0
    result = run(
        "fit", points, "--moving", scene[0], "--reference", scene[1], "-o", tmp_path / "f.json",
        "--report", tmp_path / "r.html", "--explain", *FAST,
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "matcher: none: the tie points come from a file" in result.err
    text = (tmp_path / "r.html").read_text()
    assert "The tie points give a good fit" in text
    assert f"georeg fit {points}" in text
