"""The report as one page of HTML: no network, no scripts from elsewhere, everything inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from georeg.report import palette, plots
from georeg.report.facts import Encoded, Facts, gather
from georeg.report.pictures import Pictures
from georeg.report.words import figures, headline, tally
from georeg.settings import Settings
from georeg.textfile import finite

_SCRIPT = "georeg-report"  # id of the element that holds the report as JSON
_STEPS = {
    "moving": "What the moving raster shows",
    "reference": "What the reference shows",
    "frame": "Where they are compared",
    "matcher": "How tie points are found",
    "search": "The first look at the whole",
    "level": "Level by level",
    "points": "Which tie points count",
}


def page(report: Mapping[str, Any], pictures: Pictures | None) -> str:
    """The report as HTML.

    Args:
        report: see `contents`.
        pictures: views of the rasters; None where they can't be had.

    Raises:
        InputError: this is no report, or it lacks a part.
    """
    facts = gather(report, pictures)
    return _template().render(
        facts=facts,
        report=report,
        headline=headline(facts),
        figures=figures(facts),
        tally=tally(facts),
        plots={name: _plot(name, facts) for name in plots.NAMES},
        decisions=_decisions(report),
        settings=_settings(report),
        command=report.get("command", ""),
        css=Markup(_css()),
        js=Markup(_text("page.js")),
        data=Markup(_json(report)),
        script=_SCRIPT,
        sides=_sides(facts.pictures),
    )


def read_page(text: str) -> dict[str, Any] | None:
    """The report inside a page that `page` made; None if it isn't one."""
    _, found, rest = text.partition(f'<script type="application/json" id="{_SCRIPT}">')
    if not found:
        return None
    try:
        data = json.loads(rest.partition("</script>")[0])
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _plot(name: str, facts: Facts) -> dict[str, Any] | None:
    plot = plots.load(name)
    drawn = plot.draw(facts, palette.PAGE, _shared(facts))
    if drawn is None:
        return None
    return {"title": plot.TITLE, "svg": Markup(drawn.svg()), "caption": plot.caption(facts)}


def _shared(facts: Facts) -> plots.Backdrop:
    """Pictures are in the page once; drawings refer to them."""

    def backdrop(number: int, side: str) -> str:
        if number >= len(facts.pictures) or side not in facts.pictures[number].uris:
            return ""
        return f'<use href="#picture-{number}-{side}"/>'

    return backdrop


def _sides(pictures: tuple[Encoded, ...]) -> tuple[str, ...]:
    return tuple(pictures[0].uris) if pictures else ()


def _decisions(report: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """By step, in the order in which they were taken."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for decision in report["decisions"]:
        if decision["step"] in ("model", "verdict"):
            continue  # the ladder and the criteria are shown for themselves
        groups.setdefault(decision["step"], []).append(decision)
    return [(_STEPS.get(step, step.capitalize()), found) for step, found in groups.items()]


def _settings(report: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it differs from the default."""
    defaults = finite(Settings().to_dict())
    given = report["settings"]
    rows = []
    for field in fields(Settings):
        value = given.get(field.name)
        rows.append((field.name, _value(value), value != defaults[field.name]))
    return rows


def _value(value: Any) -> str:
    if value is None or value in ("", [], ()):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _json(report: Mapping[str, Any]) -> str:
    """For a script element, which a '<' could end."""
    text = json.dumps(finite(report), ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _css() -> str:
    light, dark = palette.css_variables(palette.LIGHT), palette.css_variables(palette.DARK)
    return _text("page.css").replace("/*LIGHT*/", light).replace("/*DARK*/", dark)


def _text(name: str) -> str:
    return (resources.files("georeg.report") / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("georeg.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
