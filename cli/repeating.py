"""The command that repeats a run, for reports."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from .options import TALK

_SILENT = {name.replace("-", "_") for name in TALK} | {"help", "dry_run", "as_json"}


def command_line(ctx: click.Context) -> str:
    """What was asked for, wherever it came from: arguments, a config file or the environment.

    Args:
        ctx: of the command that runs.
    """
    words = ctx.command_path.split()
    named: list[str] = []
    for param in ctx.command.params:
        name = param.name or ""
        if name in _SILENT or name not in ctx.params:
            continue
        if isinstance(param, click.Argument):
            value = ctx.params[name]
            words += map(str, value if isinstance(value, tuple) else (value,))
        elif ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            named += _option(param, ctx.params[name])
    return shlex.join([*words, *named])


def _option(param: click.Parameter, value: Any) -> Iterator[str]:
    long = [name for name in param.opts if name.startswith("--")]
    if isinstance(param, click.Option) and param.is_flag:
        if value:
            yield long[0]
        elif param.secondary_opts:
            yield param.secondary_opts[0]
        return
    if value is None:
        return
    for one in value if param.multiple else (value,):
        yield long[0]
        yield from map(_word, one if param.nargs > 1 else (one,))


def _word(value: Any) -> str:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return ",".join(map(_word, value))
    if isinstance(value, float):
        short = f"{value:.12g}"
        return short if float(short) == value else repr(value)  # nodata: -3.4028234663852886e+38
    return str(value)
