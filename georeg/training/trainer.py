"""The loop that trains: resumable, on one device or several, the same for every matcher."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from georeg.errors import InputError, SettingsError
from georeg.textfile import write_bytes
from georeg.training import trainees
from georeg.training.config import TrainConfig
from georeg.training.journal import Journal
from georeg.training.samples import Sampler, Samples
from georeg.training.trainees.protocol import State, Trainee

log = logging.getLogger(__name__)

_LAST = "last.pt"
_AHEAD = 4  # batches that each process has ready
_SAY = 50  # steps between lines of the log
_LOST = 300.0  # seconds of work that an interruption may cost at most
_TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_LEAST = 0.02  # of the largest learning rate, at the end

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Team:
    """This process among those that train together.

    Attributes:
        rank: its number.
        size: how many there are.
        device: its own.
    """

    rank: int
    size: int
    device: torch.device


@contextmanager
def joined(device: str) -> Iterator[Team]:
    """The processes that `torchrun` started, or this one alone.

    Args:
        device: cpu, cuda or cuda:N; each of several processes takes a GPU of its own.
    """
    size = _size()
    if size == 1:
        yield Team(0, 1, torch.device(device))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    where = torch.device("cuda", local) if device.startswith("cuda") else torch.device(device)
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size, where)
    finally:
        dist.destroy_process_group()


def _size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def pairs_at_once(config: TrainConfig) -> int:
    """Training pairs that each of the processes computes at once.

    Raises:
        SettingsError: a batch can't be shared equally: another number of pairs would be trained
            with than the user, and the learning rate, count on.
    """
    parts = config.accumulate * _size()
    if config.batch % parts:
        raise SettingsError(
            f"batches of {config.batch} can't be shared equally: over {_size()} devices, in "
            f"{config.accumulate} parts each, they must be a multiple of {parts}"
        )
    return config.batch // parts


def train(
    config: TrainConfig,
    sampler: Callable[[int], Sampler],
    folder: str,
    states: Mapping[str, State],
    *,
    device: str = "cpu",
    workers: int = 0,
    keep: int = 500,
    until: int | None = None,
    learned: Sequence[Mapping[str, Any]] = (),
    progress: Progress | None = None,
) -> tuple[Trainee, int]:
    """Train, or go on where a run in the folder was left.

    Args:
        config: how.
        sampler: makes what draws training pairs, from a seed.
        folder: for checkpoints and logs; made if needed.
        states: weights to start from, by layout.
        device: where to compute.
        workers: processes that draw training pairs ahead; 0 to do that in between.
        keep: most steps between checkpoints; slow ones have some in between.
        until: stop (and keep) after that step, before all are done.
        learned: what tells the data that it learns from from others, as plain JSON.
        progress: told the share that is done.

    Returns:
        The trainee, and the number of steps that it has been trained for.

    Raises:
        SettingsError: the folder holds a run of another configuration or on other data, batches
            can't be shared by the devices, or the loss isn't finite.
        InputError: the checkpoint is damaged.
        OutputError: the folder can't be written.
    """
    torch.manual_seed(config.seed)
    with joined(device) as team:
        os.makedirs(folder, exist_ok=True)
        trainee = trainees.kind(config.matcher)(states, config.options, team.device)
        drawn = sampler(_seed(config.seed, team.rank))
        run = _Run(config, trainee, drawn, team, workers, _plain(learned))
        path = os.path.join(folder, _LAST)
        if os.path.exists(path):
            run.restore(path)
        with Journal(folder, run.step) if team.rank == 0 else nullcontext() as journal:
            last = config.steps if until is None else min(until, config.steps)
            run.go(last, path, keep, journal, progress or (lambda share: None))
        return trainee, run.step


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class _Batches(Dataset[Samples]):
    """Batches by their number."""

    def __init__(self, sampler: Sampler, count: int) -> None:
        self.sampler, self.count = sampler, count

    def __getitem__(self, number: int) -> Samples:
        return self.sampler.batch(self.count, number)


class _Run:
    """A run, and where it is."""

    def __init__(
        self,
        config: TrainConfig,
        trainee: Trainee,
        sampler: Sampler,
        team: Team,
        workers: int,
        learned: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.config, self.trainee, self.sampler, self.team = config, trainee, sampler, team
        self.workers, self.learned_from = workers, json.dumps(learned, sort_keys=True)
        self.step = 0
        self.each = pairs_at_once(config)
        self.learned = [p for p in trainee.net.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.learned, lr=config.rate, weight_decay=config.decay)
        halved = config.precision == "float16" and team.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=halved)

    def rate(self, step: int) -> float:
        """Learning rate of a step: up, then down as half a cosine."""
        share = step / self.config.steps
        fall = 0.5 * (1 + math.cos(math.pi * share)) * (1 - _LEAST) + _LEAST
        return self.config.rate * min(1.0, (step + 1) / max(1, self.config.warm_up)) * fall

    def go(self, last: int, path: str, keep: int, journal: Journal | None, tell: Progress) -> None:
        """On to the last step."""
        figures: dict[str, list[float]] = defaultdict(list)
        began, first = time.perf_counter(), self.step
        stored = began
        self.trainee.net.train()
        batches = self.batches(last)
        while self.step < last:
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate(self.step)
            for name, value in self.one(batches).items():
                figures[name].append(value)
            self.step += 1
            if self.step % _SAY == 0 or self.step == last:
                means = {name: float(np.mean(values)) for name, values in figures.items()}
                means["rate"] = self.rate(self.step - 1)
                means["seconds"] = (time.perf_counter() - began) / (self.step - first)
                figures.clear()
                log.info("step %d of %d: loss %.4f", self.step, self.config.steps, means["loss"])
                if journal is not None:
                    journal.say(self.step, means)
            due = self.step % keep == 0 or time.perf_counter() - stored > _LOST
            if self.team.rank == 0 and (due or self.step == last):
                self.store(path)
                stored = time.perf_counter()
            tell(self.step / self.config.steps)
        self.trainee.net.eval()

    def batches(self, last: int) -> Iterator[Samples]:
        """Training pairs of all steps to come, in their order."""
        parts = self.config.accumulate
        numbers = range(self.step * parts, last * parts)
        return iter(
            DataLoader(
                _Batches(self.sampler, self.each), batch_size=None, sampler=numbers,
                num_workers=self.workers, prefetch_factor=_AHEAD if self.workers else None,
            )
        )  # fmt: skip

    def one(self, batches: Iterator[Samples]) -> dict[str, float]:
        """A step; what its batches tell."""
        config, team = self.config, self.team
        # Losses that draw at random draw the same ones in a run that was stopped before.
        torch.manual_seed(_seed(config.seed, team.rank, self.step))
        self.optimiser.zero_grad(set_to_none=True)
        figures: dict[str, list[float]] = defaultdict(list)
        half = torch.autocast(
            team.device.type, _TYPES[config.precision], enabled=config.precision != "float32"
        )
        for _ in range(config.accumulate):
            samples = next(batches).to(team.device)
            with half:
                loss = self.trainee.loss(samples)
            scaled: Tensor = self.scaler.scale(loss.total / config.accumulate)
            scaled.backward()  # type: ignore[no-untyped-call]
            figures["loss"].append(float(loss.total.detach()))
            for name, value in loss.figures.items():
                figures[name].append(value)
        self._average()
        self.scaler.unscale_(self.optimiser)
        length = torch.nn.utils.clip_grad_norm_(self.learned, config.clip)
        means = {name: float(np.mean(values)) for name, values in figures.items()}
        if not math.isfinite(means["loss"]):
            raise SettingsError(
                f"step {self.step}: the loss is {means['loss']}; try a smaller rate than "
                f"{config.rate:g}, or precision = 'float32'"
            )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return {**means, "gradient": float(length)}

    def _average(self) -> None:
        """The mean of all devices' gradients, on each of them."""
        if self.team.size == 1:
            return
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.learned]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        flat /= self.team.size
        parts = torch.split(flat, [g.numel() for g in grads])
        for parameter, part in zip(self.learned, parts, strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def store(self, path: str) -> None:
        """A checkpoint, whole or not at all."""
        data = {
            "config": _plain(self.config.to_dict()),
            "data": self.learned_from,
            "step": self.step,
            "net": self.trainee.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        stored = io.BytesIO()
        torch.save(data, stored)
        write_bytes(path, stored.getvalue())

    def restore(self, path: str) -> None:
        """Go on where a checkpoint was left.

        Raises:
            SettingsError: it is of another configuration, or of other data.
            InputError: it is damaged.
        """
        try:
            data = torch.load(path, map_location=self.team.device, weights_only=True)
            if data["config"] != _plain(self.config.to_dict()):
                raise SettingsError(
                    f"{path} belongs to a run of another configuration: give another folder"
                )
            if data.get("data", self.learned_from) != self.learned_from:
                raise SettingsError(
                    f"{path} belongs to a run that learns from other data: give another folder"
                )
            self.trainee.net.load_state_dict(data["net"])
            self.optimiser.load_state_dict(data["optimiser"])
            if data["scaler"]:  # without one where a device needed none
                self.scaler.load_state_dict(data["scaler"])
            self.step = int(data["step"])
        except SettingsError:
            raise
        except Exception as error:
            raise InputError(f"{path} is no checkpoint of a training, or damaged") from error
        log.info("going on after step %d", self.step)


def _plain(value: Any) -> Any:
    """Tuples as lists: what a checkpoint gives back."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value
