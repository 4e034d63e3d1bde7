"""Where things are: the plugin, an engine, real rasters; QGIS in this process, without a screen."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PLUGINS))


def shared() -> Path | None:
    """The folder of real rasters, if this machine has it."""
    named = os.environ.get("GEOREG_SHARED")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def python() -> str:
    """The engine's interpreter, which whoever runs these tests has to name."""
    named = os.environ.get("GEOREG_PYTHON")
    assert named, "GEOREG_PYTHON must name a Python that has georeg"
    return named


@pytest.fixture(scope="session")
def sample(python: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The pair that comes with georeg: Blue Marble and ETOPO1."""
    folder = PLUGINS.parent / "sample_data"
    return str(folder / "moving.tif"), str(folder / "reference.tif")


@pytest.fixture(scope="session")
def real() -> tuple[str, str]:
    """Landsat-8: thermal against panchromatic; skipped where the data aren't."""
    found = shared()
    if found is None:
        pytest.skip("GEOREG_SHARED names no folder of real rasters")
    folder = found / "data" / "pairs" / "l8_elkton"
    return str(next(folder.glob("*B10*"))), str(next(folder.glob("*B8*")))
