"""What a user can decide about a batch, beside what holds for each alignment."""

from __future__ import annotations

from dataclasses import dataclass

from georeg.errors import SettingsError
from georeg.settings import check_above_0, check_flags, check_number, check_whole, make_plain

EXECUTORS = ("local", "dask")


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run; the command line's options have the same names.

    Attributes:
        executor: local (processes on this machine) or dask.
        scheduler: address of a Dask scheduler, or path of its scheduler file; a cluster on this
            machine if None.
        workers: worker processes; sized to cores and memory if None.
        retry: do again what failed or was refused last time.
        redo: do everything again.
        fail_fast: stop at the first job that fails or is refused.
        max_failures: stop when more jobs than that have failed or were refused; no limit if None.
        timeout: seconds for one job; no limit if None.
        memory_limit: megabytes of one worker process; no limit if None.
        wait: seconds to wait for another run in the same folder.
        metrics: path of a file for Prometheus' textfile collector.
        notify: command that is run at the end.
    """

    executor: str = "local"
    scheduler: str | None = None
    workers: int | None = None
    retry: bool = False
    redo: bool = False
    fail_fast: bool = False
    max_failures: int | None = None
    timeout: float | None = None
    memory_limit: float | None = None
    wait: float = 0.0
    metrics: str | None = None
    notify: str | None = None

    def __post_init__(self) -> None:
        """Check.

        Raises:
            SettingsError: a value makes no sense.
        """
        make_plain(self)
        check_flags(self, ("retry", "redo", "fail_fast"))
        if self.executor not in EXECUTORS:
            raise SettingsError(f"executor '{self.executor}' is none of {', '.join(EXECUTORS)}")
        if self.scheduler is not None and self.executor != "dask":
            raise SettingsError("--scheduler goes with --executor dask")
        for name in ("workers", "timeout", "memory_limit"):
            check_above_0(name, getattr(self, name))
        for name in ("workers", "max_failures"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name))
        check_number("wait", self.wait)
        if not self.wait >= 0:  # infinite is for ever, and not a number would be, too
            raise SettingsError(f"--wait must be 0 or more (seconds), not {self.wait:g}")
        if self.max_failures is not None and self.max_failures < 0:
            raise SettingsError(f"--max-failures must be 0 or more, not {self.max_failures}")
