"""What the engine says: one JSON object per line on stderr (`--log-format json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROTOCOLS = (2,)  # of `georeg --version --json` that this plugin speaks


@dataclass(frozen=True)
class Event:
    """One message.

    Attributes:
        kind: start, log, decision, progress, result or error.
        level: debug, info, warning or error.
        message: for people, in English.
        details: what belongs to the kind, e.g. step and share of progress.
    """

    kind: str
    level: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> str:
        """Of progress."""
        return str(self.details.get("step", ""))

    @property
    def share(self) -> float:
        """Of progress: 0 to 1."""
        value = self.details.get("share", 0.0)
        return float(value) if isinstance(value, (int, float)) else 0.0


def parse(line: str) -> Event:
    """The event in a line; a line that is none (some library's own words) is a log message."""
    text = line.strip()
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict) or "event" not in data:
        return Event("log", "info", text)
    head = {"event", "level", "message", "time"}
    return Event(
        str(data["event"]),
        str(data.get("level", "info")),
        str(data.get("message", "")),
        {k: v for k, v in data.items() if k not in head},
    )
