"""Where the engine is: a Python with georeg in it, asked before it is trusted."""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404 - the engine is another program; arguments are lists, no shell
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .environment import clean
from .errors import N_
from .errors import EngineError as EngineError
from .protocol import PROTOCOLS

VARIABLE = "GEOREG_PYTHON"
_PATIENCE = 60.0  # seconds; a first start from a cold disk is slow
_TICK = 0.1


@dataclass(frozen=True)
class Engine:
    """A Python that has georeg.

    Attributes:
        python: path of the interpreter.
        version: of georeg.
        commands: that it knows.
    """

    python: str
    version: str
    commands: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        """The command line. -I keeps the current folder and user's packages out."""
        return [self.python, "-I", "-m", "georeg", *arguments]

    def offers(self, is_cancelled: Callable[[], bool] | None = None) -> dict[str, Any]:
        """Matchers, devices and other choices. Takes seconds: torch has to be loaded for it.

        Args:
            is_cancelled: asked often.

        Raises:
            EngineError: it doesn't say, or was cancelled.
        """
        return _answer(self.python, "--show-versions", "--json", is_cancelled=is_cancelled)


def managed_folder() -> str:
    """Where 'Set up engine' installs: outside of the plugin's folder, which upgrades wipe."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return os.path.join(base, "georeg", "engine")


def python_in(folder: str) -> str:
    """The interpreter of a virtual environment."""
    parts = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    return os.path.join(folder, *parts)


def find(
    chosen: str = "",
    managed: str | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Engine:
    """The engine: GEOREG_PYTHON, then the user's choice, then the one that was set up.

    What was named on purpose counts: if it doesn't work, that is said rather than another one used.

    Args:
        chosen: interpreter from the settings; empty for none.
        managed: folder of 'Set up engine'.
        is_cancelled: asked often.

    Raises:
        EngineError: there is none, the one that was named can't be used, or it was cancelled.
    """
    named = os.environ.get(VARIABLE, "")
    for python in (named, chosen):
        if python:
            return ask(python, is_cancelled)
    folder = managed_folder() if managed is None else managed
    python = python_in(folder)
    if is_complete(folder):
        return ask(python, is_cancelled)
    raise EngineError(N_("The georeg engine is not set up yet: choose 'Set up engine'."))


def marker(folder: str) -> str:
    """The file that says that an installation was finished."""
    return os.path.join(folder, "georeg-engine.json")


def is_complete(folder: str) -> bool:
    """Whether an installation is there, and was finished."""
    return os.path.isfile(marker(folder)) and os.path.exists(python_in(folder))


def ask(python: str, is_cancelled: Callable[[], bool] | None = None) -> Engine:
    """Run an interpreter and look at its georeg.

    Args:
        python: the interpreter.
        is_cancelled: asked often.

    Raises:
        EngineError: it isn't there, has no georeg, or one that speaks another protocol; or it was
            cancelled.
    """
    if not os.path.isfile(python):
        raise EngineError(
            N_("{python}: no such file. Choose another Python in 'Set up engine'."), python=python
        )
    if looks_like_qgis(python):
        raise EngineError(
            N_("{python} is QGIS itself, not a Python that could run the engine."), python=python
        )
    data = _answer(python, "--version", "--json", is_cancelled=is_cancelled)
    try:
        version, protocol = str(data["georeg"]), int(data["protocol"])
        commands = tuple(str(name) for name in data.get("commands", ()))
    except (KeyError, TypeError, ValueError):
        raise EngineError(
            N_("{python} has no georeg engine that this plugin knows."), python=python
        ) from None
    if protocol not in PROTOCOLS:
        wanted = " or ".join(map(str, PROTOCOLS))
        template = N_(
            "georeg {version} in {python} speaks protocol {protocol}, this plugin needs {wanted}: "
            "update the plugin."
        )
        if protocol < min(PROTOCOLS):
            template = N_(
                "georeg {version} in {python} speaks protocol {protocol}, this plugin needs "
                "{wanted}: update the engine."
            )
        raise EngineError(
            template, version=version, python=python, protocol=protocol, wanted=wanted
        )
    return Engine(python, version, commands)


def _answer(
    python: str, *arguments: str, is_cancelled: Callable[[], bool] | None = None
) -> dict[str, Any]:
    """The JSON object that the engine prints.

    Raises:
        EngineError: it prints none, or was cancelled.
    """
    command = Engine(python, "").command(*arguments)
    try:
        process = subprocess.Popen(  # nosec B603 - the user's own interpreter, no shell
            command,
            env=clean(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise EngineError(
            N_("{python} can't be started: {why}."), python=python, why=error
        ) from None
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            out, err = process.communicate(timeout=_TICK)
            break
        except subprocess.TimeoutExpired:
            cancelled = is_cancelled is not None and is_cancelled()
            if cancelled or time.monotonic() > end:
                process.kill()
                process.communicate()
                if cancelled:
                    raise EngineError(N_("Cancelled.")) from None
                raise EngineError(
                    N_("{python} didn't answer within {seconds:.0f} s."),
                    python=python,
                    seconds=_PATIENCE,
                ) from None
    said = out.decode("utf-8", "replace").strip().splitlines()
    try:
        data = json.loads(said[-1]) if said else None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        last = err.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise EngineError(
            N_("{python} has no georeg engine. {last}"), python=python, last=" ".join(last)
        )
    return data


def looks_like_qgis(python: str) -> bool:
    """Whether running this would open another QGIS (macOS' application bundle does)."""
    name = os.path.basename(python).lower()
    return name.startswith("qgis") or "qgis.app/contents/macos/qgis" in python.lower()


def base_pythons() -> list[str]:
    """Interpreters that a virtual environment could be made with; the likeliest first.

    Inside QGIS `sys.executable` is QGIS on Windows and macOS, and was another Python than QGIS' own
    on Linux, so that only what lies below `sys.prefix` is looked at.
    """
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.platform == "win32":
        places = [os.path.join(sys.exec_prefix, "python.exe")]
    else:
        places = [os.path.join(sys.base_prefix, "bin", name) for name in (minor, "python3")]
    return [path for path in places if os.path.isfile(path) and not looks_like_qgis(path)]
