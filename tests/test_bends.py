"""Displacements that change within templates, between tiles, or by more than a look reaches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scenes
from georeg.align import measure
from georeg.judging.criteria import MORE_TILES
from georeg.search import tracking
from georeg.settings import Settings
from test_align import corrected


@pytest.mark.parametrize(
    ("amplitude", "period", "side", "most"),
    # The first was aligned by a shift, the others were refused; 3.2 to 12 px were off.
    [(3.0, 160.0, 480, 1.2), (4.0, 200.0, 400, 0.8), (6.0, 300.0, 600, 0.8)],
)
def test_what_bends_closely_shows_in_small_templates(
    tmp_path: Path, amplitude: float, period: float, side: int, most: float
) -> None:
    pair = scenes.make_pair(tmp_path, scenes.waves(amplitude, period, 2.0, -3.0), (side, side))
    result = measure(pair.moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    assert np.percentile(pair.errors(corrected(result)), 90) < most
    first, *_, last = result.report["levels"]
    assert (first["model"], last["goal"], last["model"]) == ("shift", "detail", "field")


def test_more_tiles_are_matched_where_it_bends_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in scenes of 10 000 px, with a budget that suits this small one."""
    monkeypatch.setattr(tracking, "USUAL_TILES", 6)
    pair = scenes.make_pair(tmp_path, scenes.waves(4.0, 375, 2.0, -3.0), (1100, 1100))
    result = measure(pair.moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    assert result.verdict.warnings == ()
    assert np.percentile(pair.errors(corrected(result)), 90) < 0.6
    few, more = (level["tiles"] for level in result.report["levels"][-2:])
    assert more > 2 * few


def test_whoever_limits_the_tiles_is_told_that_it_bends_between_them(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.waves(4.0, 375, 2.0, -3.0), (1100, 1100))
    result = measure(pair.moving, pair.reference, Settings(max_tiles=6))
    assert MORE_TILES in "; ".join((*result.verdict.warnings, *result.verdict.reasons))
    assert len(result.report["levels"]) == 2


def test_no_more_is_looked_at_for_a_transform_that_cannot_bend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "USUAL_TILES", 6)
    pair = scenes.make_pair(tmp_path, scenes.waves(4.0, 375, 2.0, -3.0), (1100, 1100))
    result = measure(pair.moving, pair.reference, Settings(transform="affine"))
    assert not result.verdict.ok
    assert [level["goal"] for level in result.report["levels"]] == ["track", "refine"]
    assert MORE_TILES not in "; ".join(result.verdict.reasons)


def test_what_bends_beyond_the_first_tie_points_is_looked_for_from_the_next(
    tmp_path: Path,
) -> None:
    """What was out of reach of the last look had no tie points, and was up to 10 px off."""
    bend = scenes.waves(8.0, 500, 6.0, -4.0)

    def truth(xy: scenes.Array) -> scenes.Array:
        corner = np.clip(1 - np.hypot(*(xy - [0.0, 480.0]).T) / 240, 0, 1)[:, None]
        return np.asarray(bend(xy) + corner**2 * [-22.0, 22.0])

    pair = scenes.make_pair(tmp_path, truth, (480, 480))
    for resolution in (None, 1.0):
        result = measure(pair.moving, pair.reference, Settings(working_resolution=resolution))
        assert result.verdict.ok, result.verdict.reasons
        assert np.percentile(pair.errors(corrected(result)), 98) < 1
    assert [level["goal"] for level in result.report["levels"]][-2:] == ["detail", "detail"]
