"""`georeg evaluate`: matchers over pairs with known truth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from georeg.errors import SettingsError

from .command import Argument, Command, Session
from .console import RESULT, say
from .data import TALKING
from .options import option, options, settings_of, transforms
from .values import NameType


@click.command("evaluate", cls=Command)
@click.argument("truth", cls=Argument)
@option(
    "--matcher",
    "names",
    multiple=True,
    default=("structural",),
    show_default=True,
    metavar="NAME[=WEIGHTS]",
    help="What to measure; repeatable. The first one is compared with the others, pair by pair.",
)
@option(
    "--tiles/--no-tiles",
    default=True,
    show_default=True,
    help="Measure precision on tiles whose true displacement is known.",
)
@option(
    "--whole/--no-whole",
    default=True,
    show_default=True,
    help="Measure whole pairs without a prior: AUC of the corners' error, as MINIMA does.",
)
@option(
    "--transform",
    type=NameType(transforms),
    default="projective",
    show_default=True,
    help="What whole pairs are fitted with; MINIMA's protocol has homographies.",
)
@option("--only", default="", help="Pairs whose group or name contains this.")
@option("--most", type=click.IntRange(0), default=0, help="At most so many pairs; 0 for all.")
@option("-o", "--output", metavar="FOLDER", help="For results.json, results.md and plots.")
@options("threads", "device", "precision", "seed", *TALKING)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Measure matchers against pairs whose TRUTH is known.

    TRUTH is an index of real pairs, or a dataset of 'georeg data make'. An index is a JSON list of
    pairs with moving, reference (images, relative to it) and moving_to_reference (3 x 3, between
    pixel centres); name and modality are for the tables.
    """
    from georeg.models.store import writing
    from georeg.training.evaluate import evaluate, ready
    from georeg.training.report import report, store

    pairs = _pairs(params["truth"], params["only"], params["most"])
    settings = settings_of(params)
    names = list(dict.fromkeys(params["names"]))
    for name in names:  # the last one's weights may be missing; the first may take hours
        ready(name, settings)
    for pair in pairs:  # likewise
        pair.check()
    if params["output"]:
        with writing(Path(params["output"])):
            os.makedirs(params["output"], exist_ok=True)
    results = {}
    for number, name in enumerate(names):

        def tell(share: float, number: int = number) -> None:
            session.tell("evaluate", (number + share) / len(names))

        results[name] = evaluate(
            name, (p.read() for p in pairs), len(pairs), settings,
            tiles=params["tiles"], whole=params["whole"], progress=tell,
        )  # fmt: skip
        made = report(results)
        if params["output"]:  # also before the last one: it may be interrupted
            store(results, made, params["output"])
    say("\n".join(made.lines))
    session.console.event(
        RESULT, "result", f"{len(pairs)} pairs, {len(names)} matchers",
        output=params["output"], results=made.data,
    )  # fmt: skip


def _pairs(truth: str, only: str, most: int) -> Any:
    from georeg.training.dataset import Dataset
    from georeg.training.truth import held_out, read_index

    if os.path.isdir(truth):
        found: Any = held_out(Dataset(truth))
    else:
        found = read_index(truth)
    chosen = [p for p in found if only in f"{p.group}/{p.name}"]
    if not chosen:
        which = f" whose group or name contains '{only}'" if only else ", or none was made yet"
        raise SettingsError(f"{truth} has no pair{which}")
    return chosen[:most] if most else chosen
