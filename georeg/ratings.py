"""How good the matchers are: the table behind `--matcher auto`.

What is measured comes from benchmarks (the file is named); nothing else may be entered. What
couldn't be measured, because nobody who builds georeg has its weights, has no figure and is ranked
by the design: MINIMA's networks on a GPU before the built-in matcher, and never on a CPU, where
they take minutes for what takes that one a second.
"""

from __future__ import annotations

from dataclasses import dataclass

_ALL = "all"


@dataclass(frozen=True)
class Rating:
    """One matcher.

    Attributes:
        matcher: name.
        gpu_only: whether a CPU is too slow for it.
        success: percent of the dev cases aligned within 3 px of the truth, by modality of the
            other side than optical, 'all' for any; empty if it couldn't be measured.
        source: where the figures, or the rank, come from.
    """

    matcher: str
    gpu_only: bool
    success: dict[str, float]
    source: str

    def figure(self, modalities: tuple[str, str]) -> float | None:
        """What to expect for a pair of modalities; None if it couldn't be measured."""
        other = next((m for m in modalities if m != "optical"), "optical")
        return self.success.get(other, self.success.get(_ALL))

    def why(self, modalities: tuple[str, str]) -> str:
        """A sentence."""
        figure = self.figure(modalities)
        if figure is None:
            return f"preferred by {self.source}, not measured by georeg"
        pair = "-".join(modalities)
        return f"{figure:.0f} % of {pair} cases within 3 px, {self.source}"


TABLE = (
    Rating("minima_loftr", True, {}, "design"),
    Rating("minima_eloftr", True, {}, "design"),
    Rating("minima_xoftr", True, {}, "design"),
    Rating("minima_lightglue", True, {}, "design"),
    Rating("minima_roma", True, {}, "design"),
    Rating("structural", False, {}, "benchmarks/results/matchers_quality.md"),
)


def ranked(
    gpu: bool, modalities: tuple[str, str], table: tuple[Rating, ...] = TABLE
) -> list[Rating]:
    """All that make sense on this kind of device, best first.

    Args:
        gpu: whether there is one.
        modalities: of both rasters.
        table: of ratings.
    """
    usable = [rating for rating in table if gpu or not rating.gpu_only]
    unmeasured = [r for r in usable if r.figure(modalities) is None]
    measured = [r for r in usable if r not in unmeasured]
    return unmeasured + sorted(measured, key=lambda r: -(r.figure(modalities) or 0.0))
