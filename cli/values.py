"""What option values look like: lists of bands, lengths with a unit, names that are file names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:  # not generic in older versions of click
    _Type = click.ParamType


class Length(NamedTuple):
    """A length: pixels of the reference (px) or metres (m)."""

    value: float
    unit: str

    def __str__(self) -> str:
        """As it is written on the command line."""
        short = f"{self.value:.12g}"
        number = short if float(short) == self.value else repr(self.value)
        return f"{number}{'m' if self.unit == 'm' else ''}"


class LengthType(_Type):
    """A number of pixels, or of metres with the suffix m."""

    name = "px|m"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Length:
        """'12.5' -> pixels, '300m' -> metres."""
        if isinstance(value, Length):
            return value
        text = str(value).strip().lower()
        unit = "px"
        for suffix in ("px", "m"):
            if text.endswith(suffix):
                text, unit = text.removesuffix(suffix).strip(), suffix
                break
        try:
            return Length(float(text), unit)
        except ValueError:
            self.fail(f"'{value}' is no length: give pixels (12) or metres (300m)", param, ctx)


class NumbersType(_Type):
    """Numbers separated by commas."""

    def __init__(self, kind: type[int] | type[float], name: str) -> None:
        """Take whole numbers or any."""
        self.kind, self.name = kind, name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """'3,2,1' -> (3, 2, 1); lists, as a config file has them, are taken as they are."""
        parts: Sequence[Any] = value if isinstance(value, (list, tuple)) else str(value).split(",")
        try:
            return tuple(self.kind(part) for part in parts)
        except (TypeError, ValueError):
            what = "whole numbers" if self.kind is int else "numbers"
            self.fail(f"'{value}' is no list of {what}, like 3,2,1", param, ctx)


class NameType(_Type):
    """One of the names that a function lists; it is asked only when it must be."""

    name = "name"

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        """Take a function, because listing may import something."""
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, if there is such a one."""
        names = self.names()
        if value in names:
            return str(value)
        near = nearest(str(value), names)
        self.fail(f"'{value}' is none of {', '.join(names)}{near}", param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The names, for the help text."""
        return f"[{'|'.join(self.names())}]"


class ThreadsType(_Type):
    """A number of threads, or ALL_CPUS."""

    name = "n|ALL_CPUS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """A whole number or 'ALL_CPUS'."""
        if str(value).upper() == ALL:
            return ALL
        try:
            return int(value)
        except (TypeError, ValueError):
            self.fail(f"'{value}' is neither a whole number nor {ALL}", param, ctx)


class PairType(_Type):
    """NAME=VALUE."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, if it has a name and a value."""
        text = str(value)
        if "=" not in text.strip("="):
            self.fail(f"'{value}' is not like COMPRESS=ZSTD", param, ctx)
        return text


ALL = "ALL_CPUS"
LENGTH = LengthType()
BANDS = NumbersType(int, "n,n,...")
SIZE = NumbersType(float, "size|x,y")
THREADS = ThreadsType()
PAIR = PairType()
BBOX = NumbersType(float, "w,s,e,n")


def nearest(name: str, names: Sequence[str]) -> str:
    """', did you mean ...?', or nothing where no name comes close."""
    close = difflib.get_close_matches(name, names, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""
