"""The page that people look at: what it says, and what it must never do."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import report_cases as cases
from georeg.errors import InputError
from georeg.report import palette
from georeg.report.facts import gather
from georeg.report.page import page, read_page
from georeg.report.words import figures, headline, tally
from georeg.textfile import finite

MOST = 5_000_000  # bytes


class Seen(HTMLParser):
    """Text, addresses and tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "poster", "srcset"):
                self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def html() -> str:
    return cases.page_of(cases.good())


def test_verdict_comes_first_and_in_plain_words(html: str) -> None:
    text = Seen(html).text
    first = text.index("Aligned The moving raster was off by 10.8 px")
    assert first < text.index("See for yourself") < text.index("What was decided")
    assert "10.8 px (21.6 m) in the median" in text


def test_numbers_are_those_of_the_report(html: str) -> None:
    verdict = cases.good().report["verdict"]
    text = Seen(html).text
    for value in (verdict["accuracy"]["rmse_px"], verdict["accuracy"]["ce90_px"]):
        assert f"{value:.2f} px" in text
    assert f"{verdict['inliers']} of {verdict['tie_points']} tie points agree" in text
    assert f"{verdict['check']['hits']:.0%}" in text
    for rung in cases.good().report["ladder"]:
        assert f"{rung['held_out_rmse_px']:.2f}" in text
        assert rung["note"][:30] in text


def test_everything_is_in_one_small_file(html: str) -> None:
    assert len(html.encode()) < MOST
    seen = Seen(html)
    assert seen.addresses
    assert all(a.startswith(("data:image/webp;base64,", "#")) for a in seen.addresses)
    assert not {"link", "iframe", "img", "object", "embed", "base"} & set(seen.tags)
    outside = re.findall(
        r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.sub(r'href="data:[^"]*"', "", html)
    )
    assert set(outside) <= {"http://www.w3.org"}  # the name of SVG, which is no address
    assert "@import" not in html
    assert "url(http" not in html
    assert "default-src 'none'" in html


def test_the_report_itself_is_inside(html: str) -> None:
    assert read_page(html) == json.loads(json.dumps(finite(cases.good().report)))
    assert read_page("<html></html>") is None


def test_names_are_text_and_never_code() -> None:
    nasty = '<script>alert(1)</script>"><img src=x onerror=alert(2)>&amp;.tif'
    html = cases.page_of(
        cases.good(), moving=nasty, output=nasty, command=f"georeg align '{nasty}'"
    )
    seen = Seen(html)
    assert seen.tags.count("script") == 2
    assert "img" not in seen.tags
    assert nasty in " ".join(seen.words)
    found = read_page(html)
    assert found is not None
    assert found["moving"] == nasty


def test_refused_says_why_and_what_to_try() -> None:
    result = cases.refused()
    text = Seen(cases.page_of(result)).text
    assert text.index("No trustworthy alignment was found") < text.index("Why, and what to try")
    for criterion in result.verdict.criteria:
        if not criterion.ok:
            assert criterion.reason[1:] in text
            assert f"Next: {criterion.advice[0].upper()}{criterion.advice[1:]}" in text
    assert "Nothing was written but this report" in text
    assert "Written" not in text
    assert "they can't be trusted" in text


def test_doubts_are_in_the_title() -> None:
    result = cases.warned(cases.good(), "the tie points are few")
    found = headline(cases.facts_of(result))
    assert (found.kind, found.title) == ("doubtful", "Aligned, with reservations")
    assert "The tie points are few." in Seen(cases.page_of(result)).text


MOVED = "The moving raster was off by 10.8 px (21.6 m) in the median over the overlap."


@pytest.mark.parametrize(
    ("changed", "verdict", "kind", "title", "said"),
    [
        ({}, {}, "good", "Aligned", MOVED),
        ({}, {}, "good", "Aligned", "What is left is below 0.50 px (1 m) at 90% of"),
        ({"output": None}, {}, "good", "It can be aligned", f"{MOVED} Nothing was written."),
        ({"task": "check"}, {}, "good", "Not aligned", "The moving raster is off by 10.8 px"),
        ({"task": "check"}, {}, "good", "Not aligned", "That is known to within 0.50 px (1 m)"),
        ({"task": "check", "max_error": 5.0}, {}, "refused", "Not aligned", "this is a check"),
        ({"task": "check", "max_error": 50.0}, {}, "good", "Not aligned", "this is a check"),
        ({"task": "fit", "output": None}, {}, "good", "The tie points give a good fit", MOVED),
        (
            {}, {"status": "already aligned", "displacement_px": 0.04}, "good", "Already aligned",
            "The two rasters lie within 0.10 px (0.2 m) of each other",
        ),
        ({}, {"placed": True}, "good", "Aligned", "was placed by what it shows"),
        ({}, {"accuracy": None}, "good", "Aligned", "too few tie points to say how large"),
        (
            {}, {"ok": False, "reasons": ["no: try"]}, "refused", "No trustworthy alignment",
            "It was written to aligned.tif all the same, because of --force",
        ),
    ],
)  # fmt: skip
def test_title(
    changed: dict[str, Any], verdict: dict[str, Any], kind: str, title: str, said: str
) -> None:
    report = cases.good().report
    known = {"displacement_px": 10.8, "accuracy": {"rmse_px": 0.4, "ce90_px": 0.5}}
    verdict = {**report["verdict"], **known, **verdict}
    found = headline(
        gather({**report, "output": "aligned.tif", **changed, "verdict": verdict}, None)
    )
    assert found.kind == kind
    assert found.title.startswith(title)
    assert len(found.reasons) == (kind == "refused")
    assert said in " ".join(found.lead)


def test_rasters_without_crs_have_no_metres() -> None:
    report = dict(cases.good().report)
    report["frame"] = {**report["frame"], "metres_per_pixel": None, "crs": None}
    report["inputs"] = {
        side: {**found, "crs": "no CRS", "metres_per_pixel": None}
        for side, found in report["inputs"].items()
    }
    text = Seen(page(report, None)).text
    assert "10.8 px in the median" in text
    assert "m)" not in text.partition("See for yourself")[0]
    assert "no CRS" in text


def test_without_pictures_it_still_says_all() -> None:
    text = Seen(page(cases.good().report, None)).text
    assert "couldn't be read again" in text
    assert "Errors by place" in text
    assert "Checkerboard of both" not in text


def test_not_a_report() -> None:
    for data in ({}, {"format": "georeg-fit"}, {"format": "georeg-report", "version": 1}):
        with pytest.raises(InputError):
            page(data, None)


def test_damaged_points_are_said() -> None:
    report = {**cases.good().report, "points": {"count": 1, "columns": ["x"], "rows": [[1]]}}
    with pytest.raises(InputError, match="damaged"):
        page(report, None)


@pytest.mark.parametrize(
    ("changed", "placed", "names"),
    [
        ({}, False, ("Error before", "Error after")),
        ({}, True, ("Error of the first look", "Error after")),
        ({"task": "check"}, False, ("Error", "Measured to within")),
    ],
)
def test_figures(changed: dict[str, Any], placed: bool, names: tuple[str, str]) -> None:
    report = {**cases.good().report, **changed}
    known = {
        "placed": placed,
        "accuracy": {"rmse_px": 0.4, "ce90_px": 0.5},
        "check": {"places": 200, "hits": 0.9, "hits_by_chance": 0.03},
    }
    facts = gather({**report, "verdict": {**report["verdict"], **known}}, None)
    before, after, ce90, _, look, _ = figures(facts)
    assert sum(number for _, number in tally(facts)) == report["tie_points"]["count"]
    assert (before.name, after.name) == names
    assert (before.value, before.more) == ("10.8 px", "21.6 m")
    assert (after.value, after.more) == ("0.40 px", "0.8 m")
    assert (ce90.value, ce90.more) == ("0.50 px", "1 m")
    assert (look.value, look.more) == ("90%", "of 200 places")
    assert look.note == "confirm the fit; 3% would by chance"


def test_figures_of_a_report_without_tie_points() -> None:
    report = dict(cases.refused().report)
    for name in ("points", "tie_points", "coverage"):
        report.pop(name, None)
    report |= {"model": None, "transform": None, "ladder": []}
    text = Seen(page(report, None)).text
    assert "there is no fit" in text
    assert figures(gather(report, None)) == ()


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK])
def test_colours_can_be_read_and_told_apart(theme: palette.Theme) -> None:
    assert contrast(theme.ink, theme.paper) > 7
    assert contrast(theme.muted, theme.paper) > 4.5
    for colour in (theme.first, theme.second):
        assert colour in palette.OKABE_ITO.values()
        assert contrast(colour, theme.paper) > 3


def test_palette_is_okabe_and_ito_s() -> None:
    assert list(palette.OKABE_ITO.values()) == [
        "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
    ]  # fmt: skip
