"""What the libraries underneath are told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
