"""Texts for translators: `python qgis_plugin/translations.py update` or `check`.

Collects what `tr("...")` and `N_("...")` mark in the plugin and keeps `i18n/*.ts` in step: new
texts come in unfinished, texts that are gone go. Qt's lrelease makes .qm of them when the plugin is
packed. pylupdate5 doesn't know functions of a module, so that this program takes its place.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml  # nosec B405 - our own files

PLUGIN = Path(__file__).resolve().parent / "georeg_qgis"
CONTEXT = "georeg"
_MARKS = ("tr", "N_")


def marked() -> dict[str, str]:
    """All texts in the order of the files, and where each is first found."""
    found: dict[str, str] = {}
    for path in sorted(PLUGIN.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, (ast.Name, ast.Attribute))
                and getattr(node.func, "id", getattr(node.func, "attr", "")) in _MARKS
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                where = f"{path.relative_to(PLUGIN).as_posix()}"
                found.setdefault(node.args[0].value, where)
    return found


def known(path: Path) -> dict[str, str]:
    """Finished translations of a .ts file."""
    if not path.exists():
        return {}
    found = {}
    for message in Xml.parse(path).iter("message"):  # nosec B314 - our own files
        translation = message.find("translation")
        if translation is not None and translation.get("type") != "unfinished":
            found[message.findtext("source", "")] = translation.text or ""
    return found


def write(path: Path, texts: dict[str, str], translations: dict[str, str]) -> None:
    """A .ts file with all texts."""
    language = path.stem.partition("_")[2]
    root = Xml.Element("TS", version="2.1", language=language, sourcelanguage="en")
    context = Xml.SubElement(root, "context")
    Xml.SubElement(context, "name").text = CONTEXT
    for text, where in texts.items():
        message = Xml.SubElement(context, "message")
        Xml.SubElement(message, "location", filename=f"../{where}")
        Xml.SubElement(message, "source").text = text
        translation = Xml.SubElement(message, "translation")
        if text in translations:
            translation.text = translations[text]
        else:
            translation.set("type", "unfinished")
    Xml.indent(root)
    head = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n'
    path.write_text(head + Xml.tostring(root, "unicode") + "\n", encoding="utf-8")


def problems(path: Path) -> list[str]:
    """Texts without translation, translations without text, and placeholders that differ."""
    texts, translations = marked(), known(path)
    found = [f"{path.name} lacks: {text}" for text in texts if not translations.get(text)]
    found += [f"{path.name} has, but nothing uses: {t}" for t in translations if t not in texts]
    for text, translated in translations.items():
        if set(re.findall(r"{\w+", text)) != set(re.findall(r"{\w+", translated)):
            found.append(f"{path.name}: other placeholders: {text}")
    return found


def main(arguments: list[str]) -> int:
    """Update or check all .ts files."""
    files = sorted((PLUGIN / "i18n").glob("*.ts"))
    if arguments == ["update"]:
        for path in files:
            write(path, marked(), known(path))
        return 0
    if arguments == ["check"]:
        found = [problem for path in files for problem in problems(path)]
        sys.stderr.write("".join(f"{problem}\n" for problem in found))
        return 1 if found else 0
    sys.stderr.write("say update or check\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
