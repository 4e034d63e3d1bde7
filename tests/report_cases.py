"""Reports of small scenes with known truth: measured once, looked at by several files."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import scenes
from georeg.align import measure
from georeg.alignment import Alignment, told
from georeg.report.facts import Facts, gather
from georeg.report.page import page
from georeg.settings import Settings

SHAPE = (480, 480)
SHIFT = (9.0, -6.0)
KEPT = tempfile.TemporaryDirectory(prefix="georeg-tests-")  # removed when the tests end
QUICK = Settings(transform="auto", threads=2)


@cache
def good(working_resolution: float | None = None) -> Alignment:
    """A shift of (9, -6) pixels of 2 m, found."""
    pair = scenes.make_pair(Path(KEPT.name) / "good", scenes.shift(*SHIFT), SHAPE, gsd=2.0)
    settings = replace(QUICK, working_resolution=working_resolution)
    result = measure(pair.moving, pair.reference, settings, pictures=True)
    return told(result, "align", "georeg align moving.tif", output="aligned.tif")


@cache
def bent() -> Alignment:
    """The same shift, and a wave that is placed on pixels of 1 m."""
    wave = scenes.waves(1.5, 110, *SHIFT)
    pair = scenes.make_pair(Path(KEPT.name) / "bent", wave, (300, 300), gsd=2.0)
    return measure(pair.moving, pair.reference, QUICK, pictures=True)


@cache
def refused() -> Alignment:
    """Two unrelated places."""
    folder = Path(KEPT.name)
    one = scenes.make_pair(folder / "one", scenes.shift(3, 2), SHAPE, seed=1)
    two = scenes.make_pair(folder / "two", scenes.shift(3, 2), SHAPE, seed=2)
    result = measure(one.moving, two.reference, QUICK, pictures=True)
    return told(result, "align", "georeg align moving.tif")


def facts_of(result: Alignment) -> Facts:
    return gather(result.report, result.pictures)


def page_of(result: Alignment, **changed: Any) -> str:
    """The page, with other values in the report."""
    return page({**result.report, **changed}, result.pictures)


def warned(result: Alignment, warning: str) -> Alignment:
    """The same with a warning."""
    return replace(result, report={**result.report, "warnings": [warning]})
