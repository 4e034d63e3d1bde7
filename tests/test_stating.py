"""The errors that are stated, against known ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scenes
from georeg.align import measure
from georeg.report.facts import gather
from georeg.settings import Settings
from test_align import corrected


@pytest.mark.parametrize(("transform", "amplitude"), [("shift", 2.8), ("affine", 2.5)])
def test_what_a_stiff_transform_cannot_follow_is_its_error(
    tmp_path: Path, transform: str, amplitude: float
) -> None:
    """Points agree there, with their neighbours and not with the model: not as outliers do."""
    warp = scenes.waves(amplitude, 500.0, 2.0, -3.0)
    pair = scenes.make_pair(tmp_path, warp, (500, 600))
    result = measure(pair.moving, pair.reference, Settings(transform=transform))
    assert result.fit is not None
    true = float(np.sqrt((pair.errors(corrected(result)) ** 2).mean()))
    accuracy, expected = result.verdict.accuracy, result.verdict.expected
    assert accuracy is not None
    assert expected is not None
    assert true > 3
    assert accuracy.rmse_px == pytest.approx(true, rel=0.2)
    assert expected.half_px > 0.8 * true
    # The report's plots are of the same errors.
    facts = gather(result.report, None)
    assert float(np.sqrt((facts.errors**2).sum(axis=1).mean())) == pytest.approx(
        accuracy.rmse_px, rel=0.01
    )
    assert facts.judged.sum() > facts.inlier.sum()
    assert any("--transform auto looks for one" in w for w in result.verdict.warnings)


def test_nothing_is_said_of_a_stiff_transform_that_follows(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, lambda xy: xy + [2.0, -3.0], (400, 400))
    found = measure(pair.moving, pair.reference, Settings(transform="shift")).verdict
    assert found.ok
    assert found.warnings == ()
