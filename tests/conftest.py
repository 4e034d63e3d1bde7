"""What holds for all tests: libraries are told what `georeg` tells them, before they load."""

from __future__ import annotations

import pytest

from georeg.environment import prepare

prepare()

# Files that take longest, with the longest first. Where several processes work on one file each
# (.ci/run), these must not come last: the others would have nothing to do meanwhile.
LONG = (
    "memory", "matchers_contract", "networks_roma", "docs", "align", "batch_faults",
    "training_runs", "matchers_networks", "training_dataset", "matchers_align", "real_weights",
    "networks_loftr", "networks_lightglue", "ortho_refined", "searching", "cli_signals",
    "batch_cloud", "batch_dask", "batch", "geotiff_large", "batch_stack", "place",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In processes of pytest-xdist: long files first, the others in their order."""
    if hasattr(config, "workerinput"):
        place = {f"test_{name}": number for number, name in enumerate(LONG)}
        items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))
