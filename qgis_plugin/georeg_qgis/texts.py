"""Translation: `tr` for everything that is shown."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, QLocale, QTranslator

CONTEXT = "georeg"
HERE = os.path.dirname(__file__)


def tr(text: str) -> str:
    """The text in QGIS' language."""
    return QCoreApplication.translate(CONTEXT, text)


def shown(value: float, digits: int, *, signed: bool = False) -> str:
    """A number as QGIS' language writes it: 0.5 or 0,5."""
    text = QLocale().toString(float(value), "f", digits)
    return f"+{text}" if signed and value >= 0 else text


class _Number(float):
    """A number that is put into texts as QGIS' language writes it."""

    def __format__(self, spec: str) -> str:
        digits = spec[1:-1]
        if spec[:1] == "." and spec[-1:] == "f" and digits.isdigit():
            return shown(self, int(digits))
        return super().__format__(spec)


def filled(text: str, **values: Any) -> str:
    """The text in QGIS' language, and in it the values."""
    numbers = {k: _Number(v) if isinstance(v, float) else v for k, v in values.items()}
    return tr(text).format(**numbers)


def said(error: Exception) -> str:
    """An error in QGIS' language, as far as it can be."""
    template = getattr(error, "template", "")
    return filled(template, **error.values) if template else str(error) or type(error).__name__


def translator() -> QTranslator | None:
    """The plugin's translation into QGIS' language, to be installed; None if there is none."""
    found = QTranslator()
    name = os.path.join(HERE, "i18n", f"georeg_{QgsApplication.locale()[:2]}.qm")
    return found if os.path.isfile(name) and found.load(name) else None


def help_page(anchor: str = "") -> str:
    """URL of the help, in QGIS' language where there is one."""
    language = QgsApplication.locale()[:2]
    name = f"index_{language}.html"
    if not os.path.isfile(os.path.join(HERE, "help", name)):
        name = "index.html"
    path = os.path.join(HERE, "help", name).replace(os.sep, "/")
    return f"file://{'' if path.startswith('/') else '/'}{path}" + (f"#{anchor}" if anchor else "")
