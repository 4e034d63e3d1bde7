"""Text and JSON files: whole or not at all, and errors that name the file."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeg.errors import InputError, OutputError, SettingsError
from georeg.textfile import finite, read_json, read_text, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_text_round_trip(tmp_path: Path) -> None:
    path = str(tmp_path / "a.txt")
    write_text(path, "Zürich\nline two\n")
    assert read_text(path) == "Zürich\nline two\n"
    assert Path(path).read_bytes() == "Zürich\nline two\n".encode()
    assert names(tmp_path) == ["a.txt"]


def test_numbers_that_json_has_no_word_for_become_null(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    data = {
        "a": math.nan, "b": [math.inf, 1.5], "c": np.float32(2), "d": np.int64(3),
        "e": np.bool_(True), "f": (-math.inf, None, "x", False), "g": {"h": np.float64("nan")},
    }  # fmt: skip
    write_json(path, data)
    assert read_json(path, "JSON") == {
        "a": None, "b": [None, 1.5], "c": 2.0, "d": 3, "e": True, "f": [None, None, "x", False],
        "g": {"h": None},
    }  # fmt: skip


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(values)
def test_finite_values_are_strict_json(value: Any) -> None:
    text = json.dumps(finite(value), allow_nan=False)
    assert json.dumps(finite(json.loads(text)), allow_nan=False) == text


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OutputError, match="not valid UTF-8"):
        write_text(str(path), "half \udcff")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match=r"a\.json can't be written"):
        write_json(str(tmp_path / "a.json"), {})
    assert names(tmp_path) == ["a.json"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        write_text(str(tmp_path / "nowhere" / "a.txt"), "x")


def test_existing_files_and_links_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("mine")
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "nowhere.txt")
    for name in (path, link):
        with pytest.raises(SettingsError, match="--overwrite"):
            write_text(str(name), "x", overwrite=False)
    assert path.read_text() == "mine"
    assert link.is_symlink()


def test_permissions_of_what_is_replaced_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    path.chmod(0o600)
    write_text(str(path), "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


def test_links_stay_links(tmp_path: Path) -> None:
    """What they point to is replaced."""
    disk = tmp_path / "disk"
    disk.mkdir()
    link = tmp_path / "latest.json"
    link.symlink_to(disk / "a.json")
    for text in ("one", "two"):
        write_text(str(link), text)
        assert link.is_symlink()
        assert (disk / "a.json").read_text() == text
    assert names(tmp_path) == ["disk", "latest.json"]
    assert names(disk) == ["a.json"]


@pytest.mark.parametrize("letter", ["a", "ä"])
def test_long_names(tmp_path: Path, letter: str) -> None:
    """As long as the disk takes; what is written first has a longer one."""
    name = letter * (250 // len(letter.encode())) + ".json"
    write_text(str(tmp_path / name), "x")
    assert names(tmp_path) == [name]


def test_devices_stay_devices() -> None:
    write_text(os.devnull, "x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_pipes_are_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(str(pipe), "hello", overwrite=False)
        assert os.read(reader, 100) == b"hello"
    finally:
        os.close(reader)
    assert names(tmp_path) == ["pipe"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "not a text file in UTF-8"),
        (b"[1]", "is not a fit file"),
        (b"{", "is not a fit file"),
        (b"{" * 5, "is not a fit file"),
        (b'{"a":' * 50_000, "is not a fit file"),
    ],
)
def test_what_is_no_json_object(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        read_json(str(path), "a fit file")
    assert str(path) in str(error.value)


def test_folders_and_missing_files_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_text(str(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        read_text(str(tmp_path / "a"))
