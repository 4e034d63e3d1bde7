"""What holds for all tests: libraries are told what `georeg` tells them, before they load."""

from __future__ import annotations

from georeg.environment import prepare

prepare()
