"""Matchers over pairs with known truth: what `georeg evaluate` measures."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.choosing import choose, loader
from georeg.errors import GeoregError
from georeg.matching.protocol import Device, Matcher
from georeg.matching.running import one_thread_each, pick_devices
from georeg.settings import Settings
from georeg.training.bootstrap import Difference, area, paired
from georeg.training.tiles import tile_errors
from georeg.training.truth import TruePair
from georeg.training.whole import LIMITS, auc, whole_error

Array = npt.NDArray[np.float64]
Progress = Callable[[float], None]

log = logging.getLogger(__name__)

PRECISIONS = (1.0, 1.5, 3.0, 5.0)
"""Pixels within which a place or a tie point is right."""
SUCCESSES = (3.0, 5.0, 10.0)
"""Pixels of corner error below which a whole pair is aligned."""


@dataclass(frozen=True)
class PairResult:
    """One matcher on one pair.

    Attributes:
        matcher: as it was named.
        group: of the pair.
        name: of the pair.
        places: share of templates whose best place is within `PRECISIONS` of the truth.
        points: share of the tie points that are.
        tie_points: how many there were.
        corners: mean corner error without a prior; infinite if nothing was found; None if that
            wasn't measured.
        trusted: whether georeg would have delivered it.
    """

    matcher: str
    group: str
    name: str
    places: tuple[float, ...]
    points: tuple[float, ...]
    tie_points: int
    corners: float | None
    trusted: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: infinite errors become null, unmeasured ones are left out."""
        data = asdict(self)
        if self.corners is None:
            del data["corners"]
        elif not math.isfinite(self.corners):
            data["corners"] = None
        return data


def evaluate(
    matcher: str,
    pairs: Iterable[TruePair],
    count: int,
    settings: Settings,
    *,
    tiles: bool = True,
    whole: bool = True,
    progress: Progress | None = None,
) -> list[PairResult]:
    """Run a matcher over all pairs.

    Args:
        matcher: its name, with =WEIGHTS behind it for others than its own.
        pairs: with their truth.
        count: how many they are.
        settings: device, threads and so on, and the transform that whole pairs are fitted with.
        tiles: whether to measure tiles.
        whole: whether to measure whole pairs without a prior.
        progress: told the share that is done.

    Raises:
        SettingsError, InputError: there is no such matcher, its weights are missing, or a pair
            can't be read. What goes wrong with a pair otherwise counts as nothing found.
    """
    name, _, weights = matcher.partition("=")
    chosen = replace(settings, matcher=name, weights=weights, georef=False)
    load, device = ready(matcher, settings)
    out = []
    with one_thread_each(device):
        made = load(device) if tiles else None
        for number, pair in enumerate(pairs):
            places: tuple[float, ...] = (math.nan,)
            points, taken = places, 0
            if made is not None:
                found = tile_errors(pair, made)
                places, points = within(found.places), within(found.points)
                taken = len(found.points)
            corners, trusted = None, False
            if whole:
                try:
                    result = whole_error(pair, chosen)
                    corners, trusted = result.corners, result.trusted
                except GeoregError as error:
                    log.info("%s: %s", pair.name, error)
                    corners = math.inf
            out.append(
                PairResult(matcher, pair.group, pair.name, places, points, taken, corners, trusted)
            )
            if progress is not None:
                progress((number + 1) / count)
    return out


def ready(matcher: str, settings: Settings) -> tuple[Callable[[Device], Matcher], Device]:
    """What makes a matcher, its weights read, and where it runs.

    Args:
        matcher: as for `evaluate`.
        settings: device and precision.

    Raises:
        SettingsError, InputError: there is no such matcher or device, or its weights are missing.
    """
    name, _, weights = matcher.partition("=")
    device = pick_devices(settings.device, precision=settings.precision, seed=settings.seed)[0]
    choose(name, weights, device.name.startswith("cuda"), ("unknown", "unknown"))
    return loader(name, weights), device


def within(errors: Array) -> tuple[float, ...]:
    """Of errors within each of `PRECISIONS`; 0 if there are none."""
    return tuple(float((errors < limit).mean()) if len(errors) else 0.0 for limit in PRECISIONS)


def table(results: Sequence[PairResult]) -> list[str]:
    """Markdown: a row per matcher and group of pairs, and one for all groups alike."""
    lines = [
        "| matcher | pairs | n | places within 1.5 / 3 / 5 px | tie points within 1 / 3 / 5 px "
        "| AUC at 5 / 10 / 20 px | corners below 3 / 5 / 10 px | trusted |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for matcher in dict.fromkeys(r.matcher for r in results):
        groups: dict[str, list[PairResult]] = defaultdict(list)
        for row in (r for r in results if r.matcher == matcher):
            groups[row.group].append(row)
        cells = [_cells(rows) for rows in groups.values()]
        for (group, rows), figures in zip(groups.items(), cells, strict=True):
            lines.append(f"| {matcher} | {group} | {len(rows)} | {_row(figures)} |")
        mean = [list(np.mean([c[k] for c in cells], axis=0)) for k in range(len(cells[0]))]
        count = sum(len(rows) for rows in groups.values())
        lines.append(f"| {matcher} | **all groups** | {count} | {_row(mean)} |")
    return lines


def _cells(rows: Sequence[PairResult]) -> list[list[float]]:
    """Percentages of a group."""
    places = np.mean([r.places for r in rows], axis=0)
    points = np.mean([r.points for r in rows], axis=0)
    tiles = len(places) == len(PRECISIONS)
    nothing = [math.nan] * 3
    errors = [r.corners for r in rows if r.corners is not None]
    return [
        [100 * places[k] for k in (1, 2, 3)] if tiles else nothing,
        [100 * points[k] for k in (0, 2, 3)] if tiles else nothing,
        [100 * auc(errors, limit) for limit in LIMITS] if errors else nothing,
        [100 * float(np.mean(np.array(errors) < s)) for s in SUCCESSES] if errors else nothing,
        [100 * float(np.mean([r.trusted for r in rows])) if errors else math.nan],
    ]


def _row(figures: Sequence[Sequence[float]]) -> str:
    def shown(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.1f}"

    return " | ".join(" / ".join(shown(v) for v in cell) for cell in figures)


def compare(one: Sequence[PairResult], other: Sequence[PairResult]) -> dict[str, Difference]:
    """The first matcher minus the second, by figure, in percentage points; groups count alike.

    Raises:
        ValueError: they weren't run over the same pairs.
    """
    if [(r.group, r.name) for r in one] != [(r.group, r.name) for r in other]:
        raise ValueError("the results are of different pairs")
    groups = [r.group for r in one]
    out: dict[str, Difference] = {}
    if all(len(r.places) == len(PRECISIONS) for r in (*one, *other)):
        shares: dict[str, Callable[[PairResult], float]] = {
            "places within 1.5 px": lambda r: r.places[1],
            "places within 3 px": lambda r: r.places[2],
            "tie points within 3 px": lambda r: r.points[2],
        }
        for name, share in shares.items():
            values = [[100 * share(r) for r in rows] for rows in (one, other)]
            out[name] = paired(values[0], values[1], groups=groups)
    if all(r.corners is not None for r in (*one, *other)):
        errors = [[math.inf if r.corners is None else r.corners for r in rows]
                  for rows in (one, other)]  # fmt: skip
        for limit in LIMITS:
            found = paired(errors[0], errors[1], area(limit), groups)
            out[f"AUC at {limit:g} px"] = found.times(100)
    return out


def comparison(one: str, other: str, differences: dict[str, Difference]) -> list[str]:
    """Markdown of `compare`."""
    lines = [
        f"| {one} minus {other} | difference | 95 % interval | better in |",
        "|---|---|---|---|",
    ]
    for name, found in differences.items():
        lines.append(
            f"| {name} | {found.mean:+.1f} | {found.low:+.1f} to {found.high:+.1f} "
            f"| {100 * found.better:.0f} % of resamples |"
        )
    return lines
