"""`georeg train`: matchers trained or fine-tuned on random modality pairs."""

from __future__ import annotations

import os
from typing import Any

import click

from .command import Command, Session
from .console import RESULT
from .data import TALKING
from .options import option, options, required
from .values import THREADS

_KEEP = ("matcher", "weights", "steps", "batch", "rate", "precision", "seed")


@click.command("train", cls=Command)
@required("-o", "--output", metavar="FOLDER", help="For checkpoints, logs and the weights.")
@option(
    "--recipe",
    default="embedded",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="What to train on which images: a recipe of georeg, or a file of that form.",
)
@option("--root", default=".", show_default=True, help="Folder below which the images lie.")
@option(
    "--data",
    multiple=True,
    metavar="FOLDER",
    help="Datasets of 'georeg data make'; repeatable.  [default: made in OUTPUT by the recipe]",
)
@option("--matcher", default=None, help="Instead of the recipe's.")
@option("--weights", default=None, metavar="NAME|FILE", help="Where to start.")
@option("--steps", type=int, default=None, help="Batches to train for.")
@option("--batch", type=int, default=None, help="Training pairs in each, over all devices.")
@option("--rate", type=float, default=None, help="Largest learning rate.")
@option("--precision", default=None, metavar="float32|bfloat16|float16", help="For autocast.")
@option("--seed", type=int, default=None, help="Of the training; data have the recipe's.")
@option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Where.")
@option(
    "--processes",
    type=THREADS,
    default="ALL_CPUS",
    show_default=True,
    help="For making the dataset, and for training pairs where a GPU trains.",
)
@options(*TALKING)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Train a matcher from scratch, or fine-tune a checkpoint.

    Run again with the same OUTPUT to go on where it was left. For several GPUs start it by
    'torchrun --nproc-per-node N -m georeg train ...'. The result, OUTPUT/NAME.safetensors, is read
    by '--weights' and by 'georeg models import'.
    """
    from dataclasses import replace

    from georeg.settings import processors
    from georeg.training.config import Recipe, read_recipe, recipe_path
    from georeg.training.running import run

    recipe = read_recipe(recipe_path(params["recipe"]), params["root"])
    changed = {k: params[k] for k in _KEEP if params[k] is not None}
    recipe = Recipe(recipe.data, replace(recipe.train, **changed))
    count = processors(None if params["processes"] == "ALL_CPUS" else params["processes"])
    path, steps = run(
        recipe, params["output"], params["data"], device=params["device"], processes=count,
        progress=session.tell,
    )  # fmt: skip
    if path is not None and int(os.environ.get("RANK", "0")) == 0:
        session.console.event(
            RESULT, "result", f"{recipe.train.matcher} after {steps} steps: {path}",
            output=path, steps=steps,
        )  # fmt: skip
