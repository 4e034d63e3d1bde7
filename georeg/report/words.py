"""The verdict in plain words, for people who know their rasters and not this program."""

from __future__ import annotations

from dataclasses import dataclass

from georeg.report.facts import Facts

_GOOD, _DOUBTFUL, _REFUSED = "good", "doubtful", "refused"


@dataclass(frozen=True)
class Headline:
    """What stands first.

    Attributes:
        kind: good, doubtful (trusted, but with warnings) or refused.
        title: a few words.
        lead: sentences.
        reasons: why it was refused, each with what can be tried (empty if nothing).
        warnings: what to keep in mind.
    """

    kind: str
    title: str
    lead: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One number that matters, and what it is."""

    name: str
    value: str
    more: str
    note: str


def headline(facts: Facts) -> Headline:
    """The verdict."""
    report, verdict = facts.report, facts.verdict
    warnings = tuple(map(_sentence, report["warnings"]))
    if not verdict["ok"]:
        reasons = [
            (c["reason"], c["advice"]) for c in verdict.get("criteria", ()) if not c["ok"]
        ] or [(reason, "") for reason in verdict["reasons"]]
        return Headline(
            _REFUSED,
            "It can't be measured" if _checked(facts) else "No trustworthy alignment was found",
            _refused(facts),
            tuple(map(_sentences, reasons)),
            warnings,
        )
    above = _above(facts)
    kind = _REFUSED if above else _DOUBTFUL if warnings else _GOOD
    title, lead = _trusted(facts)
    if warnings:
        title += ", with reservations"
    return Headline(kind, title, (*lead, *_left(facts)), above, warnings)


def _checked(facts: Facts) -> bool:
    return facts.report.get("task") == "check"


def _above(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Why a check fails although it could measure."""
    limit = facts.report.get("max_error")
    points = facts.report.get("tie_points")
    if limit is None or points is None or points["offset_before"]["rmse_px"] <= limit:
        return ()
    error = facts.length(points["offset_before"]["rmse_px"])
    return ((f"The error, {error} RMSE, is above --max-error {limit:g}.",
             "'georeg align' may correct it."),)  # fmt: skip


def _trusted(facts: Facts) -> tuple[str, tuple[str, ...]]:
    verdict = facts.verdict
    if verdict.get("placed"):
        said = "The moving raster was placed by what it shows; its own georeference"
        return "Aligned", (f"{said}, if it had one, wasn't looked at.",)
    moved = facts.length(verdict["displacement_px"])
    off = f"The moving raster {'is' if _checked(facts) else 'was'} off by {moved} in the median"
    if verdict["status"] == "already aligned":
        said = f"The two rasters lie within {_within(facts)} of each other"
        return "Already aligned", (f"{said}, in the median over the overlap.",)
    if _checked(facts):
        return "Not aligned", (f"{off} over the overlap. Nothing was changed: this is a check.",)
    if facts.report.get("task") == "fit":
        return "The tie points give a good fit", (f"{off} over the overlap.",)
    if facts.report.get("output") is None:
        return "It can be aligned", (f"{off} over the overlap. Nothing was written.",)
    return "Aligned", (f"{off} over the overlap.",)


def _sentences(reason: tuple[str, str]) -> tuple[str, str]:
    what, advice = reason
    return _sentence(what), _sentence(advice)


def _sentence(words: str) -> str:
    if not words:
        return ""
    return words[0].upper() + words[1:] + ("" if words.endswith((".", "?", "!")) else ".")


def _refused(facts: Facts) -> tuple[str, ...]:
    report = facts.report
    if report.get("output"):
        return (
            f"It was written to {report['output']} all the same, because of --force. What is "
            "below is what that fit does: look at it before you use it.",
        )
    if report.get("model") is None:
        return ("Nothing was written but this report: there is no fit. Below is what was seen.",)
    return (
        "Nothing was written but this report. Below is what was seen, with what the refused fit "
        "would do as 'after'.",
    )


def _within(facts: Facts) -> str:
    return facts.length(max(float(facts.verdict["displacement_px"]), 0.1))


def _left(facts: Facts) -> list[str]:
    accuracy = facts.verdict["accuracy"]
    if accuracy is None:
        return ["There are too few tie points to say how large the error is."]
    ce90 = facts.length(accuracy["ce90_px"])
    if _checked(facts):
        return [f"That is known to within {ce90} at 90% of the tie points."]
    return [
        f"What is left is below {ce90} at 90% of the tie points that agree with their neighbours, "
        "each judged by a fit made without it."
    ]


def figures(facts: Facts) -> tuple[Figure, ...]:
    """The numbers that matter."""
    verdict, points = facts.verdict, facts.report.get("tie_points")
    if points is None:
        return ()
    found = []
    before = points["offset_before"]
    checked = _checked(facts)
    begin = "before" if facts.begin == "before" else f"of the {facts.begin}"
    name = "Error" if checked else f"Error {begin}"
    found.append(_length(name, before["rmse_px"], "RMSE at tie points", facts))
    accuracy = verdict["accuracy"]
    if accuracy is not None:
        rest = "RMSE at left-out tie points"
        name = "Measured to within" if checked else "Error after"
        name = name if verdict["ok"] else "Error of the refused fit"
        found.append(_length(name, accuracy["rmse_px"], rest, facts))
        rest = "holds 90% of these errors"
        found.append(_length("CE90", accuracy["ce90_px"], rest, facts))
    covered = f"agree, near {verdict['coverage']:.0%} of the overlap"
    count, rest = str(verdict["inliers"]), f"of {verdict['tie_points']}"
    found.append(Figure("Tie points", count, rest, covered))
    check = verdict["check"]
    if check is not None:
        rest = f"of {check['places']} places"
        chance = f"confirm the fit; {check['hits_by_chance']:.0%} would by chance"
        found.append(Figure("Independent look", f"{check['hits']:.0%}", rest, chance))
    if facts.report["transform"]:
        found.append(Figure("Transform", facts.report["transform"], "", _matched(facts)))
    return tuple(found)


def _length(name: str, pixels: float, note: str, facts: Facts) -> Figure:
    value, _, metres = facts.length(pixels).partition(" (")
    return Figure(name, value, metres.rstrip(")"), note)


def _matched(facts: Facts) -> str:
    matcher = facts.report["matcher"]
    return "from tie points in a file" if matcher == "points" else f"by the matcher {matcher}"


def tally(facts: Facts) -> tuple[tuple[str, int], ...]:
    """What became of the tie points: how many of each kind; empty where nothing was fitted."""
    points = facts.report.get("tie_points") or {}
    rejected = points.get("rejected")
    if rejected is None:
        return ()
    return (
        ("agree", points["inliers"]),
        ("disagree with the points around them", rejected["neighbours"]),
        (f"disagree with the {facts.report['transform']} transform", rejected["model"]),
        ("end up too far from where it puts them", rejected["far"]),
    )
