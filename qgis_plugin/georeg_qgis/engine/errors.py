"""What can go wrong with the engine, in English with blanks, so that it can be translated."""

from __future__ import annotations

from typing import Any


def N_(text: str) -> str:
    """Mark a text for translation."""
    return text


class EngineError(Exception):
    """There is no engine that can be used, or it failed; says why and what to do.

    Attributes:
        template: the message, with names of values in braces.
        values: that belong into it.
    """

    def __init__(self, template: str, **values: Any) -> None:
        """Store."""
        super().__init__(template.format(**values))
        self.template, self.values = template, values
