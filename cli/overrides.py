"""Options of single jobs in a manifest: names, values and checks as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from georeg.errors import SettingsError
from georeg.settings import OutputSettings, Settings

from . import config
from .values import nearest

# What belongs to the run as a whole.
_OF_THE_RUN = frozenset({
    "jobs", "output_dir", "reference", "state", "retry", "redo", "fail_fast", "max_failures",
    "timeout", "memory_limit", "wait", "executor", "workers", "scheduler", "metrics", "notify",
    "item", "asset", "collections", "bbox", "datetime", "max_items", "stack", "neighbours",
    "dry_run", "config", "print_config", "verbose", "quiet", "progress", "log_format", "log_file",
    "help",
})  # fmt: skip


class Overrides:
    """From a job's options to settings; those that it doesn't name are the run's."""

    def __init__(
        self,
        ctx: click.Context,
        settings_of: Callable[[Mapping[str, Any]], Settings],
        output_settings_of: Callable[[Mapping[str, Any]], OutputSettings],
    ) -> None:
        """Take the run's own parameters."""
        self._ctx = ctx
        self._settings_of, self._output_settings_of = settings_of, output_settings_of
        self._known = {
            name: found
            for name, found in config.keys_of(ctx.command)
            if (found[0].name or "") not in _OF_THE_RUN
        }

    def __call__(self, options: Mapping[str, Any]) -> tuple[Settings, OutputSettings]:
        """The settings of a job.

        Raises:
            SettingsError: there is no such option, or its value makes no sense.
        """
        params = dict(self._ctx.params)
        for key, value in options.items():
            plain = key.replace("_", "-")
            if plain not in self._known:
                raise SettingsError(
                    f"'{key}' is no option of a job{nearest(plain, list(self._known))}"
                )
            param, negated = self._known[plain]
            params[param.name or ""] = self._value(plain, value, param, negated)
        return self._settings_of(params), self._output_settings_of(params)

    def _value(self, key: str, value: Any, param: click.Parameter, negated: bool) -> Any:
        if isinstance(param, click.Option) and param.is_flag:
            return _flag(key, value) != negated
        if isinstance(value, str) and param.nargs != 1:
            value = value.replace(",", " ").split()
        if param.multiple and not isinstance(value, list):
            value = [value]
        try:
            return param.type_cast_value(self._ctx, value)
        except click.ClickException as error:
            raise SettingsError(f"{key}: {error.format_message()}") from None


def _flag(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise SettingsError(f"{key} is '{value}': must be true or false")
