"""Where Qt 5 and Qt 6 differ."""

from __future__ import annotations

from typing import Any

from qgis.PyQt import QtGui, QtWidgets

QAction = QtGui.QAction if hasattr(QtGui, "QAction") else QtWidgets.QAction


def number(flags: Any) -> int:
    """Flags as the whole number that some of Qt's functions want."""
    return int(getattr(flags, "value", flags))
