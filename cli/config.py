"""Options from a TOML file, and the options in force as one. Keys are the options' names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from georeg.errors import SettingsError
from georeg.textfile import read_text

from .values import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same under its old name
    import tomli as tomllib

_NOT_STORED = {"config", "print_config", "help"}


def load(path: str, command: click.Command) -> dict[str, Any]:
    """Defaults for a command's parameters.

    Args:
        path: of a TOML file; keys with - or _.
        command: whose options they are.

    Raises:
        InputError: the file can't be read.
        SettingsError: it isn't TOML, or holds a key that the command doesn't know.
    """
    try:
        data = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    known = dict(keys_of(command))
    values: dict[str, Any] = {}
    for key, value in data.items():
        plain = key.replace("_", "-")
        if plain not in known:
            names = [name for name in known if not name.startswith("no-")]
            raise SettingsError(
                f"{path}: '{key}' is no option of '{command.name}'{nearest(plain, names)}"
            )
        if isinstance(value, Mapping):
            raise SettingsError(f"{path}: '{key}' must be a value, not a table")
        param, negated = known[plain]
        if param.name in values:
            raise SettingsError(f"{path}: '{key}' is given twice")
        values[param.name or ""] = _value(path, key, value, param, negated)
    return values


def keys_of(command: click.Command) -> Iterator[tuple[str, tuple[click.Parameter, bool]]]:
    """All names of all parameters that may stand in a file; True for names that negate."""
    for param in command.params:
        if param.name in _NOT_STORED:
            continue
        if isinstance(param, click.Argument):
            yield (param.name or "").replace("_", "-"), (param, False)
            continue
        for names, negated in ((param.opts, False), (param.secondary_opts, True)):
            for name in names:
                if name.startswith("--"):
                    yield name[2:], (param, negated)


def _value(path: str, key: str, value: Any, param: click.Parameter, negated: bool) -> Any:
    if isinstance(param, click.Option) and param.is_flag:
        if not isinstance(value, bool):
            raise SettingsError(f"{path}: '{key}' must be true or false")
        return value != negated
    if isinstance(value, bool):
        raise SettingsError(f"{path}: '{key}' must have a value, not true or false")
    return [value] if param.multiple and not isinstance(value, list) else value


def dump(ctx: click.Context) -> str:
    """The options in force as TOML that `load` takes; those without a value as comments."""
    lines = [f"# georeg {ctx.command.name} --config FILE"]
    for param in ctx.command.params:
        if param.name in _NOT_STORED or not param.expose_value:
            continue
        names = [name for name in param.opts if name.startswith("--")]
        key = (names[0][2:] if names else param.name or "").replace("_", "-")
        value = ctx.params.get(param.name or "")
        if value is None or value == ():
            lines.append(f"# {key} =")
        else:
            lines.append(f"{key} = {_toml(value)}")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)  # nan and inf are TOML, too
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        flat = [v for part in value for v in (part if isinstance(part, tuple) else (part,))]
        return "[" + ", ".join(_toml(v) for v in flat) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
