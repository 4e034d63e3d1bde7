"""Which hypotheses about rotation and scale are tried, and when enough is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.search.searching import Array, Guess, Search, angle_and_scale, better, similarity
from georeg.search.voting import CHANCE
from georeg.tiling import SIDE

ROTATION, SCALE = 10.0, 0.10  # of the normal search, on either side
_CONFIDENT = 0.55  # margin at which no further hypothesis is tried
_AGAIN = (3.0, 0.03)  # degrees and share: beyond that, look again through the first estimate
_PRE_ROTATION, _PRE_SCALE = (-7.0, 0.0, 7.0), (0.93, 1.0, 1.07)

# The wide search tries hundreds of hypotheses on a small level, where each takes a tenth of a
# second, and has the best ones looked at on the large one. Over the development pairs the right
# one leads there by 0.8 to 3.5, and the best wrong one by 0.2 to 0.9.
_SMALL_SIDE = 256  # pixels
_NETWORK_SIDE = 512  # for matchers that answer with points, which bear more and take longer
_TOLERATED = (8.0, 0.09)  # degrees and share that templates bear on either side of a hypothesis
_CLEAR = 1.1  # margin on the small level that is looked at on the large one at once
_BEYOND_CHANCE = 0.9  # margin there that hardly any wrong hypothesis has
_POLISHED = 16  # of the others, the best ones are compared once more there
_SHEARED, _GAIN = 2, 1.1  # times that shear is tried, and what it must bring
_LOOKED_AT = 5  # then the best ones of these are looked at
_CHECKED = (4.0, 0.05)  # searched around them: the small level doesn't tell precisely
_NEAR = 16.0  # pixels of the small level, likewise
_RIVAL = 0.7  # share of the best margin at which another hypothesis may be the right one as well
_APART = 0.1  # share of the scene's extent between hypotheses that aren't the same


def normal(scene: Scene, team: Team, *, limited: bool = False) -> tuple[Search, Guess | None]:
    """Around the georeference; also the level on which that was looked at.

    Args:
        scene: the rasters.
        team: the matcher.
        limited: whether the scene's largest shift is one that the user knows.
    """
    search = Search(scene, team, min(team.matcher.scene, SIDE), limited=limited)
    best = search.guess(np.eye(3), search.reach, ROTATION, SCALE)
    # Key points and networks bear as much rotation and scale as is searched here.
    if not search.sparse and (best is None or best.margin < _CONFIDENT):
        for angle in _PRE_ROTATION:
            for scale in _PRE_SCALE:
                if angle or scale != 1:
                    start = similarity(search.lean * angle, scale**search.lean, search.middle)
                    best = better(best, search.guess(start, search.reach, 5.0, 0.05))
    return search, None if best is None else _again(search, best)


def wide(
    scene: Scene, team: Team, known: Sequence[Guess | None] = ()
) -> tuple[Search, Guess | None]:
    """Any rotation, scale 1/4 to 4, anywhere in the reference; likely ones first.

    Args:
        scene: the rasters.
        team: the matcher.
        known: what became of the first hypotheses, if the rasters were searched before on other
            pixels: the small level, which shows the same of both then, isn't asked again. As in
            `Search.guesses` of that search: in their order, with matrices on the map.
    """
    small = Search(scene, team, min(team.matcher.scene, _SMALL_SIDE), longest=1, bounded=True)
    first = small.guess(np.eye(3), small.everywhere, *_TOLERATED, steps=5)
    if small.sparse:
        return _by_points(scene, team)
    search = Search(scene, team, min(team.matcher.scene, SIDE))
    looks = _Looks(search)
    waiting, met = [], [small.from_map(guess) for guess in known]
    alone = looks.at(np.eye(3), search.reach, ROTATION, SCALE)  # most often that is it
    if alone < _CLEAR and first is not None and alone + looks.agreed(first, small) >= _CLEAR:
        looks.closer(_polish(small, first), small)
    elif alone < _CLEAR:
        for guess in _small(small, first, met):
            if guess.weight < _CLEAR:
                waiting.append(guess)
            elif looks.closer(_polish(small, guess), small) >= _CONFIDENT:
                break
    if looks.best() < _CONFIDENT:
        for guess in _polished(small, waiting)[:_LOOKED_AT]:
            looks.closer(guess, small)
    found = looks.lead()
    if found is not None and found.margin > CHANCE and _turns_alike(small, search, found):
        found = found._replace(margin=CHANCE)
    search.tried += small.tried
    search.guesses = tuple(small.on_map(guess) for guess in met)
    return search, found


def _turns_alike(small: Search, search: Search, found: Guess) -> bool:
    """Whether it would do as well turned by right angles: fields, roofs and streets may."""
    upright = small.from_level(found.matrix, search.factor)
    weights = []
    for angle in (0.0, 90.0, 180.0, 270.0):
        start = upright @ similarity(angle, 1.0, small.middle)
        guess = small.guess(start, small.everywhere, *_CHECKED, steps=5)
        weights.append(0.0 if guess is None else guess.weight)
    return max(weights[1:]) >= max(_RIVAL * weights[0], _BEYOND_CHANCE)


def _small(search: Search, first: Guess | None, met: list[Guess | None]) -> Iterator[Guess]:
    """What each hypothesis of the wide search comes to, from the likeliest one on.

    As many are looked at ahead as the matcher has room for; they count when their turn comes.

    Args:
        search: the small level.
        first: that of no change.
        met: what the first ones of the others came to; what further ones do is added.
    """
    if first is not None:
        yield first
    search.tried += len(met)
    guesses = islice(_guesses(), len(met), None)
    yield from [guess for guess in met if guess is not None]

    def look(scale: float, angle: float) -> Guess | None:
        start = similarity(angle, scale, search.middle)
        return search.peek(start, search.everywhere, *_TOLERATED, steps=5)

    ahead: deque[Future[Guess | None]] = deque()
    with ThreadPoolExecutor(search.team.at_once, "georeg-guess") as pool:
        try:
            while True:
                for scale, angle in islice(guesses, search.team.at_once + 1 - len(ahead)):
                    ahead.append(pool.submit(look, scale, angle))
                if not ahead:
                    break
                found = ahead.popleft().result()
                search.tried += 1
                met.append(found)
                if found is not None:
                    yield found
        finally:
            for future in ahead:
                future.cancel()


def _polished(search: Search, guesses: list[Guess]) -> list[Guess]:
    """The best ones once more, each from where it got: what lay between hypotheses gains."""
    best = sorted(guesses, key=lambda g: -g.weight)[:_POLISHED]
    found = [_polish(search, g) for g in best]
    return sorted(found, key=lambda g: -g.weight)


def _polish(search: Search, guess: Guess) -> Guess:
    """As a similarity, then sheared, as long as the margin grows."""
    again = search.guess(guess.matrix, search.reach, *_CHECKED)
    if again is not None and again.weight > guess.weight:
        guess = again
    for _ in range(_SHEARED):
        start = search.sheared(guess.matrix, _NEAR)
        bent = None if start is None else search.guess(start, search.reach, *_CHECKED)
        if bent is None or bent.weight < _GAIN * guess.weight:
            break
        guess = bent
    return guess


def _guesses() -> Iterator[tuple[float, float]]:
    """Scales and angles of the wide search, after that of no change."""
    turns = [15.0 * n for n in range(24)]
    turns.sort(key=lambda angle: (angle % 90 != 0, min(angle, 360 - angle)))
    for half in range(5):
        steps = sorted((s for s in range(-8, 9) if (abs(s) + 1) // 2 == half), key=abs)
        for angle in turns:
            for step in steps:
                if angle or step:
                    yield 4.0 ** (step / 8), angle


class _Looks:
    """Hypotheses that are looked at on a larger level."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.found: list[Guess] = []

    def agreed(self, guess: Guess, small: Search) -> float:
        """The weight of what another level found if that is what was found here last; or 0."""
        start = self.search.from_level(guess.matrix, small.factor)
        alike = bool(self.found) and self._same(self.found[-1].matrix, start)
        return guess.weight if alike else 0.0

    def closer(self, guess: Guess, small: Search) -> float:
        """Look at what was guessed on a smaller level, in its own neighbourhood only.

        The smaller level, where noise and clouds matter less, says what it leads by.
        """
        start = self.search.from_level(guess.matrix, small.factor)
        reach = _NEAR * small.factor / self.search.factor
        found = self.search.guess(start, reach, *_CHECKED)
        if found is None or not self._same(found.matrix, start):
            return 0.0
        found = _again(self.search, found, start)
        self.found.append(found._replace(margin=guess.weight))
        return guess.weight

    def at(self, start: Array, reach: float, rotation: float, scale: float) -> float:
        """The margin that it has here."""
        found = self.search.guess(start, reach, rotation, scale)
        if found is None:
            return 0.0
        self.found.append(_again(self.search, found, start))
        return self.found[-1].margin

    def best(self) -> float:
        """The largest margin so far."""
        return max((g.margin for g in self.found), default=0.0)

    def lead(self) -> Guess | None:
        """The best one; with a margin like chance's if another one comes near to it."""
        if not self.found:
            return None
        best = max(self.found, key=lambda g: g.margin)
        rivals = [g.margin for g in self.found if not self._same(g.matrix, best.matrix)]
        if max(rivals, default=0.0) < _RIVAL * best.margin:
            return best
        return best._replace(margin=min(best.margin, CHANCE))

    def _same(self, one: Array, other: Array) -> bool:
        size = self.search.extent
        corners = np.array([[x, y, 1.0] for x in (-size, size) for y in (-size, size)])
        corners[:, :2] += self.search.middle
        apart = np.hypot(*((one - other) @ corners.T)[:2])
        return float(apart.mean()) < _APART * size


def _by_points(scene: Scene, team: Team) -> tuple[Search, Guess | None]:
    """The wide search of matchers that answer with points.

    Networks see things that are turned by 30 degrees and half as large again as well: they are
    asked at four rotations, then at the four between, and at every second octave.
    """
    search = Search(scene, team, min(team.matcher.scene, _NETWORK_SIDE), longest=1)
    best = search.guess(np.eye(3), search.everywhere, *_TOLERATED)
    for first in (0.0, 45.0):
        for step in (0, -2, 2, -4, 4):
            if best is not None and best.margin >= 2 * _CONFIDENT:
                break
            for turn in (0.0, 90.0, 180.0, 270.0):
                start = similarity(first + turn, 2.0 ** (step / 2), search.middle)
                best = better(best, search.guess(start, search.everywhere, *_TOLERATED))
    return search, None if best is None else _again(search, best)


def _again(search: Search, best: Guess, start: Array | None = None) -> Guess:
    """Once more through the estimate, where templates had to be compared askew."""
    askew = best.matrix if start is None else best.matrix @ np.linalg.inv(start)
    angle, scale = angle_and_scale(askew)
    if abs(angle) < _AGAIN[0] / 2 and abs(scale - 1) < _AGAIN[1] / 2:
        return best
    second = search.guess(best.matrix, min(search.reach, 32.0), *_AGAIN)
    if second is None:
        return best
    limited = best.limited or second.limited
    return second._replace(margin=max(best.margin, second.margin), limited=limited)
