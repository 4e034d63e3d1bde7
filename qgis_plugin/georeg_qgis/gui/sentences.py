"""A report in words and numbers."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsUnitTypes

from ..texts import tr

_GREEN = ("#e3f3ec", "#009e73")
_AMBER = ("#fcf1dc", "#e69f00")
_RED = ("#fbe6da", "#d55e00")
_GREY = ("#eceff1", "#90a4ae")


def headline(report: dict[str, Any]) -> str:
    """The verdict in one sentence."""
    verdict = report.get("verdict") or {}
    status = verdict.get("status")
    if status == "refused" or not verdict.get("ok"):
        return tr("No trustworthy alignment: nothing was written.")
    moved = verdict.get("displacement_px")
    if status == "already aligned":
        return tr("Already aligned within {px:.1f} px.").format(px=max(moved or 0.0, 0.1))
    return tr("Aligned: moved by {px:.1f} px.").format(px=moved or 0.0)


def advice(report: dict[str, Any]) -> str:
    """Reasons and warnings, as the engine says them."""
    verdict = report.get("verdict") or {}
    told = [*verdict.get("reasons", ()), *(report.get("warnings") or verdict.get("warnings", ()))]
    return "\n".join(f"• {text}" for text in dict.fromkeys(told))


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
            text = f"{accuracy[f'{key}_px']:.2f} px"
            if accuracy.get(f"{key}_m") is not None:
                text += f" ({QgsUnitTypes.formatDistance(accuracy[f'{key}_m'], 2, metres)})"
            found.append((name, text))
    before = (points.get("offset_before") or {}).get("rmse_px")
    if before is not None:
        found.append((tr("Off before"), f"{before:.1f} px"))
    if report.get("transform"):
        found.append((tr("Transform"), str(report["transform"])))
    if points.get("count"):
        agree = tr("{inliers} of {count} agree").format(
            inliers=points.get("inliers", 0), count=points["count"]
        )
        found.append((tr("Tie points"), agree))
    if verdict.get("coverage") is not None:
        found.append((tr("Coverage"), f"{verdict['coverage']:.0%}"))
    return found
