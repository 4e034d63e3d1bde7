"""Names and shapes of the tensors of each kind of checkpoint, and how a file differs from them.

The JSON files beside this one map a name to its shape, '256x1x3x3'; {0-8} in a name stands for
each of these numbers. Counters of batch normalisation are left out: they may be there or not.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

Shape = tuple[int, ...]
_RANGE = re.compile(r"\{(\d+)-(\d+)\}")
# Not learned, and in some files only: a schedule, counters, and leftovers of DISK's training.
_OPTIONAL = re.compile(r"confidence_thresholds|.*\.num_batches_tracked|log_assignment\.\d+\.r")
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Difference:
    """How a checkpoint differs from a layout: sorted names.

    Attributes:
        missing: names that should be there.
        unexpected: names that should not.
        misshapen: (name, shape found, shape wanted).
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[tuple[str, Shape, Shape], ...]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.missing or self.unexpected or self.misshapen)

    def sentence(self) -> str:
        """The same in words."""
        parts = []
        if self.missing:
            parts.append(f"missing {_some(self.missing)}")
        if self.unexpected:
            parts.append(f"unexpected {_some(self.unexpected)}")
        if self.misshapen:
            wrong = [f"{k} is {_x(is_)} rather than {_x(want)}" for k, is_, want in self.misshapen]
            parts.append(_some(wrong))
        return "; ".join(parts)


def available() -> list[str]:
    """Names of all layouts."""
    found = (item.name for item in resources.files(__package__).iterdir())
    return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))


@cache
def shapes(layout: str) -> Mapping[str, Shape]:
    """Name -> shape of every learned tensor and running statistic of a layout."""
    text = (resources.files(__package__) / f"{layout}.json").read_text(encoding="utf-8")
    return {
        name: tuple(int(n) for n in shape.split("x") if n)
        for pattern, shape in json.loads(text).items()
        for name in _expanded(pattern)
    }


def compare(found: Mapping[str, Shape], layout: str) -> Difference:
    """What a checkpoint with these tensors lacks, and has too much."""
    wanted = shapes(layout)
    return Difference(
        tuple(sorted(wanted.keys() - found.keys())),
        tuple(sorted(k for k in found.keys() - wanted.keys() if not _may_be_there(k, wanted))),
        tuple(
            (k, found[k], wanted[k]) for k in sorted(wanted) if found.get(k, wanted[k]) != wanted[k]
        ),
    )


def nearest(found: Mapping[str, Shape]) -> tuple[str, float]:
    """The layout that shares most tensors, and which share (0..1) of both it is."""

    def share(layout: str) -> float:
        wanted = shapes(layout)
        ours = {k for k in found if k in wanted or not _OPTIONAL.fullmatch(k)}
        same = {k for k in ours & wanted.keys() if found[k] == wanted[k]}
        return len(same) / max(1, len(ours | wanted.keys()))

    best = max(available(), key=share)
    return best, share(best)


def _may_be_there(name: str, wanted: Mapping[str, Shape]) -> bool:
    if name.endswith(f".{_COUNTER}"):
        return name.removesuffix(_COUNTER) + "running_mean" in wanted
    return _OPTIONAL.fullmatch(name) is not None and "posenc.Wr.weight" in wanted


def _expanded(pattern: str) -> Iterable[str]:
    """a.{0-1}.b -> a.0.b, a.1.b."""
    pieces = _RANGE.split(pattern)  # text, first, last, text, ...
    choices = [
        [str(n) for n in range(int(pieces[i + 1]), int(pieces[i + 2]) + 1)]
        for i in range(0, len(pieces) - 1, 3)
    ]
    texts = pieces[::3]
    for numbers in itertools.product(*choices):
        yield "".join(t + n for t, n in zip(texts, (*numbers, ""), strict=True))


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more


def _x(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a number"
