"""What an executor does for a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from georeg.batch.job import Job
from georeg.batch.records import Record

Hear = Callable[[Job, Mapping[str, Any]], None]
"""Called with a job and an event of its worker; in any thread."""


class Lost(Exception):
    """Whoever did the work is out of reach; says who. What isn't done is for the next run."""


class Executor(Protocol):
    """A context: leaving it ends all workers, and whatever is in the works."""

    def records(self, jobs: Sequence[Job]) -> Iterator[Record | None]:
        """Do jobs side by side; their records in the order in which they end.

        None comes from time to time, so that the caller can look at the clock.

        Raises:
            Lost: there is nobody any more to do the rest.
        """
        ...

    def workers(self) -> str:
        """Who does the work, for people."""
        ...

    def __enter__(self) -> Executor:
        """This executor."""
        ...

    def __exit__(self, *_: object) -> None:
        """End all workers."""
        ...
