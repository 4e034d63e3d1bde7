"""Which matcher to run, and with which weights: the one place where both are known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from georeg import matching
from georeg.errors import SettingsError
from georeg.matching.protocol import Device, Matcher, Weights
from georeg.models import catalogue, store

BUILT_IN = "structural"


@dataclass(frozen=True, eq=False)
class Choice:
    """A matcher, and why.

    Attributes:
        name: of the matcher.
        weights: name of a catalogue's entry or of a file; empty if it needs none.
        why: a sentence.
        better: what would be better here, and the command that gets it; empty if nothing.
    """

    name: str
    weights: str
    why: str
    better: str = ""

    def load(self, device: Device) -> Matcher:
        """The matcher, ready to run.

        Raises:
            SettingsError, InputError: as `weights_of` and `matching.load`.
        """
        kind = matching.kind(self.name)
        layouts = tuple(getattr(kind, "layouts", ()))
        weights = weights_of(self.weights, layouts) if layouts else None
        return matching.load(self.name, device, weights)


def choose(matcher: str, weights: str = "") -> Choice:
    """What to run for a value of `--matcher` and one of `--weights`.

    Args:
        matcher: a name, or auto.
        weights: name of a catalogue's entry, or of a file; the matcher's own if empty.

    Raises:
        SettingsError: no such matcher, or it takes no weights.
    """
    name = BUILT_IN if matcher == "auto" else matcher
    if not getattr(matching.kind(name), "layouts", ()):
        if weights:
            raise SettingsError(f"--weights {weights}: matcher '{name}' takes none")
        return Choice(name, "", "it needs no weights")
    return Choice(name, weights or name, "it was asked for")


def weights_of(source: str, layouts: tuple[str, ...]) -> Weights:
    """The tensors of an entry and of those that it needs, or of a file.

    Args:
        source: name of a catalogue's entry, or of a file.
        layouts: that the matcher needs, the main one first. What a file lacks is taken from the
            entries that those of its layout need.

    Raises:
        SettingsError: no such entry, or it is of another layout.
        InputError: the file is missing (the message has the command that gets it), unreadable, or
            of another layout.
    """
    from georeg.models import recognise  # imports torch

    if source not in catalogue.names() and os.path.isfile(source):
        entries = catalogue.with_layout(layouts[0])
        states: dict[str, Any] = {layouts[0]: recognise.load(source, layouts[0])}
        needed = entries[0].needs if entries else ()
        options = next((e.options for e in entries if e.is_called(source)), ())
    else:
        entry = catalogue.get(source)
        if entry.layout != layouts[0]:
            raise SettingsError(
                f"the weights {source} have the layout {entry.layout}, "
                f"this matcher needs {layouts[0]}"
            )
        states = {layouts[0]: recognise.load(store.find(source), entry.layout)}
        needed, options = entry.needs, entry.options
    for other in needed:
        layout = catalogue.get(other).layout
        states[layout] = recognise.load(store.find(other), layout)
    return Weights(source, states, options)
