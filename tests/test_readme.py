"""What README.md shows is run as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest
import rasterio

from cli_cases import run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, after: str = "") -> list[str]:
    """The fenced blocks of a language, or those right after a marker."""
    return re.findall(rf"{re.escape(after)}\n?```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample pair, and in it."""
    for name in ("moving.tif", "reference.tif"):
        shutil.copy(ROOT / "sample_data" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where the demo works
    return tmp_path


def test_python_block(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("aligned: moved by 28")
    with rasterio.open(sample / "again.tif") as again, rasterio.open("reference.tif") as reference:
        assert again.transform == reference.transform
        assert again.shape == reference.shape
    with rasterio.open(sample / "aligned.tif") as aligned:
        assert aligned.crs == "EPSG:4326"


def test_command_line_examples(sample: Path) -> None:
    (block,) = blocks("bash", "<!-- examples -->")
    lines = [line for line in block.splitlines() if line and not line.startswith("#")]
    names = set()
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "georeg"
        alone = ("info", "convert", "export", "plot")
        more = () if arguments[0] in alone else ("--threads", "2")
        result = run(*arguments, *more)
        assert result.code == 0, f"{line}\n{result.err}"
        names.add(arguments[0])
        if arguments[0] == "demo":
            assert "at 609 points, in reference pixels" in result.out
            assert str(sample) in result.out
    assert names == {
        "align", "batch", "match", "fit", "warp", "convert", "export", "check", "plot", "info",
        "demo",
    }  # fmt: skip
    assert (sample / "points.geojson").exists()
    assert not (sample / "planned.tif").exists()


def test_the_error_of_the_demo_is_the_one_that_is_told() -> None:
    """The figures of command 1; tests/test_sample_data.py holds the demo to them."""
    assert "29.0 RMSE before and about 0.5\nafter" in README


def test_links_and_pictures_exist() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.parametrize("number", [1, 2])
def test_commands_are_one_line_each(number: int) -> None:
    """.ci/run takes them from here."""
    (block,) = blocks("bash", f"<!-- command {number} -->")
    assert len(block.splitlines()) == 1
    assert "python3 -m venv .venv" in block
