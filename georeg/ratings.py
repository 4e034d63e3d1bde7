"""How good the matchers are: the table behind `--matcher auto`.

ratings.json holds what is measured, and benchmarks/matchers_quality.py writes it there; nothing
else may be entered. What couldn't be measured, because nobody who builds georeg has its weights,
has no figure and is ranked by the design: MINIMA's networks on a GPU before all others, in the
table's order, and never on a CPU, where they take minutes for what takes the built-in matcher a
second.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

_ALL = "all"
_SOURCE = "benchmarks/results/matchers_quality.md"


@dataclass(frozen=True)
class Rating:
    """One matcher.

    Attributes:
        matcher: name.
        gpu_only: whether a CPU is too slow for it.
        success: percent of the development cases aligned within 3 px of the truth, by modality
            of the other side than the optical one, 'all' for any; empty if not measured.
    """

    matcher: str
    gpu_only: bool
    success: dict[str, float]

    def figure(self, modalities: tuple[str, str]) -> float | None:
        """What to expect for a pair of modalities; None if it wasn't measured."""
        other = next((m for m in modalities if m != "optical"), "optical")
        return self.success.get(other, self.success.get(_ALL))

    def why(self, modalities: tuple[str, str]) -> str:
        """A sentence."""
        figure = self.figure(modalities)
        if figure is None and self.gpu_only:
            return "the design's first choice on a GPU, not measured by georeg's authors"
        if figure is None:
            return "it needs no weights and no GPU; not measured against others"
        pair = "-".join(modalities)
        return f"{figure:.0f} % of {pair} cases within 3 px by {_SOURCE}"


@cache
def table() -> tuple[Rating, ...]:
    """All that auto may choose."""
    text = (resources.files("georeg") / "ratings.json").read_text(encoding="utf-8")
    return tuple(Rating(**row) for row in json.loads(text))


def ranked(
    gpu: bool, modalities: tuple[str, str], ratings: tuple[Rating, ...] | None = None
) -> list[Rating]:
    """All that make sense on this kind of device, best first.

    Args:
        gpu: whether there is one.
        modalities: of both rasters.
        ratings: the table if None.
    """
    known = table() if ratings is None else ratings
    usable = [rating for rating in known if gpu or not rating.gpu_only]
    measured = [r for r in usable if r.figure(modalities) is not None]
    others = [r for r in usable if r not in measured]
    first = [r for r in others if r.gpu_only]  # what the design wants where there is a GPU
    ordered = sorted(measured, key=lambda r: -(r.figure(modalities) or 0.0))
    return [*first, *ordered, *(r for r in others if not r.gpu_only)]
