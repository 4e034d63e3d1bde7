"""A report in words and numbers."""

from __future__ import annotations

import re
from typing import Any

from qgis.core import QgsUnitTypes

from ..choices import TRANSFORMS
from ..engine.words import N_
from ..texts import shown, tr

_GREEN = ("#e3f3ec", "#009e73")
_AMBER = ("#fcf1dc", "#e69f00")
_RED = ("#fbe6da", "#d55e00")
_GREY = ("#eceff1", "#90a4ae")

# What the engine's messages call by its option, and what that is called here.
_HERE = {
    "--area": N_("Area"),
    "--device": N_("Device"),
    "--grid": N_("Pixel grid"),
    "--matcher": N_("Matcher"),
    "--max-rmse": N_("Refuse above"),
    "--max-shift": N_("Largest shift"),
    "--modality": N_("Shows"),
    "--moving-bands": N_("Bands"),
    "--moving-crs": N_("Set Layer CRS"),
    "--moving-modality": N_("Shows"),
    "--moving-nodata": N_("Additional no data value"),
    "--no-georef": N_("No coordinates: look everywhere"),
    "--reference-bands": N_("Bands"),
    "--reference-crs": N_("Set Layer CRS"),
    "--reference-modality": N_("Shows"),
    "--reference-nodata": N_("Additional no data value"),
    "--resampling": N_("Resampling"),
    "--search": N_("Search range"),
    "--transform": N_("Transform"),
}
_MEANINGS = {
    "RMSE": N_(
        "Error at tie points that the fit didn't know (root mean square), in pixels of the "
        "reference and on the ground. It is measured, but not against the true ground: errors of "
        "the reference aren't in it."
    ),
    "CE90": N_("90 % of these errors are smaller."),
    "Off before": N_("How far off the layer was, at the tie points (root mean square)."),
    "Transform": N_("What moves the layer: the simplest one that predicts well, or your choice."),
    "Tie points": N_(
        "Places that were recognised in both layers. Those that don't agree with the others were "
        "left aside."
    ),
    "Coverage": N_(
        "Share of what both layers show that has tie points nearby. Elsewhere the fit is carried "
        "on, and may be worse."
    ),
}


def headline(report: dict[str, Any]) -> str:
    """The verdict in one sentence."""
    verdict = report.get("verdict") or {}
    status = verdict.get("status")
    if status == "refused" or not verdict.get("ok"):
        return tr("No trustworthy alignment: nothing was written.")
    moved = verdict.get("displacement_px")
    if status == "already aligned":
        return tr("Already aligned within {px} px.").format(px=shown(max(moved or 0.0, 0.1), 1))
    if verdict.get("placed"):
        return tr("Aligned: placed by what it shows.")
    return tr("Aligned: moved by {px} px.").format(px=shown(moved or 0.0, 1))


def advice(report: dict[str, Any]) -> str:
    """Reasons and warnings, as the engine says them, with the panel's names of options."""
    verdict = report.get("verdict") or {}
    told = [*verdict.get("reasons", ()), *(report.get("warnings") or verdict.get("warnings", ()))]
    return "\n".join(f"• {in_panel(text)}" for text in dict.fromkeys(told))


def in_panel(text: str) -> str:
    """A message of the engine that names options as the panel does; others stay as they are."""

    def name(found: re.Match[str]) -> str:
        label = _HERE.get(found.group())
        return found.group() if label is None else f"'{tr(label)}'"

    return re.sub(r"--[a-z]+(-[a-z]+)*", name, text)


def meaning(name: str) -> str:
    """What a number says, for people who don't know its name; by `name` as `numbers` has it."""
    return next((tr(text) for key, text in _MEANINGS.items() if tr(key) == name), "")


def colour(report: dict[str, Any]) -> tuple[str, str]:
    """Background and edge of the banner."""
    verdict = report.get("verdict")
    if not verdict:
        return _GREY
    if not verdict.get("ok"):
        return _RED
    return _AMBER if verdict.get("warnings") or report.get("warnings") else _GREEN


def numbers(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What there is to tell, as pairs of name and value."""
    verdict = report.get("verdict") or {}
    accuracy = verdict.get("accuracy") or {}
    points = report.get("tie_points") or {}
    metres, _ = QgsUnitTypes.decodeDistanceUnit("meters")
    found = []
    for name, key in (("RMSE", "rmse"), ("CE90", "ce90")):
        if accuracy.get(f"{key}_px") is not None:
            text = f"{shown(accuracy[f'{key}_px'], 2)} px"
            if accuracy.get(f"{key}_m") is not None:
                text += f" ({QgsUnitTypes.formatDistance(accuracy[f'{key}_m'], 2, metres)})"
            found.append((name, text))
    before = (points.get("offset_before") or {}).get("rmse_px")
    if before is not None and not verdict.get("placed"):  # it wasn't anywhere
        found.append((tr("Off before"), f"{shown(before, 1)} px"))
    if report.get("transform"):
        name = str(report["transform"])
        found.append((tr("Transform"), tr(TRANSFORMS.get(name, name))))
    if points.get("count"):
        agree = tr("{inliers} of {count} agree").format(
            inliers=points.get("inliers", 0), count=points["count"]
        )
        found.append((tr("Tie points"), agree))
    if verdict.get("coverage") is not None:
        found.append((tr("Coverage"), f"{verdict['coverage']:.0%}"))
    return found
