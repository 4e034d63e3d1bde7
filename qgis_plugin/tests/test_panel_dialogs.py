"""The panel's engine, and the dialogs that set one up and fetch models."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from georeg_qgis.engine import discovery, errors, installing
from panels import align, click
from waiting import until


def test_missing_engine(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(discovery.VARIABLE, "/nowhere/python")
    align(panel)
    assert "no such file" in panel.stage.text()
    until(panel.notice.isVisible)
    assert panel.setup_button.isVisible()
    click(panel.setup_button)
    assert panel.setup.isVisible()
    assert panel.results.current is None


def test_matchers_that_are_there_are_offered(panel: Any) -> None:
    until(lambda: not panel.waiting)
    combo = panel.inputs.matcher
    values = [combo.itemData(i) for i in range(combo.count())]
    assert values[0] == "auto"
    assert {"structural", "sift"} <= set(values)
    assert panel.engine_label.text().startswith("georeg ")


def test_models_are_listed(panel: Any) -> None:
    click(panel.inputs.models)
    dialog = panel.models
    until(lambda: dialog._task is None and dialog.rows)
    names = [dialog.table.item(row, 0).text() for row in range(dialog.table.rowCount())]
    assert {"minima_loftr", "minima_roma"} <= set(names)
    dialog.table.selectRow(names.index("minima_loftr"))
    assert dialog.pull.isEnabled() != dialog.remove.isEnabled()


def test_models_dialog_opened_again_leaves_alone_what_is_under_way(panel: Any) -> None:
    """A download could neither be seen nor cancelled any more."""
    panel.open_models()
    dialog = panel.models
    first = dialog._task
    assert first is not None
    panel.open_models()
    assert dialog._task is first
    until(lambda: dialog._task is None and dialog.rows)


def test_nothing_else_is_installed_meanwhile(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of a field let 'Install' be pressed again, which cleared what was being made."""

    def wait(choice: Any, say: Any, is_cancelled: Any, proxy: str) -> None:
        while not is_cancelled():
            time.sleep(0.01)
        raise errors.EngineError("Cancelled.")

    monkeypatch.setattr(installing, "install", wait)
    panel.open_setup()
    setup = panel.setup
    setup.folder.setFilePath(str(tmp_path / "engine"))
    assert setup.install.isEnabled()
    click(setup.install)
    assert not any(w.isEnabled() for w in (setup.install, setup.package, setup.folder, setup.cuda))
    click(setup.cancel)
    until(lambda: setup._task is None)
    assert all(w.isEnabled() for w in (setup.install, setup.package, setup.folder, setup.cuda))


def test_set_up_shows_its_plan_and_does_nothing(panel: Any, tmp_path: Path) -> None:
    panel.open_setup()
    setup = panel.setup
    setup.folder.setFilePath(str(tmp_path / "engine"))
    for button, size in ((setup.cuda, "7.0 GB"), (setup.cpu, "1.6 GB")):
        button.setChecked(True)
        assert size in setup.plan.toPlainText()
    assert f"venv {tmp_path / 'engine'}" in setup.plan.toPlainText()
    setup.folder.setFilePath("/proc")
    assert not setup.install.isEnabled()
    assert not (tmp_path / "engine").exists()
    # A Python without georeg is told apart from one with it.
    setup.existing.setFilePath("/usr/bin/python3")
    click(setup.use)
    until(lambda: setup._task is None)
    assert "has no georeg engine" in setup.status.text()
    setup.existing.setFilePath(os.environ["GEOREG_PYTHON"])
    click(setup.use)
    until(lambda: setup._task is None)
    assert "is ready: georeg" in setup.status.text()
