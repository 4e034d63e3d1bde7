"""The page in a real browser: what is seen, what moves, and that nothing is asked of the network.

`.ci/run` installs Chromium; elsewhere this is skipped where there is none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import report_cases as cases

CHROMIUM = os.environ.get("GEOREG_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if "GEOREG_CHROMIUM" not in os.environ:  # set by .ci/run, where nothing is skipped
    if CHROMIUM is None:
        pytest.skip("no Chromium here", allow_module_level=True)
    pytest.importorskip("playwright", reason="needs playwright (the dev extra)")

# Without these Chromium asks its makers for updates.
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENT = 120_000  # ms; CI may be busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as run:
        started = run.chromium.launch(executable_path=CHROMIUM, args=list(QUIET), timeout=PATIENT)
        yield started
        started.close()


class Visit:
    """A page from a file, and what went on behind it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(viewport={"width": 1120, "height": 900}, **options)
        self.page.set_default_timeout(PATIENT)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(path.as_uri())

    def picture(self, selector: str) -> np.ndarray[Any, Any]:
        """A screenshot of one element, in grey."""
        data = self.page.locator(selector).screenshot()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        return np.asarray(image, np.float32)

    def choose(self, name: str, value: str) -> None:
        self.page.locator(f'input[name="{name}"][value="{value}"]').check(force=True)


@pytest.fixture(scope="module")
def visit(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    path = tmp_path_factory.mktemp("page") / "good & <odd> name.html"
    path.write_text(cases.page_of(cases.good()), encoding="utf-8")
    seen = Visit(browser, path, reduced_motion="reduce")
    yield seen
    seen.page.close()


def test_verdict_is_what_one_sees_first(visit: Visit) -> None:
    title = visit.page.locator("h1")
    assert title.inner_text() == "Aligned"
    assert title.bounding_box()["y"] < 300
    assert visit.page.locator("#verdict .sign").is_visible()


@pytest.mark.parametrize(
    "selector",
    ["#stage", "#look .plot svg", "#where .plot svg >> nth=0", "#where .plot svg >> nth=1",
     "#where .plot svg >> nth=2", "#errors .plot svg >> nth=0", "#errors .plot svg >> nth=1",
     "#errors .plot svg >> nth=2", "#why .plot svg", "#verdict"],
)  # fmt: skip
def test_main_parts_are_seen(visit: Visit, selector: str) -> None:
    image = visit.picture(selector)
    assert min(image.shape) > 80
    assert image.std() > 8  # not blank
    assert len(np.unique(image)) > 20


def test_swipe(visit: Visit) -> None:
    """The edge lies where the slider is; beyond it is the other picture."""
    visit.choose("mode", "swipe")
    seen = {}
    for value in (0, 500, 1000):
        visit.page.locator("#swipe").evaluate(
            f"(slider) => {{ slider.value = {value}; slider.dispatchEvent(new Event('input')); }}"
        )
        seen[value] = visit.picture("#stage")
    middle = seen[0].shape[1] // 2
    over, both, under = seen[0], seen[500], seen[1000]
    assert np.abs(over - under).mean() > 10
    assert np.abs(both[:, : middle - 8] - under[:, : middle - 8]).mean() < 1
    assert np.abs(both[:, middle + 8 :] - over[:, middle + 8 :]).mean() < 1


def test_flicker(visit: Visit) -> None:
    visit.choose("mode", "flicker")
    one = visit.picture("#stage")
    visit.page.locator("#blink").click()
    other = visit.picture("#stage")
    visit.page.locator("#blink").click()
    assert np.abs(one - other).mean() > 10
    assert np.abs(one - visit.picture("#stage")).mean() < 1


def test_flicker_goes_by_itself(visit: Visit) -> None:
    """Unless somebody prefers less motion, who must start it."""
    visit.choose("mode", "flicker")
    button = visit.page.locator("#flicker")
    assert button.inner_text() == "Start"
    button.click()
    assert button.inner_text() == "Stop"
    for name in ("#under-name", "#over-name"):
        visit.page.locator(f"{name}.shown").wait_for()
    button.click()


def test_checkerboard(visit: Visit) -> None:
    visit.choose("mode", "checker")
    visit.choose("pair", "reference after")
    board = visit.picture("#stage")
    visit.choose("mode", "swipe")
    differing = np.abs(board - visit.picture("#stage")) > 30
    assert 0.05 < differing.mean() < 0.95


def test_other_places_and_pairs(visit: Visit) -> None:
    visit.choose("mode", "swipe")
    whole = visit.picture("#stage")
    visit.choose("place", "1")
    near = visit.picture("#stage")
    assert near.shape != whole.shape or np.abs(near - whole).mean() > 10
    visit.choose("place", "0")
    visit.choose("pair", "reference before")
    assert visit.page.locator("#over-name").inner_text() == "Moving, before"


def test_dark_and_narrow(visit: Visit) -> None:
    page = visit.page
    page.emulate_media(color_scheme="dark")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(18, 22, 27)"
    page.set_viewport_size({"width": 390, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    page.set_viewport_size({"width": 1120, "height": 900})
    page.emulate_media(color_scheme="light")


def test_on_paper(visit: Visit) -> None:
    """What can't be moved on paper is shown side by side."""
    visit.page.emulate_media(media="print")
    assert not visit.page.locator("#viewer").is_visible()
    assert visit.page.locator(".triple svg").first.is_visible()
    assert visit.page.pdf(format="A4").startswith(b"%PDF")
    visit.page.emulate_media(media="screen")
    assert visit.page.locator("#viewer").is_visible()


def test_refused(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "refused.html"
    path.write_text(cases.page_of(cases.refused()), encoding="utf-8")
    seen = Visit(browser, path)
    assert seen.page.locator("h1").inner_text() == "No trustworthy alignment was found"
    assert seen.page.locator(".reasons li").count() >= 1
    assert seen.page.locator("#over-name").inner_text() == "Moving, before"
    assert seen.picture("#stage").std() > 8
    assert seen.asked == [path.as_uri()]
    assert seen.said == []
    seen.page.close()


def test_nothing_was_asked_of_the_network_and_nothing_went_wrong(visit: Visit) -> None:
    """After all of the above."""
    assert [url for url in visit.asked if not url.startswith("data:")] == [visit.page.url]
    assert visit.said == []
