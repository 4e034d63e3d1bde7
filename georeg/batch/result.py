"""What came of a batch as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from georeg.batch.ending import says_no
from georeg.batch.job import APPLY, PAIR
from georeg.batch.records import BAD, DONE, NOT_RUN, Record
from georeg.errors import EXIT_BATCH, EXIT_OK, EXIT_UNEXPECTED


@dataclass(frozen=True, repr=False)
class BatchResult:
    """What came of a batch.

    Attributes:
        run: id of the run.
        folder: where the summary is.
        records: of all jobs, in their order.
        skipped: ids of jobs that had been done before.
        seconds: that the run took.
        facts: further results for the summary, of a stack for instance.
        trouble: why the summary or the metrics couldn't be written; empty if they were.
    """

    run: str
    folder: str
    records: tuple[Record, ...]
    skipped: frozenset[str]
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""

    def __repr__(self) -> str:
        """One line, without the records."""
        return f"<BatchResult: {self.sentence()}; exit code {self.exit_code}>"

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs there are of each status."""
        found = dict.fromkeys((DONE, *BAD, NOT_RUN), 0)
        for record in self.records:
            found[record.status] = found.get(record.status, 0) + 1
        return found

    @property
    def bad(self) -> tuple[Record, ...]:
        """Records of jobs that failed, were refused or were not run.

        Pairs that can't be matched don't count where the rasters were placed without them; those
        that crashed or took too long do, because the next run may do better with them.
        """
        joint = any(record.action == APPLY for record in self.records)
        return tuple(
            record for record in self.records
            if record.status != DONE
            and not (joint and record.action == PAIR and says_no(record))
        )  # fmt: skip

    @property
    def exit_code(self) -> int:
        """0 if all jobs are done, 5 if some aren't, 1 if only the summary couldn't be written."""
        if self.bad:
            return EXIT_BATCH
        return EXIT_UNEXPECTED if self.trouble else EXIT_OK

    def sentence(self) -> str:
        """In plain words."""
        parts = [f"{n} {status}" for status, n in self.counts.items() if n and status != DONE]
        done = f"{self.counts[DONE]} of {len(self.records)} jobs done"
        skipped = sum(r.status == DONE and r.id in self.skipped for r in self.records)
        if skipped:
            done += f" ({skipped} before)"
        return ", ".join([done, *parts])
