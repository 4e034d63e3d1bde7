"""What 'Set up engine' does: a plan that is shown first, and run only when the user agrees."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess  # nosec B404 - pip and uv are other programs; arguments are lists, no shell
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .discovery import Engine, ask, is_complete, marker, python_in
from .environment import clean
from .errors import N_, EngineError
from .running import kill_all

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_INDEX = "https://download.pytorch.org/whl/cu126"
# Gigabytes to download and on disk: measured with georeg 0.1 on Linux for CPUs, estimated for CUDA.
_OLDEST = (3, 10)  # Python that georeg runs on
_TICK = 0.1
SIZES = {"cpu": (0.4, 1.6), "cuda": (3.0, 7.0)}


@dataclass(frozen=True)
class Choice:
    """What the user wants.

    Attributes:
        folder: of the environment.
        base: interpreter to make it with; uv may fetch one where it is empty.
        tool: uv or venv.
        torch: cpu or cuda.
        wheels: folder of wheels for sites without network; empty for PyPI.
        package: what to install: georeg, a wheel, or a folder of its source.
    """

    folder: str
    base: str = ""
    tool: str = "venv"
    torch: str = "cpu"
    wheels: str = ""
    package: str = "georeg"


Said = tuple[str, dict[str, Any]]
"""A text with names in braces, and the values for them."""


@dataclass(frozen=True)
class Plan:
    """What would be done.

    Attributes:
        steps: command lines, one after the other.
        notes: what is good to know before.
        problem: why it can't be done; an empty text if it can.
    """

    steps: tuple[tuple[str, ...], ...]
    notes: tuple[Said, ...] = ()
    problem: Said = ("", {})


def uv_program() -> str:
    """uv, if the user has it; empty if not."""
    return shutil.which("uv") or ""


def free_gigabytes(folder: str) -> float:
    """Space on the disk where a folder is or would be."""
    place = os.path.abspath(folder)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    return shutil.disk_usage(place).free / 1e9


def plan(choice: Choice, proxy: str = "") -> Plan:
    """The steps for a choice; nothing is done or fetched.

    Args:
        choice: what the user wants.
        proxy: URL of QGIS' proxy; that of the environment wins.
    """
    python = python_in(choice.folder)
    uv = uv_program()
    if choice.tool == "uv":
        base = choice.base or "3.11"
        make: tuple[str, ...] = (uv or "uv", "venv", "--python", base, choice.folder)
        pip: tuple[str, ...] = (uv or "uv", "pip", "install", "--python", python)
    else:
        make = (choice.base, "-m", "venv", choice.folder)
        pip = (python, "-m", "pip", "install", "--disable-pip-version-check")
    if choice.wheels:
        offline = ("--no-index", "--find-links", choice.wheels)
        steps = (make, (*pip, *offline, choice.package))
    else:
        index = ("--index-url", CPU_INDEX if choice.torch == "cpu" else CUDA_INDEX)
        steps = (make, (*pip, "torch", *index), (*pip, choice.package))
    return Plan(steps, _notes(choice, proxy), _problem(choice, uv))


def _notes(choice: Choice, proxy: str) -> tuple[Said, ...]:
    download, disk = SIZES[choice.torch]
    free = free_gigabytes(choice.folder)
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
    proxy = next((os.environ[name] for name in names if os.environ.get(name)), proxy)
    on_disk = N_("On disk: about {disk:.1f} GB of {free:.1f} GB that are free.")
    found: list[Said] = [(on_disk, {"disk": disk, "free": free})]
    if is_complete(choice.folder):
        found.append((N_("The engine that is there is replaced when the new one works."), {}))
    if choice.wheels:
        found.append((N_("Network: none. All comes from {folder}."), {"folder": choice.wheels}))
    else:
        hosts = "pypi.org, files.pythonhosted.org, download.pytorch.org"
        network = N_("Network: about {download:.1f} GB from {hosts}.")
        found.append((network, {"download": download, "hosts": hosts}))
        if proxy:
            found.append((N_("Proxy: {proxy}."), {"proxy": _without_password(proxy)}))
        else:
            found.append((N_("Proxy: none."), {}))
    return tuple(found)


def _problem(choice: Choice, uv: str) -> Said:
    if not os.path.isabs(choice.folder):  # an empty one would be the folder that QGIS works in
        return N_("Name the folder of the environment, with its whole path."), {}
    if choice.tool == "uv" and not uv:
        return N_("uv is not installed: choose venv, or install uv."), {}
    if choice.tool == "venv" and not os.path.isfile(choice.base):
        return N_("Name a Python 3.10 or newer to make the environment with, or use uv."), {}
    if choice.wheels and not os.path.isdir(choice.wheels):
        return N_("{folder} is no folder."), {"folder": choice.wheels}
    filled = os.path.isdir(choice.folder) and bool(os.listdir(choice.folder))
    ours = is_complete(choice.folder) or os.path.isfile(_beside(choice.folder, "unfinished"))
    if filled and not ours:
        told = N_("{folder} holds other things: choose an empty folder.")
        return told, {"folder": choice.folder}
    need = SIZES[choice.torch][1]
    if free_gigabytes(choice.folder) < need:
        told = N_("The disk of {folder} has less than {need:.1f} GB left.")
        return told, {"folder": choice.folder, "need": need}
    return "", {}


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def install(
    choice: Choice,
    say: Callable[[str], None],
    is_cancelled: Callable[[], bool],
    proxy: str = "",
) -> Engine:
    """Run the plan of a choice.

    Args:
        choice: what the user agreed to.
        say: told every line that pip or uv print.
        is_cancelled: asked often.
        proxy: URL of QGIS' proxy.

    Returns:
        The engine, asked for its version.

    Raises:
        EngineError: a step failed or it was cancelled; what had been made is removed, and an engine
            that was there before is there again.
    """
    found = plan(choice)
    if found.problem[0]:
        raise EngineError(found.problem[0], **found.problem[1])
    if choice.tool == "venv":
        _check_version(choice.base, is_cancelled)
    unfinished, before = (_beside(choice.folder, name) for name in ("unfinished", "before"))
    if os.path.isfile(unfinished):  # QGIS was killed in the middle
        shutil.rmtree(choice.folder, ignore_errors=True)
    elif is_complete(choice.folder):
        shutil.rmtree(before, ignore_errors=True)
        os.replace(choice.folder, before)
    os.makedirs(os.path.dirname(unfinished) or ".", exist_ok=True)
    with open(unfinished, "w", encoding="utf-8"):
        pass
    try:
        for step in found.steps:
            say("$ " + " ".join(step))
            _step(step, say, is_cancelled, proxy)
        engine = ask(python_in(choice.folder), is_cancelled)
        with open(marker(choice.folder), "w", encoding="utf-8") as file:
            json.dump({"georeg": engine.version, "torch": choice.torch, "tool": choice.tool}, file)
    except BaseException:
        shutil.rmtree(choice.folder, ignore_errors=True)
        if os.path.isdir(before):
            os.replace(before, choice.folder)
        raise
    finally:
        os.unlink(unfinished)
    shutil.rmtree(before, ignore_errors=True)
    return engine


def _beside(folder: str, what: str) -> str:
    """Name of a neighbour: venv and uv want the folder itself empty."""
    return f"{folder.rstrip(os.sep)}.{what}"


def _check_version(python: str, is_cancelled: Callable[[], bool]) -> None:
    """Say at once what pip would say only after it had fetched torch.

    Raises:
        EngineError: it can't be started, or is too old.
    """
    said: list[str] = []
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    _step((python, "-c", code), said.append, is_cancelled, "")
    version = "".join(said[-1:])
    major, _, minor = version.partition(".")
    if major.isdigit() and minor.isdigit() and (int(major), int(minor)) < _OLDEST:
        told = N_("{python} is Python {version}: name a Python 3.10 or newer.")
        raise EngineError(told, python=python, version=version)


def _step(
    step: Sequence[str], say: Callable[[str], None], is_cancelled: Callable[[], bool], proxy: str
) -> None:
    last: list[str] = []
    try:
        process = subprocess.Popen(  # nosec B603 - shown to the user before; no shell
            list(step),
            env=clean(proxy=proxy),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=sys.platform != "win32",
        )
    except OSError as error:
        raise EngineError(
            N_("{python} can't be started: {why}."), python=step[0], why=error
        ) from None
    # Read beside: pip says nothing for minutes while it downloads, and must end all the same.
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with process:
        while True:
            if is_cancelled():
                kill_all(process)
                reader.join()
                raise EngineError(N_("Cancelled; nothing was left behind."))
            try:
                line = lines.get(timeout=_TICK)
            except queue.Empty:
                continue
            if line is None:
                break
            say(line.rstrip())
            last = [*last[-4:], line.strip()]
    if process.returncode:
        raise EngineError(
            N_("{step}... failed: {last}"), step=" ".join(step[:4]), last=" | ".join(last)
        )
