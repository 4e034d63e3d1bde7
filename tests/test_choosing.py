"""Which matcher runs, with which weights; and what is said where they are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from georeg import matching, ratings
from georeg.choosing import choose, fingerprint, team_of, weights_of
from georeg.errors import InputError, SettingsError
from georeg.matching.protocol import Device
from georeg.matching.symmetric import Symmetric
from georeg.models import layouts
from georeg.refining import Refined
from georeg.settings import MODALITIES, Settings

OPTICAL = ("optical", "optical")


BUILT_IN = ("structural", "embedded")


@pytest.fixture(autouse=True)
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("GEOREG_MODEL_DIR", str(folder))
    return folder


def checkpoint(path: Path, layout: str, seed: int = 0) -> Path:
    """Complete tensors of a layout, all random."""
    rng = torch.Generator().manual_seed(seed)
    torch.save({k: torch.randn(s, generator=rng) for k, s in layouts.shapes(layout).items()}, path)
    return path


def test_without_weights_it_is_the_built_in_one() -> None:
    choice = choose("auto", "", False, OPTICAL)
    assert (choice.name, choice.weights) == ("structural", "")
    assert not choice.better  # nothing is better on a CPU
    on_gpu = choose("auto", "", True, OPTICAL)
    assert on_gpu.name == "structural"
    assert "georeg models pull minima_loftr" in on_gpu.better


@pytest.mark.parametrize("other", MODALITIES[1:])
def test_what_was_measured_puts_the_built_in_one_first_on_a_cpu(other: str) -> None:
    """Of the matchers without weights, whatever the modalities; and it says by which figure."""
    choice = choose("auto", "", False, (other, "optical"))
    assert choice.name == "structural"
    assert "% of" in choice.why


def test_weights_that_are_there_are_used_on_a_gpu(empty_store: Path) -> None:
    checkpoint(empty_store / "minima_loftr.ckpt", "loftr")
    choice = choose("auto", "", True, ("sar", "optical"))
    assert (choice.name, choice.weights) == ("minima_loftr", "minima_loftr")
    assert "not measured" in choice.why
    assert not choice.better
    assert choose("auto", "", False, ("sar", "optical")).name == "structural"


def test_measured_matchers_rank_by_what_was_measured() -> None:
    table = (
        ratings.Rating("a", False, {"sar": 40.0, "all": 80.0}),
        ratings.Rating("b", False, {"sar": 60.0, "all": 70.0}),
        ratings.Rating("c", True, {}),
        ratings.Rating("d", False, {}),
    )
    assert [r.matcher for r in ratings.ranked(False, ("sar", "optical"), table)] == ["b", "a", "d"]
    assert [r.matcher for r in ratings.ranked(False, OPTICAL, table)] == ["a", "b", "d"]
    assert [r.matcher for r in ratings.ranked(True, OPTICAL, table)] == ["c", "a", "b", "d"]
    assert "60 %" in table[1].why(("optical", "sar"))


def test_the_table_names_matchers_that_exist() -> None:
    assert {r.matcher for r in ratings.table()} <= set(matching.available())


@pytest.mark.parametrize("name", [n for n in matching.available() if n not in BUILT_IN])
def test_missing_weights_say_which_command_gets_them(name: str) -> None:
    choice = choose(name, "", False, OPTICAL)
    if not matching.kind(name).layouts:
        assert choice.weights == ""
        return
    with pytest.raises(InputError, match=r"run 'georeg models (pull|import)") as caught:
        team_of(choice, [Device()], Settings())
    assert "\n" not in str(caught.value)


def test_weights_for_a_matcher_that_takes_none() -> None:
    with pytest.raises(SettingsError, match="takes none"):
        choose("sift", "minima_loftr", False, OPTICAL)
    with pytest.raises(SettingsError, match="which --matcher"):
        choose("auto", "minima_loftr", False, OPTICAL)


def test_weights_by_name_or_by_file(empty_store: Path, tmp_path: Path) -> None:
    inside = checkpoint(empty_store / "minima_xoftr.ckpt", "xoftr", 1)
    other = checkpoint(tmp_path / "mine.ckpt", "xoftr", 2)
    name = "backbone.conv1.weight"
    for source, path in (("minima_xoftr", inside), (str(other), other)):
        weights = weights_of(source, ("xoftr",))
        assert weights.name == source
        assert set(weights.states) == {"xoftr"}
        assert torch.equal(weights.states["xoftr"][name], torch.load(path)[name])


@pytest.mark.parametrize(
    ("layout", "entry", "name"),
    [("aliked_n16", "aliked", "aliked-n16.pth"), ("disk", "disk", "disk_depth.pth")],
)
def test_other_files_of_a_matcher_come_from_the_store(
    empty_store: Path, tmp_path: Path, layout: str, entry: str, name: str
) -> None:
    """Those of its own key points: LightGlue's tensors are alike for ALIKED and DISK."""
    glue = checkpoint(tmp_path / "glue.pth", "lightglue_128")
    with pytest.raises(InputError, match=f"models pull {entry}"):
        weights_of(str(glue), ("lightglue_128", layout))
    checkpoint(empty_store / name, layout)
    weights = weights_of(str(glue), ("lightglue_128", layout))
    assert set(weights.states) == {"lightglue_128", layout}


def test_how_weights_were_trained_is_told_by_their_name(empty_store: Path, tmp_path: Path) -> None:
    """LoFTR's first position encoding: the tensors don't tell."""
    checkpoint(empty_store / "loftr_outdoor.ckpt", "loftr")
    assert weights_of("loftr_outdoor", ("loftr",)).options == ("old-encoding",)
    same = checkpoint(tmp_path / "outdoor_ds.ckpt", "loftr")
    assert weights_of(str(same), ("loftr",)).options == ("old-encoding",)
    mine = checkpoint(tmp_path / "mine.ckpt", "loftr")
    assert weights_of(str(mine), ("loftr",)).options == ()


def test_wrong_weights(empty_store: Path, tmp_path: Path) -> None:
    checkpoint(empty_store / "minima_xoftr.ckpt", "xoftr")
    with pytest.raises(SettingsError, match="layout xoftr, this matcher needs loftr"):
        weights_of("minima_xoftr", ("loftr",))
    with pytest.raises(InputError, match="no complete loftr checkpoint"):
        weights_of(str(empty_store / "minima_xoftr.ckpt"), ("loftr",))
    for name in ("mine.ckpt", "folder/mine"):
        with pytest.raises(InputError, match=f"^{name}: no such file"):
            weights_of(name, ("loftr",))
    with pytest.raises(SettingsError, match=r"no model 'minima_lofter'.*minima_loftr"):
        weights_of("minima_lofter", ("loftr",))


def test_the_report_says_which_weights(empty_store: Path, tmp_path: Path) -> None:
    assert fingerprint(choose("structural", "", False, OPTICAL)) is None
    path = checkpoint(tmp_path / "mine.ckpt", "xoftr")
    found = fingerprint(choose("minima_xoftr", str(path), False, OPTICAL))
    assert found is not None
    assert found["name"] == str(path)
    assert len(found["sha256"]) == 64


def test_what_was_asked_for_is_put_around_the_matcher() -> None:
    choice = choose("sift", "", False, OPTICAL)
    assert not isinstance(team_of(choice, [Device()], Settings()).matcher, Symmetric)
    both = team_of(choice, [Device()], Settings(symmetric=True, subpixel=True)).matcher
    assert isinstance(both, Refined)
    assert isinstance(both.inner, Symmetric)
    assert both.name == "sift"
