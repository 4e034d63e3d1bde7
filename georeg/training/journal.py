"""What a training run tells: a line of JSON per step that counts, and TensorBoard's events."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from georeg.models.store import writing
from georeg.textfile import finite, write_text

log = logging.getLogger(__name__)

_FILE = "log.jsonl"


class Journal:
    """Writes to a folder; a context.

    log.jsonl is always written; events for TensorBoard where its package is installed
    (`pip install georeg[train]`).
    """

    def __init__(self, folder: str, since: int) -> None:
        """Go on after a step: what is said of later ones is dropped.

        Args:
            folder: exists already.
            since: last step that counts; 0 for a new run.
        """
        self._path = os.path.join(folder, _FILE)
        kept = [line for line in entries(folder) if int(line["step"]) <= since]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._events = _writer(folder, since)

    def __enter__(self) -> Journal:
        """This journal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the events."""
        if self._events is not None:
            self._events.close()

    def say(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures of a step; those that aren't finite (gradients in float16) become null."""
        with writing(Path(self._path)), open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(finite({"step": step, **figures})) + "\n")
        if self._events is not None:
            for name, value in figures.items():
                self._events.add_scalar(name, value, step)


def entries(folder: str) -> list[dict[str, Any]]:
    """What a run told so far; lines that a full disk or a loss of power broke don't count."""
    path = os.path.join(folder, _FILE)
    if not os.path.exists(path):
        return []
    found = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                said = json.loads(line)
                int(said["step"])
                found.append(said)
            except (ValueError, TypeError, KeyError):
                log.warning("%s: a broken line is left out", path)
    return found


def _writer(folder: str, since: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("no events for TensorBoard: its package is not installed (georeg[train])")
        return None
    return SummaryWriter(folder, purge_step=since + 1)
