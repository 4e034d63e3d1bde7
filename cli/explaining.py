"""`--explain`: what was decided and why, in readable lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from .command import Session
from .console import RESULT

if TYPE_CHECKING:
    from georeg.explaining import Decision


def explained(session: Session, decisions: Sequence[Decision], *, wanted: bool) -> None:
    """Tell all decisions of a run, one line each.

    Args:
        session: to tell it to.
        decisions: in the order in which they were taken.
        wanted: whether --explain was given.
    """
    if not wanted:
        return
    for decision in decisions:
        session.console.event(RESULT, "decision", str(decision), **asdict(decision))
