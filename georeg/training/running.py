"""A training from its recipe to a file of weights."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from safetensors.torch import save

from georeg import matching
from georeg.choosing import weights_of
from georeg.matching.running import pick_devices
from georeg.models import layouts
from georeg.textfile import write_bytes
from georeg.training import trainees
from georeg.training.config import Recipe
from georeg.training.dataset import Dataset
from georeg.training.folders import alone
from georeg.training.fresh import Fresh
from georeg.training.making import make_dataset, prepared
from georeg.training.samples import Sampler, check_crop
from georeg.training.sources import Scene
from georeg.training.trainees.protocol import State, Trainee
from georeg.training.trainer import pairs_at_once, train

Progress = Callable[[str, float], None]

log = logging.getLogger(__name__)

_AFTER = 1_000_000  # added to the seed: other crops than those of the training
_BATCHES = 60  # of them
_NEAR = 8.0  # pixels that they are apart: what matching searches


def run(
    recipe: Recipe,
    folder: str,
    datasets: Sequence[str] = (),
    *,
    device: str = "auto",
    processes: int = 1,
    until: int | None = None,
    progress: Progress | None = None,
) -> tuple[str | None, int]:
    """Make the dataset where there is none, train, and store the weights.

    Args:
        recipe: what and how.
        folder: for everything.
        datasets: folders of datasets to learn from; made by the recipe in folder/data if empty.
        device: auto, cpu, cuda or cuda:N.
        processes: for making a dataset, and for drawing training pairs where a GPU trains.
        until: stop after that step, before all are done.
        progress: told what is being done, and the share of it.

    Returns:
        Name of the file of weights (None before all steps are done), and the steps done.

    Raises:
        SettingsError, InputError: as the parts of it.
        OutputError: the folder can't be written, or another process trains there.
    """
    tell = progress or (lambda step, share: None)
    config = recipe.train
    trainees.kind(config.matcher)  # a wrong name is found first
    where = pick_devices(device)[0].name
    states: dict[str, State] = {}
    if config.weights:
        given = weights_of(config.weights, tuple(matching.kind(config.matcher).layouts))
        states = dict(given.states)
        if "old-encoding" in given.options:
            log.warning(
                "%s was trained with LoFTR's first position encoding; training goes on with the "
                "corrected one, with which the result is used", config.weights,
            )  # fmt: skip
    # What can't be trained is said before a dataset is made, which may take an hour.
    pairs_at_once(config)
    trainee = trainees.kind(config.matcher)(states, config.options, torch.device("cpu"))
    if layouts.compare({k: tuple(v.shape) for k, v in trainee.state().items()}, trainee.layout):
        log.warning(
            "such a %s is for experiments: by its options, neither '--weights' nor 'georeg models "
            "import' will read it", config.matcher,
        )  # fmt: skip
    if config.fresh or not datasets:
        check_crop(config.crop, recipe.data.size)
    # Processes that train together are one run, and the first of them writes.
    first = int(os.environ.get("RANK", "0")) == 0
    with alone(folder) if first else nullcontext():
        return _run(recipe, folder, datasets, states, where, processes, until, tell)


def _run(
    recipe: Recipe, folder: str, datasets: Sequence[str], states: Mapping[str, State],
    where: str, processes: int, until: int | None, tell: Progress,
) -> tuple[str | None, int]:  # fmt: skip
    """The same, once all has been checked."""
    config = recipe.train
    found = [Dataset(name) for name in datasets]
    scenes: list[Scene] = []
    if config.fresh:
        scenes = prepared(recipe.data, os.path.join(folder, "aligned"), processes)
    elif not found:
        made = os.path.join(folder, "data")
        found = [make_dataset(recipe.data, made, processes, lambda s: tell("make", s))]

    def sampler(seed: int, shift: float = config.shift) -> Sampler:
        data = replace(recipe.data, seed=seed)
        return Sampler(
            found, seed, crop=config.crop, shift=shift, without=config.without,
            share=config.share, fresh=Fresh(data, scenes, config.fresh, where) if scenes else None,
        )  # fmt: skip

    threads = torch.get_num_threads()
    if where == "cpu":
        torch.set_num_threads(max(1, processes))
    try:
        trainee, steps = train(
            config, sampler, folder, states,
            device=where, workers=0 if where == "cpu" or scenes else processes, until=until,
            learned=[
                *({"count": data.index.count, **data.index.recipe} for data in found),
                *([recipe.data.recipe()] if scenes else []),
            ],
            progress=lambda share: tell("train", share),
        )  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    if steps < config.steps or int(os.environ.get("RANK", "0")):
        return None, steps
    last = sampler(_AFTER + config.seed, _NEAR)
    where_to = torch.device(where)
    figures = trainee.finish(last.batch(config.batch).to(where_to) for _ in range(_BATCHES))
    if figures:
        log.info("after the training: %s", figures)
    return store(trainee, recipe, folder), steps


def store(trainee: Trainee, recipe: Recipe, folder: str) -> str:
    """Write the weights as safetensors, with how they came to be; whole or not at all."""
    path = os.path.join(folder, f"{recipe.train.matcher}.safetensors")
    told = {
        "layout": trainee.layout,
        "train": json.dumps(recipe.train.to_dict()),
        "data": json.dumps(recipe.data.recipe()),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    state = {k: v.detach().cpu().contiguous() for k, v in trainee.state().items()}
    write_bytes(path, save(state, told))  # save_file's are nobody else's to read
    return path
