"""Transfers: broken, resumed, corrupted, too large, elsewhere. All from a server of our own."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from georeg.errors import InputError, OutputError
from georeg.models.download import Fetched, download
from model_cases import BODY, Server, serving

SUM = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        found.files["w.bin"] = BODY
        yield found


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def fetch(folder: Path, *urls: str, **how: object) -> Fetched:
    options = {"limit": len(BODY) * 2, "pause": 0.0, **how}
    return download(urls, folder / "w.bin.part", **options)  # type: ignore[arg-type]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_good(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    url = f"{server.url}/w.bin"
    got = fetch(tmp_path, url, progress=lambda done, total: told.append((done, total)))
    assert got == Fetched(url, len(BODY), SUM)
    assert (tmp_path / "w.bin.part").read_bytes() == BODY
    assert left(tmp_path) == ["w.bin.part"]
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)


def test_broken_off_then_resumed_at_once(server: Server, tmp_path: Path) -> None:
    server.breaks["w.bin"] = [300_000, 200_000]
    assert fetch(tmp_path, f"{server.url}/w.bin").sha256 == SUM
    ranges = [asked for _, asked in server.asked]
    assert ranges[0] is None
    assert ranges[1:] == ["bytes=300000-", "bytes=500000-"]


def test_interrupted_leaves_what_can_be_resumed(server: Server, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, f"{server.url}/w.bin", progress=stop)
    assert left(tmp_path) == ["w.bin.part", "w.bin.part.json"]
    have = (tmp_path / "w.bin.part").read_bytes()
    assert 0 < len(have) < len(BODY)
    assert BODY.startswith(have)
    assert fetch(tmp_path, f"{server.url}/w.bin").sha256 == SUM
    assert server.asked[-1][1] == f"bytes={len(have)}-"


def test_given_up_and_resumed_by_the_next_run(server: Server, tmp_path: Path) -> None:
    """A line that breaks after each byte gets on; one that brings nothing at all doesn't."""
    server.breaks["w.bin"] = [1000, 1, 1, 0, 0, 0, 0, 0, 0]
    with pytest.raises(InputError, match=r"broke off after 1002 of .*1002 bytes are kept"):
        fetch(tmp_path, f"{server.url}/w.bin")
    server.breaks.clear()
    assert fetch(tmp_path, f"{server.url}/w.bin").sha256 == SUM
    assert server.asked[-1][1] == "bytes=1002-"


def test_another_file_by_now_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.breaks["w.bin"] = [1000, 0, 0, 0, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(tmp_path, f"{server.url}/w.bin")
    server.breaks.clear()
    server.files["w.bin"], server.tags["w.bin"] = BODY[::-1], '"two"'
    fetch(tmp_path, f"{server.url}/w.bin")
    assert (tmp_path / "w.bin.part").read_bytes() == BODY[::-1]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_validator_nothing_is_appended(server: Server, tmp_path: Path, tag: str) -> None:
    """The server may have another file by now, and no checksum would tell."""
    server.tags["w.bin"], server.breaks["w.bin"] = tag, [1000]
    assert fetch(tmp_path, f"{server.url}/w.bin").sha256 == SUM
    assert [asked for _, asked in server.asked] == [None, None]


def test_with_a_known_checksum_a_mirror_goes_on(server: Server, tmp_path: Path) -> None:
    server.files["x.bin"] = BODY
    server.breaks["x.bin"] = [1000, 0, 0, 0, 0, 0]
    got = fetch(tmp_path, f"{server.url}/x.bin", f"{server.url}/w.bin", sha256=SUM)
    assert got.url.endswith("/w.bin")
    assert server.asked[-1] == ("/w.bin", "bytes=1000-")


def test_server_without_ranges(server: Server, tmp_path: Path) -> None:
    server.whole.add("w.bin")
    server.breaks["w.bin"] = [300_000]
    assert fetch(tmp_path, f"{server.url}/w.bin").sha256 == SUM


def test_complete_but_not_moved(server: Server, tmp_path: Path) -> None:
    """The process ended between the last byte and the move."""
    (tmp_path / "w.bin.part").write_bytes(BODY)
    assert fetch(tmp_path, f"{server.url}/w.bin", sha256=SUM).size == len(BODY)
    (tmp_path / "w.bin.part").write_bytes(BODY + b"more")
    assert fetch(tmp_path, f"{server.url}/w.bin", sha256=SUM).size == len(BODY)


def test_corrupted_is_refused_and_forgotten(server: Server, tmp_path: Path) -> None:
    server.files["w.bin"] = BODY[:-1] + b"?"
    with pytest.raises(InputError, match=r"sha256 is .* rather than"):
        fetch(tmp_path, f"{server.url}/w.bin", sha256=SUM)
    assert left(tmp_path) == []


def test_corrupted_then_a_mirror(server: Server, tmp_path: Path) -> None:
    server.files["x.bin"] = BODY[:-1] + b"?"
    got = fetch(tmp_path, f"{server.url}/x.bin", f"{server.url}/w.bin", sha256=SUM)
    assert got.sha256 == SUM


def test_what_fails_the_check_is_refused(server: Server, tmp_path: Path) -> None:
    def check(part: Path) -> None:
        if part.read_bytes() != BODY:
            raise InputError("not what it should be")

    server.files["x.bin"] = b"<html>Please sign in</html>"
    with pytest.raises(InputError, match="not what it should be"):
        fetch(tmp_path, f"{server.url}/x.bin", check=check)
    assert left(tmp_path) == []
    fetch(tmp_path, f"{server.url}/x.bin", f"{server.url}/w.bin", check=check)


@pytest.mark.parametrize("silent", [False, True])
def test_too_large(server: Server, tmp_path: Path, silent: bool) -> None:
    if silent:
        server.silent.add("w.bin")
    with pytest.raises(InputError, match="at most 500000 were expected: refused"):
        fetch(tmp_path, f"{server.url}/w.bin", limit=500_000)
    assert left(tmp_path) == []


def test_404_then_a_mirror(server: Server, tmp_path: Path) -> None:
    got = fetch(tmp_path, f"{server.url}/nothing", f"{server.url}/w.bin")
    assert got.url.endswith("/w.bin")
    with pytest.raises(InputError, match="HTTP 404"):
        fetch(tmp_path / "other", f"{server.url}/nothing")
    assert left(tmp_path / "other") == []


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=f"127.0.0.1:{port}: Connection refused"):
        fetch(tmp_path, f"http://127.0.0.1:{port}/w.bin")


def test_only_http(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with pytest.raises(InputError, match="only http and https"):
        fetch(tmp_path / "out", f"file://{tmp_path}/secret")


def test_two_at_once(server: Server, tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        with pytest.raises(InputError, match="being fetched by another process"):
            fetch(tmp_path, f"{server.url}/w.bin")

    assert fetch(tmp_path, f"{server.url}/w.bin", progress=second).sha256 == SUM


def test_proxy_of_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name can't be resolved by anybody; the proxy serves it."""
    monkeypatch.setenv("http_proxy", server.url)
    assert fetch(tmp_path, "http://weights.invalid/w.bin").sha256 == SUM
    assert server.asked == [("http://weights.invalid/w.bin", None)]
    monkeypatch.setenv("no_proxy", "weights.invalid")
    with pytest.raises(InputError, match=r"weights\.invalid"):
        fetch(tmp_path / "other", "http://weights.invalid/w.bin")
    assert len(server.asked) == 1


def test_folder_that_cannot_be(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="can't be written"):
        fetch(tmp_path / "file" / "deeper", f"{server.url}/w.bin")


def test_note_of_the_origin_is_illegible(server: Server, tmp_path: Path) -> None:
    (tmp_path / "w.bin.part").write_bytes(b"something else")
    for text in ("{", "[]", json.dumps({"url": 3})):
        (tmp_path / "w.bin.part.json").write_text(text)
        assert fetch(tmp_path, f"{server.url}/w.bin").sha256 == SUM
