"""A matcher that works on a Dask cluster: the tiles of one pair, spread over many workers.

Rasters are read, and tie points fitted, on this machine; workers get the pixels of tiles and give
similarity surfaces or points back. Worth it where matching takes longer than sending a tile: for
networks, and for huge pairs. Weights are loaded by the workers, from their own disks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import lru_cache
from typing import Any

from georeg.errors import ClusterError, InputError, SettingsError
from georeg.matching.protocol import Device, Matcher, Surfaces, TileBatch, TilePoints
from georeg.matching.running import REMOTE, pick_devices

Make = Callable[[Device], Matcher]
"""Makes the matcher on a worker; goes there by pickle, so it is a function of a module, or a
`functools.partial` of one, and names weights rather than holding them."""

_PATIENCE = 30.0  # seconds until a scheduler must answer
_AT_ONCE = 2  # batches under way for each of the cluster's threads: one computes, one travels


class Remote:
    """A matcher whose batches are matched elsewhere."""

    side_by_side = True

    def __init__(self, make: Make, key: str, device: Device) -> None:
        """Connect.

        Args:
            make: the matcher.
            key: says which matcher, weights and options these are.
            device: `dask:` and the scheduler's address, or the path of its scheduler file.

        Raises:
            SettingsError: Dask isn't installed.
            ClusterError: the scheduler doesn't answer.
        """
        self._make, self._key, self._device = make, key, device
        self._client = client_of(device.name.removeprefix(REMOTE))
        here = make(Device("cpu", "float32", device.seed))  # for what it says of itself
        self.name, self.layouts = here.name, here.layouts
        self.tile, self.reach, self.limit = here.tile, here.reach, here.limit
        self.small, self.scene = here.small, here.scene

    @property
    def at_once(self) -> int:
        """Batches that may be under way at a time."""
        threads = sum(self._client.nthreads().values())
        if not threads:
            raise ClusterError(f"{self._device.name} has no workers: start some")
        return _AT_ONCE * int(threads)

    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        """What the matcher finds, on whichever worker is free; lost workers are no matter.

        Raises:
            ClusterError: the scheduler was lost.
            InputError: a batch of tiles took one worker after the other with it.
        """
        from distributed import KilledWorker

        future = self._client.submit(_match, self._make, self._key, self._device, batch, pure=False)
        try:
            found: Surfaces | TilePoints = future.result()
        except CancelledError:  # when the connection breaks
            raise ClusterError(
                f"{self._device.name} was lost while it had tiles to match"
            ) from None
        except KilledWorker:
            raise InputError(
                f"{self._device.name}: several workers died of one batch of tiles; see their logs, "
                "and whether they have too little memory"
            ) from None
        return found


@lru_cache(maxsize=4)
def client_of(scheduler: str) -> Any:
    """A connection to a scheduler, one for the process.

    Raises:
        SettingsError: Dask isn't installed.
        ClusterError: the scheduler doesn't answer.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SettingsError("a Dask cluster needs Dask: pip install 'georeg[dask]'") from None
    where = {"scheduler_file": scheduler} if os.path.isfile(scheduler) else {"address": scheduler}
    try:
        return Client(**where, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"Dask's scheduler {scheduler} can't be reached: {error}") from None


_matchers: dict[str, Matcher] = {}


def _match(make: Make, key: str, wanted: Device, batch: TileBatch) -> Surfaces | TilePoints:
    """The task: on a worker's GPU if it has one."""
    from georeg.matching.running import one_thread_each, run

    device = pick_devices(
        "auto", precision=wanted.dtype, seed=wanted.seed, compiled=wanted.compiled
    )[0]
    whole = f"{key} {device}"
    if whole not in _matchers:
        _matchers[whole] = make(device)
    with one_thread_each(device):
        return run(_matchers[whole], batch)
