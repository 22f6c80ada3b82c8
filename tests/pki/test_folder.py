"""Files of an authority: replaced whole, or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from joulemark.errors import EnvironmentFailed
from joulemark.pki import folder


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """While a file is replaced 200 times, each read is one of the written contents, and nothing is left beside it."""
    path = tmp_path / "file"
    contents = [bytes([n]) * 100_000 for n in range(2)]
    folder.replace(path, contents[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(200):
        folder.replace(path, contents[number % 2])
    done.set()
    reader.join()
    assert seen <= set(contents)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    """The mode is there before the content, also where a public part was left by a command that died."""
    (tmp_path / ".key.part").write_bytes(b"left over")
    folder.replace(tmp_path / "key", b"secret", mode=folder.SECRET)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A folder that is a file, or is not there, is an error about this machine."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentFailed, match="cannot use"), folder.locked(tmp_path / "file"):
        raise AssertionError
    with pytest.raises(EnvironmentFailed, match="cannot write"):
        folder.replace(tmp_path / "absent" / "file", b"")


def test_one_command_at_a_time(tmp_path: Path) -> None:
    """A second holder waits until the first has left."""
    order = []

    def second() -> None:
        with folder.locked(tmp_path):
            order.append("second")

    with folder.locked(tmp_path):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
