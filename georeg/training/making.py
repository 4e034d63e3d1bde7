"""Making a dataset: places drawn from scenes, each seen by several random sensors."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from georeg.errors import GeoregError, SettingsError
from georeg.matching.protocol import Device
from georeg.matching.running import one_thread_each
from georeg.models.store import writing
from georeg.synthesis.draws import Draws
from georeg.synthesis.pairs import CHAINS, WEIGHTS, Chain
from georeg.synthesis.views import Views, random_view
from georeg.synthesis.warps import KINDS, Limits, check_kinds
from georeg.training.city.layout import Layout, random_layout
from georeg.training.city.render import RENDERS
from georeg.training.city.render import WEIGHTS as CITY_WEIGHTS
from georeg.training.dataset import Dataset, Index, Record
from georeg.training.folders import alone
from georeg.training.sources import CITY, Pictures, Scene, Source, pictures, scenes, with_aligned

log = logging.getLogger(__name__)

SHOWN: Mapping[str, Chain] = {"as it is": (), "worse": ("sensor",)}
"""What a layer that isn't synthesised from may be shown as."""

GROUP = 8  # records that are made together, whatever the number of processes
_KEPT = 1 << 30  # bytes of scenes in a process's memory
_MARGIN = 22  # pixels around a view that warps may bring in


@dataclass(frozen=True)
class DataConfig:
    """How a dataset is made.

    Attributes:
        root: folder below which the sources' files lie.
        sources: what there is to learn from.
        count: records.
        views: of each record.
        size: pixels along the side of a view.
        coarsest: most pixels of a file along one of a view: views differ in GSD.
        modalities: how often a view shows what, by the names of `georeg.synthesis.pairs.CHAINS`;
            what is missing has the weight of `WEIGHTS`, 0 leaves one out.
        warps: kinds of warps.
        limits: how far they go.
        seed: of everything random.
    """

    root: str
    sources: tuple[Source, ...]
    count: int = 4000
    views: int = 3
    size: int = 208
    coarsest: float = 2.5
    modalities: Mapping[str, float] = field(default_factory=dict)
    warps: tuple[str, ...] = KINDS
    limits: Limits = field(
        default_factory=lambda: Limits(
            shift=8.0, rotation=2.5, scale=0.025, shear=0.015, perspective=0.015, local=1.5
        )
    )
    seed: int = 0

    def __post_init__(self) -> None:
        """Check.

        Raises:
            SettingsError: a value makes no sense.
        """
        for name, least in (("count", 1), ("views", 2), ("size", 8), ("seed", 0)):
            if getattr(self, name) < least:
                raise SettingsError(f"{name} = {getattr(self, name)}: it must be {least} or more")
        if not self.coarsest > 0:
            raise SettingsError(f"coarsest = {self.coarsest}: it must be above 0")
        for name, weight in self.weights().items():
            if weight < 0:
                raise SettingsError(f"modalities: {name} = {weight}: it must be 0 or more")
        check_kinds(self.warps)

    def weights(self) -> dict[str, float]:
        """Of all chains.

        Raises:
            SettingsError: an unknown name.
        """
        unknown = sorted(set(self.modalities) - set(CHAINS))
        if unknown:
            raise SettingsError(
                f"no modality '{unknown[0]}': choose from {', '.join(sorted(CHAINS))}"
            )
        return {name: self.modalities.get(name, WEIGHTS.get(name, 1.0)) for name in CHAINS}

    def recipe(self) -> dict[str, Any]:
        """All that the result depends on, as plain JSON; not where the files lie."""
        data = asdict(self)
        del data["root"], data["count"]
        return data


def make_dataset(
    config: DataConfig,
    folder: str,
    processes: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Dataset:
    """Make a dataset, or go on where it was left.

    The same recipe gives the same bytes with any number of processes.

    Args:
        config: the recipe.
        folder: where it is put.
        processes: how many to use.
        progress: told the share that is done.

    Raises:
        SettingsError: the recipe makes no sense, or another dataset lies in the folder.
        InputError: an image can't be read.
        OutputError: it can't be written, or another process is making it.
    """
    # Several processes that train together make it together: one makes it, the others wait.
    with alone(folder, wait=int(os.environ.get("WORLD_SIZE", "1")) > 1):
        return _made(config, folder, processes, progress)


def _made(
    config: DataConfig, folder: str, processes: int, progress: Callable[[float], None] | None
) -> Dataset:
    found = prepared(config, os.path.join(folder, "aligned"), processes)
    data = Dataset.create(folder, index_of(config, found))
    done = set(data.made().tolist())
    groups = [
        group for group in range(-(-config.count // GROUP))
        if not done.issuperset(_members(group, config.count))
    ]  # fmt: skip
    total = -(-config.count // GROUP)
    for number, (group, records) in enumerate(_each(config, found, groups, processes)):
        for member, record in zip(_members(group, config.count), records, strict=False):
            data.put(member, record)
        if number % 16 == 15:
            data.flush()
        if progress is not None:
            progress((total - len(groups) + number + 1) / total)
    data.flush()
    return data


def index_of(config: DataConfig, found: Sequence[Scene]) -> Index:
    """What a dataset of these scenes holds."""
    real = sorted({f"real-{l.name}" for scene in found for l in scene.layers if l.real})
    names = (*config.weights(), *RENDERS, *real)
    return Index(config.count, config.views, config.size, names, config.recipe())


def prepared(config: DataConfig, folder: str, processes: int = 1) -> list[Scene]:
    """All scenes, with aligned layers where the sources ask for that."""
    found = scenes(config.root, config.sources, folder)
    if not any(layer.aligned for scene in found for layer in scene.layers):
        return found
    with writing(Path(folder)):
        os.makedirs(folder, exist_ok=True)
    if processes <= 1:
        return [with_aligned(scene, folder) for scene in found]
    with _pool(processes, _end_with_parent) as pool:
        return list(pool.map(partial(with_aligned, folder=folder), found))


def _members(group: int, count: int) -> range:
    return range(group * GROUP, min(count, (group + 1) * GROUP))


def _each(
    config: DataConfig, found: list[Scene], groups: Sequence[int], processes: int
) -> Iterator[tuple[int, list[Record]]]:
    """Groups of records, in order."""
    if processes <= 1:
        with one_thread_each(Device()):
            for group in groups:
                yield group, records(config, found, group)
        return
    with _pool(processes, _start, config, found) as pool:
        yield from zip(groups, pool.map(_in_process, groups), strict=True)


@contextmanager
def _pool(
    processes: int, start: Callable[..., None], *values: Any
) -> Iterator[ProcessPoolExecutor]:
    """Processes to work in.

    Args:
        processes: how many.
        start: called in each of them, with the values.
        values: whatever it takes.

    Raises:
        GeoregError: one of them was killed.
    """
    with ProcessPoolExecutor(processes, get_context("spawn"), start, values) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise GeoregError(
                "a process that worked on the dataset was killed, most likely for lack of memory: "
                "run again with fewer --processes; what is done is kept"
            ) from None


_mine: list[tuple[DataConfig, list[Scene]]] = []  # of a worker process


def _end_with_parent() -> None:
    """Have a worker process go when the one that started it does, and be it killed.

    Python's own would wait for work for ever: each holds the other end of all their pipes.
    """
    parent = parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="georeg-parent", daemon=True).start()


def _start(config: DataConfig, found: list[Scene]) -> None:
    _end_with_parent()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _mine[:] = [(config, found)]


def _in_process(group: int) -> list[Record]:
    return records(*_mine[0], group)


_kept: OrderedDict[Scene, Pictures] = OrderedDict()  # the last ones that were used


def _read(scene: Scene) -> Pictures:
    if scene not in _kept:
        _kept[scene] = pictures(scene)
        while len(_kept) > 1 and sum(p.nbytes for p in _kept.values()) > _KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(scene)
    return _kept[scene]


def records(
    config: DataConfig,
    found: Sequence[Scene],
    group: int,
    device: torch.device | str = "cpu",
) -> list[Record]:
    """One group of records, always the same ones for its number.

    Args:
        config: the recipe.
        found: the scenes.
        group: number of the group.
        device: where to warp and to synthesise.
    """
    rng = np.random.default_rng([config.seed, group])
    odds = np.array([scene.weight for scene in found])
    side = config.size + 2 * _MARGIN
    chosen = rng.choice(len(found), GROUP, p=odds / odds.sum())
    looks = [_looker(found[k], side, config.coarsest, rng) for k in chosen]
    keys = torch.Generator().manual_seed(int(rng.integers(2**62)))
    views = []
    for _ in range(config.views):
        seen = [look() for look in looks]
        views.append(_view(seen, config, Draws.start(keys, GROUP, device)))
    return [_record(views, number) for number in range(GROUP)]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a place shows before it is warped and synthesised from.

    Attributes:
        image: (side, side, 3) in [0, 1].
        mask: (side, side) True where valid.
        name: of what isn't synthesised from, but shown as it is; None for what is.
    """

    image: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    name: str | None


def _looker(
    scene: Scene, side: int, coarsest: float, rng: np.random.Generator
) -> Callable[[], Seen]:
    """Looks at the same ground again and again, by random layers or sensors."""
    if scene.source.files == CITY:
        return _city(random_layout(side, rng), rng)
    pics = _read(scene)
    cut = _cut(pics, side, coarsest, rng)

    def look() -> Seen:
        layer = _layer(pics, rng)
        return Seen(*cut(layer), pics.real[layer[0]])

    return look


def _city(layout: Layout, rng: np.random.Generator) -> Callable[[], Seen]:
    names = list(RENDERS)
    odds = np.array([CITY_WEIGHTS[name] for name in names])
    whole = np.ones((layout.side, layout.side), np.bool_)

    def look() -> Seen:
        name = names[rng.choice(len(names), p=odds / odds.sum())]
        image = RENDERS[name](layout, rng)
        synthesised = name == "city-optical" and rng.random() < 0.4
        return Seen(image, whole, None if synthesised else name)

    return look


def _layer(pics: Pictures, rng: np.random.Generator) -> tuple[int, ...]:
    """A layer to show or to synthesise from, or three that are mixed."""
    every = range(len(pics.layers))
    single = [k for k in every if not pics.real[k] and pics.layers[k].shape[2] == 1]
    if pics.mixed and len(single) >= 3 and rng.random() < 0.6:
        return tuple(int(k) for k in rng.choice(single, 3, replace=False))
    return (int(rng.integers(len(pics.layers))),)


def _cut(
    pics: Pictures, side: int, coarsest: float, rng: np.random.Generator
) -> Callable[[tuple[int, ...]], tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
    """Takes the same window of any layers, turned or mirrored the same way."""
    rows, columns = pics.shape
    most = max(0.5, min(coarsest, rows / side, columns / side))
    zoom = float(np.exp(rng.uniform(min(0.0, np.log(most)), np.log(most))))
    window = min(round(side * zoom), rows, columns)
    top, left = rng.integers(rows - window + 1), rng.integers(columns - window + 1)
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    area = (slice(top, top + window), slice(left, left + window))

    def cut(layer: tuple[int, ...]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        data = np.concatenate([pics.layers[k][area] for k in layer], axis=2)
        mask = np.logical_and.reduce([pics.masks[k][area] for k in layer])
        way = cv2.INTER_AREA if window > side else cv2.INTER_CUBIC
        data = cv2.resize(data, (side, side), interpolation=way).reshape(side, side, -1)
        seen = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
        both = np.rot90(data, turns), np.rot90(seen > 0.999, turns)
        if mirrored:
            both = both[0][:, ::-1], both[1][:, ::-1]
        colour = both[0].astype(np.float32) / 255
        return np.repeat(colour, 3 // colour.shape[2], 2), np.asarray(both[1])

    return cut


def _view(seen: Sequence[Seen], config: DataConfig, draws: Draws) -> Views:
    """A view of each place."""
    images = torch.from_numpy(np.stack([s.image for s in seen])).permute(0, 3, 1, 2).contiguous()
    masks = torch.from_numpy(np.stack([s.mask for s in seen]))
    images, masks = images.to(draws.device), masks.to(draws.device)
    size = (config.size, config.size)
    names: dict[int, str] = {}
    parts: list[tuple[Tensor, Views]] = []
    for shown in (False, True):
        mine = [k for k, s in enumerate(seen) if (s.name is not None) == shown]
        if not mine:
            continue
        index = torch.tensor(mine, dtype=torch.long, device=draws.device)
        chains, weights = (SHOWN, {}) if shown else (CHAINS, config.weights())
        made = random_view(
            images[index], draws.of(index), size, chains, weights,
            config.warps, config.limits, masks[index],
        )  # fmt: skip
        parts.append((index, made))
        names |= {k: seen[k].name or name for k, name in zip(mine, made.names, strict=True)}
    order = torch.cat([index for index, _ in parts]).argsort()
    views = [made for _, made in parts]
    return Views(
        torch.cat([v.image for v in views])[order],
        torch.cat([v.mask for v in views])[order],
        torch.cat([v.there for v in views])[order],
        torch.cat([v.back for v in views])[order],
        tuple(names[k] for k in range(len(seen))),
    )


def _record(views: Sequence[Views], number: int) -> Record:
    def stacked(parts: Sequence[Tensor]) -> npt.NDArray[Any]:
        return np.stack([part[number].cpu().numpy() for part in parts])

    return Record(
        stacked([(v.image[:, 0] * 255).round().byte() for v in views]),
        stacked([v.mask for v in views]),
        stacked([v.there for v in views]),
        stacked([v.back for v in views]),
        tuple(v.names[number] for v in views),
    )
