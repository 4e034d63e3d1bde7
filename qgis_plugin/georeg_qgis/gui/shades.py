"""Colours of text that can be read on QGIS' light themes and on its dark ones."""

from __future__ import annotations

from qgis.PyQt.QtGui import QPalette
from qgis.PyQt.QtWidgets import QApplication

# What it is for: on light ground, on dark ground.
SHADES = {
    "error": ("#c0392b", "#ff8a75"),
    "warning": ("#b04a00", "#f0a860"),
    "command": ("#006aa6", "#56b4e9"),
    "debug": ("#546e7a", "#a2b3bc"),
    "moving": ("#b04a00", "#f09050"),
    "reference": ("#006aa6", "#56b4e9"),
}


def shade(name: str) -> str:
    """The colour of something, as the theme wants it."""
    light, dark = SHADES[name]
    ground = QApplication.palette().color(QPalette.ColorRole.Base)
    return dark if ground.lightness() < 128 else light
