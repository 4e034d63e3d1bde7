"""Packs the plugin: `python qgis_plugin/pack.py [FOLDER]` writes georeg_qgis-VERSION.zip.

Needs Qt's lrelease (Debian: qttools5-dev-tools), which makes .qm of the translations. The same
sources give the same bytes.
"""

from __future__ import annotations

import configparser
import shutil
import subprocess  # nosec B404 - lrelease of Qt
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLUGIN = HERE / "georeg_qgis"
_LEFT_OUT = {"__pycache__"}
_TIME = (2026, 1, 1, 0, 0, 0)


def lrelease() -> str:
    """Qt's compiler of translations."""
    for name in (
        "lrelease",
        "lrelease-qt5",
        "/usr/lib/qt5/bin/lrelease",
        "/usr/lib/qt6/bin/lrelease",
    ):
        found = shutil.which(name)
        if found:
            return found
    raise SystemExit("pack.py: lrelease is missing (Debian: apt install qttools5-dev-tools)")


def version() -> str:
    """Of metadata.txt."""
    parser = configparser.ConfigParser()
    parser.read(PLUGIN / "metadata.txt", encoding="utf-8")
    return parser["general"]["version"]


def members() -> list[Path]:
    """Files that go in as they are."""
    return [
        path
        for path in sorted(PLUGIN.rglob("*"))
        if path.is_file()
        and not _LEFT_OUT & set(path.parts)
        and not path.name.startswith(".")
        and path.suffix not in (".pyc", ".qm", ".ts")
    ]


def compiled(folder: Path) -> list[tuple[str, bytes]]:
    """The translations as .qm."""
    found = []
    for source in sorted((PLUGIN / "i18n").glob("*.ts")):
        target = folder / f"{source.stem}.qm"
        command = [lrelease(), "-silent", str(source), "-qm", str(target)]
        if subprocess.run(command, check=False).returncode:  # nosec B603 - lrelease of Qt
            raise SystemExit(f"pack.py: {command[0]} failed on {source}")
        found.append((f"georeg_qgis/i18n/{target.name}", target.read_bytes()))
    return found


def pack(folder: Path) -> Path:
    """Write the zip into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"georeg_qgis-{version()}.zip"
    entries = [
        (f"georeg_qgis/{path.relative_to(PLUGIN).as_posix()}", path.read_bytes())
        for path in members()
    ]
    with tempfile.TemporaryDirectory() as work:
        entries += compiled(Path(work))
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in sorted(entries):
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return target


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "dist"
    sys.stdout.write(f"{pack(where)}\n")
