"""Which matcher to run, and with which weights: the one place where both are known."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from georeg import matching, ratings
from georeg.errors import InputError, SettingsError
from georeg.matching.protocol import Device, Matcher, Weights
from georeg.matching.running import REMOTE, pick_devices
from georeg.matching.symmetric import Symmetric
from georeg.matching.team import Team
from georeg.models import catalogue, store
from georeg.refining import Refined
from georeg.remote import Remote
from georeg.settings import Settings, processors

log = logging.getLogger(__name__)

BUILT_IN = "structural"


@dataclass(frozen=True)
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


def choose(matcher: str, weights: str, gpu: bool, modalities: tuple[str, str]) -> Choice:
    """What to run for a value of `--matcher` and one of `--weights`.

    Args:
        matcher: a name, or auto.
        weights: name of a catalogue's entry, or of a file; the matcher's own if empty.
        gpu: whether there is one to run it on.
        modalities: of the moving raster and of the reference, for auto.

    Raises:
        SettingsError: no such matcher, or it takes no weights.
    """
    if matcher == "auto":
        if weights:
            raise SettingsError(f"--weights {weights}: say which --matcher they are for")
        return _best(gpu, modalities)
    if not getattr(matching.kind(matcher), "layouts", ()):
        if weights:
            raise SettingsError(f"--weights {weights}: matcher '{matcher}' takes none")
        return Choice(matcher, "", "it was asked for")
    return Choice(matcher, weights or matcher, "it was asked for")


def _best(gpu: bool, modalities: tuple[str, str]) -> Choice:
    """The first one of the table that is here."""
    missing = ""
    for rating in ratings.ranked(gpu, modalities):
        needs_none = rating.matcher not in catalogue.names()
        if needs_none or store.present(rating.matcher):
            weights = "" if needs_none else rating.matcher
            return Choice(rating.matcher, weights, rating.why(modalities), missing)
        missing = missing or (
            f"{rating.matcher} would be preferred here ({rating.why(modalities)}): "
            f"{store.how_to_get(catalogue.get(rating.matcher))}"
        )
    return Choice(BUILT_IN, "", "it is built in", missing)


def devices_of(settings: Settings) -> tuple[Device, ...]:
    """Where to match.

    Raises:
        SettingsError: there is no such device.
    """
    return pick_devices(
        settings.device,
        precision=settings.precision,
        seed=settings.seed,
        compiled=settings.compiled,
    )


def choice_for(
    modalities: tuple[str, str], devices: Sequence[Device], settings: Settings
) -> Choice:
    """The matcher to run; says which and why.

    Raises:
        SettingsError: as `choose`.
    """
    gpu = devices[0].name.startswith("cuda")
    choice = choose(settings.matcher, settings.weights, gpu, modalities)
    log.info("matcher %s on %s: %s", choice.name, devices[0].name, choice.why)
    if choice.better:
        log.info("%s", choice.better)
    return choice


def judges_of(devices: Sequence[Device], settings: Settings) -> Team:
    """The built-in matcher, which looks at what any other has found."""
    plain = replace(settings, symmetric=False, subpixel=False)
    return team_of(Choice(BUILT_IN, "", ""), devices, plain)


def team_of(choice: Choice, devices: Sequence[Device], settings: Settings) -> Team:
    """The matcher on all devices, ready to run.

    Raises:
        SettingsError, InputError: as `weights_of` and `matching.load`.
    """
    wanted = (choice.name, choice.weights, settings.symmetric, settings.subpixel)
    if devices[0].name.startswith(REMOTE):
        far = Remote(partial(_whole, *wanted), str(wanted), devices[0])
        return Team([(far, devices[0])], threads=far.at_once, memory=settings.memory)
    load = loader(choice.name, choice.weights)
    return Team(
        [(_wrapped(load, *wanted[2:], device), device) for device in devices],
        threads=processors(settings.threads),
        memory=settings.memory,
    )


def _whole(name: str, weights: str, symmetric: bool, subpixel: bool, device: Device) -> Matcher:
    """A matcher with all that belongs to it; by names only, so that it can be made elsewhere."""
    return _wrapped(loader(name, weights), symmetric, subpixel, device)


def _wrapped(
    load: Callable[[Device], Matcher], symmetric: bool, subpixel: bool, device: Device
) -> Matcher:
    matcher = load(device)
    if symmetric:
        matcher = Symmetric(matcher)
    if subpixel:
        matcher = Refined(matcher, matching.load(BUILT_IN, device))
    return matcher


def loader(matcher: str, weights: str = "") -> Callable[[Device], Matcher]:
    """Makes a matcher for a device; its weights are read once.

    Args:
        matcher: name.
        weights: name of a catalogue's entry, or of a file; the matcher's own if empty.

    Raises:
        SettingsError, InputError: as `weights_of` and `matching.load`.
    """
    layouts = tuple(getattr(matching.kind(matcher), "layouts", ()))
    known = weights_of(weights or matcher, layouts) if layouts else None
    return partial(matching.load, matcher, weights=known)


def weights_of(source: str, layouts: tuple[str, ...]) -> Weights:
    """The tensors of an entry and of those that it needs, or of a file.

    Args:
        source: name of a catalogue's entry, or of a file.
        layouts: that the matcher needs, the main one first. What a file lacks is taken from the
            entries that those of its layout need, if they have the matcher's other layouts.

    Raises:
        SettingsError: no such entry, or it is of another layout.
        InputError: the file is missing (the message has the command that gets it), unreadable, or
            of another layout.
    """
    from georeg.models import recognise  # imports torch

    if source not in catalogue.names() and os.path.isfile(source):
        entries = catalogue.with_layout(layouts[0])
        states: dict[str, Any] = {layouts[0]: recognise.load(source, layouts[0])}
        others = set(layouts[1:])
        needed = next((e.needs for e in entries if _layouts_of(e.needs) == others), ())
        options = next((e.options for e in entries if e.is_called(source)), ())
    else:
        if os.sep in source or Path(source).suffix:  # names of entries have none
            raise InputError(f"{source}: no such file")
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


def _layouts_of(names: Sequence[str]) -> set[str]:
    return {catalogue.get(name).layout for name in names}


def fingerprint(choice: Choice) -> dict[str, str] | None:
    """Name and checksum of the weights, for reports; None if there are none."""
    if not choice.weights:
        return None
    if choice.weights not in catalogue.names():
        from georeg.models.download import sha256_of

        return {"name": choice.weights, "sha256": sha256_of(Path(choice.weights))}
    record = store.record_of(catalogue.get(choice.weights))
    return {"name": choice.weights, "sha256": record.sha256 if record else ""}
