"""What holds for all tests: libraries are told what `georeg` tells them, before they load."""

from __future__ import annotations

import pytest

from georeg.environment import prepare

prepare()

# Files that take longest, with the longest first. Where several processes work on one file each
# (.ci/run), these must not come last: the others would have nothing to do meanwhile.
LONG = (
    "memory", "networks_roma", "matchers_contract", "batch_faults", "docs", "align",
    "training_runs", "batch", "batch_cloud", "matchers_align", "training_dataset", "real_weights",
    "ortho_refined", "matchers_networks", "cli_signals", "batch_stack", "batch_dask",
    "geotiff_large",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In processes of pytest-xdist: long files first, the others in their order."""
    if hasattr(config, "workerinput"):
        place = {f"test_{name}": number for number, name in enumerate(LONG)}
        items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))
