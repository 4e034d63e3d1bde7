"""The entry point: `georeg COMMAND ...`, also as a plugin of `rio`. Commands load when named."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import click

from georeg import __version__
from georeg.environment import prepare
from georeg.errors import EXIT_OK, EXIT_UNEXPECTED, EXIT_USAGE, GeoregError

from .command import STYLE, fail
from .console import say
from .stopping import Stopped
from .values import nearest

PROTOCOL = 2  # of the JSON lines and of `--version --json`; raised when they change
COMMANDS = (
    "align", "ortho", "batch", "match", "fit", "warp", "convert", "export", "check", "plot", "info",
    "demo", "models", "data", "train", "evaluate",
)  # fmt: skip


class Group(click.Group):
    """All commands, one file each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's file."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __package__)
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or the one that was perhaps meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'{nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; whatever goes wrong outside of a command becomes one line and an exit code, too."""
        run: Callable[[], Any] = partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        try:
            result = run()
            code = result if isinstance(result, int) else EXIT_OK
        except click.ClickException as error:
            ctx = getattr(error, "ctx", None)
            style = _style(args) if ctx is None else ctx.meta.get(STYLE, _style(args))
            code = fail(error, error.exit_code, type(error).__name__, style)
        except GeoregError as error:
            code = fail(error, error.exit_code, type(error).__name__, _style(args))
        except Stopped as error:
            code = fail(Exception(str(error)), error.exit_code, "Stopped", _style(args))
        except click.Abort:
            code = fail(Exception("interrupted"), 130, "Stopped", _style(args))
        sys.exit(code)


def _style(args: Sequence[str] | None) -> str:
    """That of --log-format, where the command line couldn't be read as a whole."""
    words = " ".join(sys.argv[1:] if args is None else args).replace("=", " ").split()
    asked = [value for name, value in pairwise(words) if name == "--log-format"]
    return "json" if asked[-1:] == ["json"] else "text"


@click.command(
    "georeg",
    cls=Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, help="Print the version, and exit.")
@click.option("--show-versions", is_flag=True, help="Print the versions of everything, and exit.")
@click.option("--json", "as_json", is_flag=True, help="Versions as JSON, for programs.")
@click.pass_context
def cli(ctx: click.Context, version: bool, show_versions: bool, as_json: bool) -> None:
    """Align georeferenced rasters of any modality, and say honestly how well.

    Exit codes: 0 aligned, 1 unexpected error, 2 wrong usage, 3 no trustworthy alignment (nothing
    is written but the report), 4 an input can't be read or the inputs don't overlap, 5 some jobs of
    a batch failed or were refused.
    """
    if version or show_versions:
        say(_versions(everything=show_versions, as_json=as_json))
        ctx.exit()
    if as_json:
        raise click.UsageError("--json goes with --version", ctx)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(EXIT_USAGE)


def _versions(*, everything: bool, as_json: bool) -> str:
    data: dict[str, Any] = {"georeg": __version__}
    if everything or as_json:
        data |= {"protocol": PROTOCOL, "commands": list(COMMANDS)}
        data |= {"python": platform.python_version(), "platform": platform.platform()}
        data["executable"] = sys.executable
    if everything:
        from georeg.provenance import versions

        data["packages"] = versions() | _libraries()
    if everything and as_json:
        from .offers import offers

        data |= offers()
    if as_json:
        return json.dumps(data)
    if not everything:
        return f"georeg {__version__}"
    plain = {k: v for k, v in data.items() if k not in ("packages", "protocol", "commands")}
    width = max(map(len, (*plain, *data["packages"])))
    rows = {**plain, **data["packages"]}
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def _libraries() -> dict[str, str]:
    """The C libraries underneath."""
    import pyproj
    import rasterio

    return {"GDAL": rasterio.__gdal_version__, "PROJ": pyproj.proj_version_str}


def _open_streams() -> None:
    """Give standard streams that were closed (`2>&-`, daemons) to nobody.

    A file that is opened later would get their number, and what libraries print would go into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def main() -> None:
    """The console command `georeg`."""
    _open_streams()
    prepare()
    try:
        cli.main(prog_name="georeg")
    except KeyboardInterrupt:
        sys.exit(fail(Exception("interrupted"), 130, "Stopped", _style(None)))
    except Exception as error:  # outside of any command: nothing was begun
        kind, message = type(error).__name__, f"unexpected {type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.filename is None:  # click printed the help
            message = f"standard output can't be written: {error.strerror}"
        sys.exit(fail(Exception(message), EXIT_UNEXPECTED, kind, _style(None)))
