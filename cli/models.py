"""`georeg models`: the weights of trained matchers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from georeg.errors import EXIT_USAGE, GeoregError

from .command import Argument, Command, Session
from .console import RESULT, say
from .options import TALK, options
from .values import nearest

if TYPE_CHECKING:
    from georeg.models.catalogue import Entry

F = TypeVar("F", bound=Callable[..., Any])
_TALK = tuple(name for name in TALK if name not in ("config", "print-config"))
_ACCEPT = click.option(
    "--accept-licence", is_flag=True, help="Agree to a licence that would be asked for."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


class _Group(click.Group):
    """Its commands, and the one that was perhaps meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = nearest(args[0], list(self.commands))
            raise click.UsageError(f"no command 'models {args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group("models", cls=_Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, fetch, import and check the weights of trained matchers.

    They lie in the folder that `georeg models path` prints; GEOREG_MODEL_DIR names another one.
    GEOREG_OFFLINE=1 forbids the network, which only `pull` uses anyway.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(EXIT_USAGE)


def _names(required: bool = True) -> Callable[[F], F]:
    return click.argument("names", cls=Argument, nargs=-1, required=required, metavar="NAME...")


@command.command("list", cls=Command)
@_JSON
@options(*_TALK)
@click.pass_obj
def list_(session: Session, /, as_json: bool) -> None:
    """Print all weights with their licences, and which are there."""
    from georeg.models import catalogue, store

    rows = []
    for entry in catalogue.ENTRIES:
        path = store.path_of(entry)
        rows.append(
            {
                "name": entry.name,
                "present": path.is_file(),
                "path": str(path),
                "file": entry.file,
                "bytes": entry.size,
                "licence": entry.licence,
                "needs": list(entry.needs),
                "urls": list(entry.urls),
                "page": entry.page or None,
                "shipped": entry.shipped,
                "sha256": entry.sha256,
                "note": entry.note or None,
            }
        )
    say(json.dumps(rows, indent=1) if as_json else "\n".join(_lines(rows)))


def _lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    width = max(len(row["name"]) for row in rows)
    lines = []
    for row in rows:
        about = [row["licence"]]
        about += [f"needs {', '.join(row['needs'])}"] if row["needs"] else []
        about += [] if row["urls"] or row["shipped"] else ["import only"]
        about += [row["note"]] if row["note"] else []
        size = f"{row['bytes'] / 1e6:6.{0 if row['bytes'] > 1e7 else 1}f} MB"
        sign = "present" if row["present"] else "-"
        lines.append(f"{row['name']:<{width}}  {sign:<7} {size}  {'; '.join(about)}")
    return lines


@command.command("pull", cls=Command)
@_names()
@click.option(
    "--mirror", "mirrors", multiple=True, metavar="URL", envvar="GEOREG_MODEL_MIRROR",
    help="A folder on a server to try first; several times if need be.",
)  # fmt: skip
@_ACCEPT
@options(*_TALK)
@click.pass_obj
def pull(
    session: Session, /, names: Sequence[str], mirrors: Sequence[str], accept_licence: bool
) -> None:
    """Fetch weights by NAME, with those that they need.

    An interrupted transfer goes on where it broke off. Proxies are taken from the environment.
    """
    from georeg.models import adding, catalogue, store

    todo, agree = _with_needs(names), _consent(session, accept_licence)
    later = []
    for name in todo:
        entry = catalogue.get(name)
        if name not in names and not entry.urls:
            # Asked for indirectly, and the user has to fetch it.
            later += [] if store.present(name) else [entry]
            continue

        def tell(done: int, total: int, name: str = name, size: int = entry.size) -> None:
            session.tell(name, done / max(total or size, 1))

        added = adding.pull(name, mirrors=mirrors, agree=agree, progress=tell)
        said = f"{name}: {added.path}" if added.new else f"{name}: was there, {added.path}"
        session.console.event(
            RESULT, "result", said, name=name, path=str(added.path), sha256=added.sha256
        )
    for entry in later:
        session.console.event(30, "log", store.how_to_get(entry))


def _with_needs(names: Sequence[str]) -> list[str]:
    """Names and what they need, each once."""
    from georeg.models import catalogue

    found: dict[str, None] = {}
    for name in names:
        found[name] = None
        found |= dict.fromkeys(_with_needs(catalogue.get(name).needs))
    return list(found)


@command.command("import", cls=Command)
@click.argument("file", cls=Argument)
@click.option("--as", "name", metavar="NAME", help="What it is, where its tensors don't tell.")
@click.option("--overwrite", is_flag=True, help="Replace another file of the same name.")
@_ACCEPT
@options(*_TALK)
@click.pass_obj
def import_(
    session: Session, /, file: str, name: str | None, overwrite: bool, accept_licence: bool
) -> None:
    """Copy the checkpoint FILE to where georeg finds it.

    What it is, is told from its tensors; they must be complete. Nothing in it is run.
    """
    from georeg.models import adding

    agree = _consent(session, accept_licence)
    added = adding.import_file(file, name, agree=agree, overwrite=overwrite)
    said = f"{file} is {added.name}: {added.path}"
    session.console.event(
        RESULT, "result", said, name=added.name, path=str(added.path), sha256=added.sha256
    )


@command.command("verify", cls=Command)
@_names(required=False)
@_JSON
@options(*_TALK)
@click.pass_obj
def verify(session: Session, /, names: Sequence[str], as_json: bool) -> None:
    """Look whether files of weights are whole.

    Those of NAMEs, or all that are there, are compared with their checksums and their tensors.
    """
    from georeg.models import catalogue, store

    chosen = names or [e.name for e in catalogue.ENTRIES if store.path_of(e).is_file()]
    rows: list[dict[str, Any]] = []
    first: GeoregError | None = None
    for name in chosen:
        entry = catalogue.get(name)
        session.tell("verify", len(rows) / len(chosen))
        try:
            warning = store.verify(name)
            _load(entry)
            rows.append({"name": name, "ok": True, "message": warning})
        except GeoregError as error:
            first = first or error
            rows.append({"name": name, "ok": False, "message": str(error)})
    if as_json:
        say(json.dumps(rows, indent=1))
    else:
        for row in rows:
            word = "ok" if row["ok"] else "wrong"
            say(f"{row['name']}: {word}" + (f" ({row['message']})" if row["message"] else ""))
    if first is not None:
        raise first


def _load(entry: Entry) -> None:
    from georeg.models import recognise, store

    recognise.load(store.path_of(entry), entry.layout)


@command.command("path", cls=Command)
@click.argument("name", cls=Argument, required=False)
@options(*_TALK)
@click.pass_obj
def path(session: Session, /, name: str | None) -> None:
    """Print the folder of the weights, or the file of NAME."""
    from georeg.models import store

    say(str(store.folder() if name is None else store.find(name)))


@command.command("remove", cls=Command)
@_names()
@options(*_TALK)
@click.pass_obj
def remove(session: Session, /, names: Sequence[str]) -> None:
    """Delete the files of NAMEs, and what is left of transfers."""
    from georeg.models import catalogue, store

    for name in names:
        catalogue.get(name)  # a wrong name is found before anything is deleted
    for name in names:
        gone = store.remove(name)
        said = f"{name}: removed" if gone else f"{name}: was not there"
        session.console.event(RESULT, "result", said, name=name, removed=[str(p) for p in gone])


def _consent(session: Session, accepted: bool) -> Callable[[Entry], bool]:
    """Says a licence aloud, and waits for an answer if there is someone to give it."""

    def agree(entry: Entry) -> bool:
        if accepted:
            session.console.event(30, "log", f"{entry.name}: {entry.licence}")
            return True
        asked = f"{entry.name}: {entry.licence}. Do you agree?"
        return sys.stdin.isatty() and click.confirm(asked, err=True)

    return agree
