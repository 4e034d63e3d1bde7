"""What can go wrong, each with the exit code that the command line returns for it.

The message of every error is one line that says what is wrong, with which file, and what to do.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_INPUT = 4
EXIT_BATCH = 5


class GeoregError(Exception):
    """Base of every error that georeg raises on purpose."""

    exit_code = EXIT_UNEXPECTED


class SettingsError(GeoregError, ValueError):
    """An option has a value that makes no sense."""

    exit_code = EXIT_USAGE


class InputError(GeoregError, OSError):
    """An input can't be read or can't be used."""

    exit_code = EXIT_INPUT

    def __str__(self) -> str:
        """The message alone, whatever OSError would add."""
        return str(self.args[0]) if self.args else ""


class NoOverlapError(InputError):
    """The two rasters don't cover common ground."""


class ClusterError(InputError):
    """A Dask cluster that isn't there, or was lost: it may be back, so batches try again."""


class OutputError(GeoregError, OSError):
    """An output can't be written; nothing is left behind."""

    exit_code = EXIT_UNEXPECTED

    def __str__(self) -> str:
        """The message alone, whatever OSError would add."""
        return str(self.args[0]) if self.args else ""


class PointsError(GeoregError, ValueError):
    """Tie points are too few, degenerate or malformed for what was asked."""

    exit_code = EXIT_INPUT


class RefusedError(GeoregError):
    """No trustworthy alignment was found: a normal outcome, nothing is written."""

    exit_code = EXIT_REFUSED


class BatchError(GeoregError):
    """Some of several inputs failed; what came of the others is written."""

    exit_code = EXIT_BATCH


class OutOfDeviceMemoryError(GeoregError, MemoryError):
    """Not even one tile fits into the device's memory."""
