"""What mkdocs can't do by itself: pages that are made of what is elsewhere in the repository.

- reference/cli/: one page for each command, from click: the words of `georeg COMMAND --help`;
- benchmarks/: the tables of benchmarks/results; changes.md and sample_data.md likewise;
- links to any of these files, as they work in the repository, lead to those pages.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from georeg_cli.main import cli

ROOT = Path(__file__).resolve().parents[1]
TABLES = sorted((ROOT / "benchmarks" / "results").glob("*.md"))
# Pages of the site that are files of the repository outside of docs/.
BORROWED = {f"benchmarks/{path.name}": f"benchmarks/results/{path.name}" for path in TABLES} | {
    "changes.md": "CHANGES.md",
    "sample_data.md": "sample_data/README.md",
}
# Where links to other places of the repository lead; a folder stands for what tells about it.
LED = {source: page for page, source in BORROWED.items()} | {
    "benchmarks/results": "accuracy.md",
    "README.md": "index.md",
}
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def on_config(config: MkDocsConfig) -> None:
    """Fill the folders of the navigation."""
    names = {
        "benchmarks/": [f"benchmarks/{path.name}" for path in TABLES],
        "reference/cli/": [f"reference/cli/{name}.md" for name, _ in commands()],
    }
    config.nav = _filled(config.nav, names)


def _filled(entries: Any, names: dict[str, list[str]]) -> Any:
    if isinstance(entries, list):
        return [_filled(entry, names) for entry in entries]
    if isinstance(entries, dict):
        return {title: _filled(entry, names) for title, entry in entries.items()}
    return names.get(entries, entries)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for page, source in BORROWED.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for name, text in commands():
        files.append(File.generated(config, f"reference/cli/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to the pages that stand for their targets."""
    here = page.file.src_uri
    folder = posixpath.dirname(BORROWED.get(here, f"docs/{here}"))
    made = here.startswith("reference/cli/")
    return markdown if made else _LINK.sub(lambda link: _led(link, folder, here), markdown)


def _led(link: re.Match[str], folder: str, here: str) -> str:
    start, target, anchor, end = link.groups()
    if ":" in target:
        return link[0]
    place = posixpath.normpath(posixpath.join(folder, target))
    page = LED.get(place) or (place.removeprefix("docs/") if place.startswith("docs/") else None)
    if page is None:
        return link[0]
    way = posixpath.relpath(page, posixpath.dirname(here) or ".")
    return f"{start}{way}{anchor or ''}{end}"


def commands() -> Iterator[tuple[str, str]]:
    """File name and text of the page of each command; index is about them all."""
    ctx = click.Context(cli, info_name="georeg", **cli.context_settings)
    lines = [
        "# Command line", "",
        "Each page says what `georeg COMMAND --help` says. "
        "[Guides](../../guides/index.md) show the commands at work.", "",
        _prose(cli.help), "",
    ]  # fmt: skip
    for inner in _inside(cli, ctx):
        name, said = inner.info_name, inner.command.get_short_help_str(400)
        lines.append(f"[`georeg {name}`]({name}.md)\n:   {said}\n")
    lines += _options(ctx, 2)
    yield "index", "\n".join(lines)
    for inner in _inside(cli, ctx):
        yield str(inner.info_name), "\n".join(_page(inner, level=1))


def _inside(group: click.Group, ctx: click.Context) -> Iterator[click.Context]:
    """A context for each command of a group."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None:
            yield click.Context(command, info_name=name, parent=ctx)


def _page(ctx: click.Context, level: int) -> Iterator[str]:
    command = ctx.command
    yield f"{'#' * level} {ctx.command_path}"
    yield ""
    yield _prose(command.help)
    yield ""
    usage = " ".join(command.collect_usage_pieces(ctx))
    yield f"```text\n{ctx.command_path} {usage}\n```\n"
    if isinstance(command, click.Group):
        for inner in _inside(command, ctx):
            yield from _page(inner, level + 1)
    else:
        yield from _options(ctx, level + 1)


def _options(ctx: click.Context, level: int) -> Iterator[str]:
    """Options under the headings of the help, as definition lists."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in ctx.command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            sections.setdefault(getattr(param, "section", "General"), []).append(record)
    for heading, records in sections.items():
        yield f"{'#' * level} {heading}\n"
        for names, said in records:
            yield f"`{names.replace('|', ' | ')}`\n:   {_escaped(said)}\n"


def _prose(text: str | None) -> str:
    paragraphs = (text or "").replace("\b", "").split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in paragraphs)


def _escaped(text: str) -> str:
    """Help as Markdown: what looks like markup there isn't meant as any."""
    return re.sub(r"([*_<\[\]])", r"\\\1", " ".join(text.split()))
