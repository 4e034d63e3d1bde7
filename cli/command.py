"""What all commands share: one line for every error, exit codes, logs, signals, config files."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import click

from georeg import __version__
from georeg.errors import EXIT_UNEXPECTED, GeoregError, OutputError, SettingsError
from georeg.textfile import same_file

from . import config
from .console import Console, logged, one_line, open_log, say
from .stopping import Stopped, Stopping, stoppable

STYLE = "georeg.log_format"  # key in a context's meta
_PRINTING = "georeg.print_config"


class Session:
    """One run of one command: whom to tell what."""

    def __init__(self, console: Console, stopping: Stopping) -> None:
        """Store."""
        self.console, self.stopping = console, stopping

    def tell(self, step: str, share: float) -> None:
        """Progress for the engine.

        Raises:
            Stopped: a signal came.
        """
        self.stopping.check()
        self.console.progress(step, share)


class _Lenient(click.Parameter):
    """A parameter that isn't required while the options are only printed."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter:
            if ctx.meta.get(_PRINTING):
                return None
            raise


class Argument(_Lenient, click.Argument):
    """A positional argument."""


class Option(_Lenient, click.Option):
    """An option, with the heading under which the help lists it."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        """Take what click's option takes."""
        super().__init__(*args, **kwargs)
        self.section = section


class Command(click.Command):
    """A command of georeg."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List options under their headings."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", "General"), []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; a beginning of options' names (--ref) is taken for those before others."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            names = [name for param in self.get_params(ctx) for name in param.opts]
            begun = [name for name in names if name.startswith(error.option_name)]
            if not begun:
                raise
            meant = f"No such option '{error.option_name}'; did you mean {', '.join(begun[:3])}?"
            raise click.NoSuchOption(error.option_name, meant, ctx=error.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn whatever goes wrong into one line and an exit code."""
        if ctx.meta.get(_PRINTING):
            say(config.dump(ctx))
            return None
        take = ctx.params.pop
        style, verbosity = take("log_format", "text"), take("verbose", 0) - take("quiet", 0)
        progress, log_path = take("progress", None), take("log_file", None)
        with_stdin = take("stop_with_stdin", False)
        with ExitStack() as stack:
            try:
                _check_folder()
                _check_empty(ctx, {**ctx.params, "log_file": log_path})
                _check_log(log_path, ctx.params)
                log_file = open_log(log_path)
            except GeoregError as error:
                Console(style).error(str(error), error.exit_code, type(error).__name__)
                ctx.exit(error.exit_code)
            if log_file is not None:
                stack.enter_context(log_file)
            console = Console(style, verbosity, progress, log_file)
            stack.enter_context(logged(console))
            code = self._run(ctx, console, with_stdin)
        if code:
            ctx.exit(code)
        return None

    def _run(self, ctx: click.Context, console: Console, with_stdin: bool) -> int:
        """The command's exit code."""

        def last_words(stopped: Stopped) -> None:
            console.error(str(stopped), stopped.exit_code, "Stopped")

        trace = ""  # taken where the exception is caught: afterwards there is none
        try:
            with stoppable(last_words, with_stdin=with_stdin) as stopping:
                ctx.obj = Session(console, stopping)
                level = 10 if console.style == "text" else 20
                console.event(level, "start", ctx.command_path, version=__version__)
                super().invoke(ctx)
            return 0
        except click.exceptions.Exit as error:
            return error.exit_code
        except BrokenPipeError:
            raise  # click ends the program without a word, as everybody expects
        except Stopped as error:
            code, kind, message = error.exit_code, "Stopped", str(error)
        except GeoregError as error:
            code, kind, message = error.exit_code, type(error).__name__, str(error)
        except click.ClickException as error:
            code, kind, message = error.exit_code, type(error).__name__, usage_line(error)
        except MemoryError:
            code, kind, trace = EXIT_UNEXPECTED, "MemoryError", traceback.format_exc()
            message = "not enough memory: give a smaller --memory, or close other programs"
        except Exception as error:
            code, kind, trace = EXIT_UNEXPECTED, type(error).__name__, traceback.format_exc()
            message = f"unexpected {kind}: {error} (a bug: please report it; -v shows where)"
        if console.verbosity > 0:
            for line in trace.splitlines():
                console.event(20, "log", f"| {line}" if console.style == "text" else line)
        console.error(message, code, kind)
        return code


def _check_folder() -> None:
    """See that there is a working folder: libraries end the process without one.

    Raises:
        OutputError: it has been deleted.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        raise OutputError("the working folder has been deleted: change to another one") from None


def _check_empty(ctx: click.Context, params: Mapping[str, Any]) -> None:
    """See that no option has an empty value, as scripts give it where a variable isn't set.

    An empty name is of no file, and of the working folder: what would go there is found out late.

    Raises:
        SettingsError: one has, and something else is its default.
    """
    for param in ctx.command.params:
        value = params.get(param.name or "")
        values = value if isinstance(value, (tuple, list)) else (value,)
        if isinstance(param, click.Option) and param.default != "" and "" in values:
            raise SettingsError(
                f"{max(param.opts, key=len)} is empty: give a value, or leave it out"
            )


def _check_log(path: str | None, params: Mapping[str, Any]) -> None:
    """See that no log is appended to another file of the command.

    Raises:
        SettingsError: the log file is an input or an output, too.
    """
    if path is None or (os.path.exists(path) and not os.path.isfile(path)):
        return  # devices and pipes take what several write
    for value in params.values():
        for name in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(name, str) and same_file(name, path):
                raise SettingsError(
                    f"--log-file {path} is {name}, which the command reads or writes: give it "
                    "another name"
                )


def usage_line(error: click.ClickException) -> str:
    """A usage error in one line."""
    message = one_line(error.format_message()).rstrip(".")
    ctx = getattr(error, "ctx", None)
    return f"{message} (see '{ctx.command_path} --help')" if ctx is not None else message


def fail(error: Exception, code: int, kind: str, style: str) -> int:
    """Report an error outside of any command; returns the exit code."""
    message = usage_line(error) if isinstance(error, click.ClickException) else str(error)
    Console(style, progress=False).error(message, code, kind)
    return code


def take_config(ctx: click.Context, _: click.Parameter, path: str | None) -> None:
    """Callback of --config: what the file says becomes the defaults."""
    if path is None:
        return
    try:
        ctx.default_map = config.load(path, ctx.command)
    except GeoregError as error:
        wrapped = click.UsageError(str(error), ctx)
        wrapped.exit_code = error.exit_code  # type: ignore[misc]
        raise wrapped from None


def take_print_config(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Callback of --print-config."""
    ctx.meta[_PRINTING] = value


def take_style(ctx: click.Context, _: click.Parameter, value: str) -> str:
    """Callback of --log-format: errors of other options want to know."""
    ctx.meta[STYLE] = value
    return value
