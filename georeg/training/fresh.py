"""Records that are made while a training goes on: data without end, and without a disk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from georeg.errors import SettingsError
from georeg.training.dataset import Index, Record
from georeg.training.making import GROUP, DataConfig, index_of, records
from georeg.training.sources import Scene

_AT_HAND = 4  # groups that a batch is drawn from: one new one, and those before it


class Fresh:
    """What a dataset of endless length would hold, of which the last few groups are kept.

    Groups are synthesised on the device that trains. Batch n is drawn from the groups up to number
    `n // every`, so a run that goes on where it was left sees what it would have seen.

    Attributes:
        index: as of a dataset.
    """

    def __init__(
        self,
        config: DataConfig,
        found: Sequence[Scene],
        every: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make nothing yet.

        Args:
            config: the recipe; its `count` isn't looked at.
            found: the scenes, see `prepared`.
            every: batches after which there is a new group.
            device: where to synthesise.

        Raises:
            SettingsError: a new group less often than never.
        """
        if every < 1:
            raise SettingsError(f"fresh = {every}: it must be above 0, or be left out")
        self.config, self.found, self.every, self.device = config, found, every, device
        self.index: Index = index_of(config, found)
        self._groups: OrderedDict[int, list[Record]] = OrderedDict()

    def numbers(self, batch: int) -> npt.NDArray[np.int64]:
        """Numbers of the records from which a batch is drawn."""
        last = batch // self.every
        return np.arange(max(0, last - _AT_HAND + 1) * GROUP, (last + 1) * GROUP)

    def __getitem__(self, number: int) -> Record:
        """A record; made with its group if it isn't at hand."""
        group, member = divmod(number, GROUP)
        if group not in self._groups:
            self._groups[group] = records(self.config, self.found, group, self.device)
            while len(self._groups) > _AT_HAND:
                self._groups.popitem(last=False)
        return self._groups[group][member]
