"""What holds for all tests: libraries are told what `georeg` tells them, before they load."""

from __future__ import annotations

import pytest

from georeg.environment import prepare

prepare()

# Files that take longest, with the longest first. Where several processes work on one file each
# (.ci/run), these must not come last: the others would have nothing to do meanwhile.
LONG = (
    "memory", "align", "networks_roma", "batch_faults", "docs", "matchers_contract",
    "training_runs", "real_weights", "warping", "training_dataset", "matchers_align",
    "matchers_networks", "networks_loftr", "readme", "batch_cloud", "cli_signals", "ortho_refined",
    "searching", "fit_exports", "networks_lightglue", "batch_stack", "place", "networks_eloftr",
    "bends", "geotiff", "networks_xoftr", "batch_dask", "batch", "ortho_real", "scan_gaps",
    "synthesis", "geotiff_large",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In processes of pytest-xdist: long files first, the others in their order."""
    if hasattr(config, "workerinput"):
        place = {f"test_{name}": number for number, name in enumerate(LONG)}
        items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))
