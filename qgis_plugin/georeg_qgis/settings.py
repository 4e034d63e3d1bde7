"""What the plugin remembers, and the engine as the settings have it."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import QgsSettings

from .engine import discovery

_PYTHON = "georeg/python"


def chosen_python() -> str:
    """The interpreter that the user chose; empty for none."""
    return str(QgsSettings().value(_PYTHON, "") or "")


def choose_python(path: str) -> None:
    """Remember an interpreter; an empty one goes back to 'Set up engine'."""
    QgsSettings().setValue(_PYTHON, path)


def find_engine(is_cancelled: Callable[[], bool] | None = None) -> discovery.Engine:
    """The engine. Starts it to ask for its version: not for the GUI thread.

    Args:
        is_cancelled: asked often.

    Raises:
        EngineError: there is none that can be used, or it was cancelled.
    """
    return discovery.find(chosen_python(), is_cancelled=is_cancelled)


def proxy() -> str:
    """QGIS' own proxy as a URL, without its password; empty for none."""
    settings = QgsSettings()
    if str(settings.value("proxy/proxyEnabled", "false")).lower() not in ("true", "1"):
        return ""
    if str(settings.value("proxy/proxyType", "")) not in ("HttpProxy", "HttpCachingProxy"):
        return ""
    host, port = settings.value("proxy/proxyHost", ""), settings.value("proxy/proxyPort", "")
    return f"http://{host}:{port}" if host and port else ""
