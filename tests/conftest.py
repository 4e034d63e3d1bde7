"""What holds for all tests."""

from __future__ import annotations

import os

# Before torch loads: else its threads wait in busy loops for each other, and two processes of
# tests (-n 2) take ten times as long. `georeg` itself does the same: georeg/environment.py.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
