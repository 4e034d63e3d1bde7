"""`georeg data`: datasets to train matchers on."""

from __future__ import annotations

from typing import Any

import click

from georeg.errors import EXIT_USAGE

from .command import Argument, Command, Session
from .console import RESULT
from .options import TALK, option, options
from .values import THREADS

TALKING = tuple(name for name in TALK if name not in ("config", "print-config"))


@click.group("data", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Make datasets of synthetic multimodal pairs with exact labels."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(EXIT_USAGE)


@command.command("make", cls=Command)
@click.argument("folder", cls=Argument)
@option(
    "--recipe",
    default="embedded",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="What to make of which images: a recipe of georeg, or a file of that form.",
)
@option("--root", default=".", show_default=True, help="Folder below which the images lie.")
@option("--count", type=int, default=None, help="Records.  [default: the recipe's]")
@option("--seed", type=int, default=None, help="Of everything random.  [default: the recipe's]")
@option("--processes", type=THREADS, default="ALL_CPUS", show_default=True, help="To use.")
@options(*TALKING)
@click.pass_obj
def make(session: Session, /, **params: Any) -> None:
    """Write a dataset into FOLDER, or go on where it was left.

    Each record is one place seen by several sensors, with the exact way from each view to the
    others. Equal recipes, seeds and images give equal bytes.
    """
    from dataclasses import replace

    from georeg.settings import processors
    from georeg.training.config import read_recipe, recipe_path
    from georeg.training.making import make_dataset

    recipe = read_recipe(recipe_path(params["recipe"]), params["root"])
    changed = {k: params[k] for k in ("count", "seed") if params[k] is not None}
    config = replace(recipe.data, **changed)
    count = processors(None if params["processes"] == "ALL_CPUS" else params["processes"])
    made = make_dataset(config, params["folder"], count, lambda share: session.tell("make", share))
    session.console.event(
        RESULT, "result", f"{len(made)} records of {made.index.views} views: {params['folder']}",
        output=params["folder"], records=len(made), views=made.index.views,
    )  # fmt: skip
