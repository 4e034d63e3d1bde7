"""What the libraries underneath are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

CODE = """
from georeg_cli.main import main
try:
    main()
except SystemExit:
    import torch
"""


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp shows what it was told, on Linux")
@pytest.mark.parametrize(("wanted", "spins"), [(None, "0"), ("ACTIVE", "30000000000")])
def test_idle_threads_leave_the_cores_to_others(wanted: str | None, spins: str) -> None:
    """Unless the user wants otherwise. It's too late once torch is loaded."""
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    env |= {"OMP_DISPLAY_ENV": "VERBOSE"} | ({"OMP_WAIT_POLICY": wanted} if wanted else {})
    run = subprocess.run(
        [sys.executable, "-c", CODE, "--version"], env=env, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert f"GOMP_SPINCOUNT = '{spins}'" in run.stderr


def test_python_looks_for_garbage_less_often() -> None:
    """Among all that torch makes when it is imported, there is none."""
    lines = ("from georeg.environment import prepare", "import gc", "prepare()",
             "print(gc.isenabled(), gc.get_threshold()[0])")  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    enabled, threshold = run.stdout.split()
    assert enabled == "True"
    assert int(threshold) >= 10_000


def test_proj_says_nothing_past_us(tmp_path: Path) -> None:
    """It did where a GeoTIFF's CRS counts kilometres, ten lines a run."""
    path = str(tmp_path / "a.tif")
    crs = "+proj=laea +lat_0=50 +lon_0=10 +ellps=GRS80 +units=km"
    with rasterio.open(
        path, "w", driver="GTiff", height=9, width=9, count=1, dtype="uint8", crs=crs,
        transform=Affine(1, 0, 100, 0, -1, 100),
    ) as file:  # fmt: skip
        file.write(np.arange(81, dtype=np.uint8).reshape(1, 9, 9))
    env = {k: v for k, v in os.environ.items() if k != "PROJ_DEBUG"}
    run = subprocess.run(
        [sys.executable, "-m", "georeg", "info", path], env=env, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_python_does_not_look_for_garbage_as_it_ends() -> None:
    """All of it goes with the process; looking through torch's objects takes half a second."""
    lines = ("from georeg.environment import prepare", "import atexit, gc",
             "atexit.register(lambda: print(len(gc.get_objects()), gc.get_freeze_count()))",
             "prepare()", "print(len(gc.get_objects()), gc.get_freeze_count())")  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    (sought, frozen), (sought_at_exit, frozen_at_exit) = (
        map(int, line.split()) for line in run.stdout.splitlines()
    )
    assert sought > 1000
    assert not frozen
    assert sought_at_exit < 100
    assert frozen_at_exit > 1000


FORK = """
import os, sys
from georeg.grid import Window
from georeg.raster import Raster
from georeg.warping import gdal_env

def total():
    with gdal_env(2), Raster(sys.argv[1]) as raster:
        return int(raster.read(Window(0, 0, 512, 512)).data.sum())

before = total()
child = os.fork()
if not child:
    os._exit(0 if total() == before else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are forks on Unix only")
@pytest.mark.parametrize("own", [None, "2"])
def test_forks_of_a_process_that_has_used_georeg_can_use_it(
    own: str | None, tmp_path: Path
) -> None:
    """As multiprocessing makes them. GDAL's threads aren't in them, and it waited for one."""
    name = str(tmp_path / "scene.tif")
    pixels = np.arange(512 * 512, dtype=np.uint16).reshape(1, 512, 512)
    with rasterio.open(
        name, "w", driver="GTiff", width=512, height=512, count=1, dtype="uint16",
        compress="deflate", transform=Affine.translation(0.5, 0.5),
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    env = {k: v for k, v in os.environ.items() if k != "GDAL_NUM_THREADS"}
    env |= {"GDAL_NUM_THREADS": own} if own else {}
    with subprocess.Popen(
        [sys.executable, "-c", FORK, name], env=env, start_new_session=True
    ) as run:
        try:
            assert run.wait(timeout=60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
