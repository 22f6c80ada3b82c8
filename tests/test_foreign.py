"""Foreign files: plain ones only, bounded, and never out of their folder."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from joulemark import foreign
from joulemark.errors import FormatError


def pipe(path: Path) -> None:
    os.mkfifo(path)


def local_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [pipe, local_socket, device, loop, folder])
def test_only_plain_files_are_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A pipe, socket, device, loop of links or folder raises FormatError that names it, and nothing waits for it."""
    make(tmp_path / "x.csv")
    with pytest.raises(FormatError, match=r"x\.csv"):
        foreign.content(tmp_path / "x.csv")
    assert foreign.files(tmp_path, "*") == []


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "none"])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    """A name that cannot exist is a FormatError, as a file or as a folder."""
    for ask in (foreign.content, foreign.files):
        with pytest.raises(FormatError):
            ask(tmp_path / name)


def test_gzip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    """A file that unpacks to more than the limit is refused after one step, not loaded."""
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 100_000))
    with pytest.raises(FormatError, match="longer than 1000 bytes"):
        foreign.content(tmp_path / "bomb.gz", max_bytes=1000)


def test_hole_of_a_terabyte_is_refused_unread(tmp_path: Path) -> None:
    """A file is as long as its size says: it is refused before any of it is read."""
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FormatError, match="longer than"):
        foreign.content(tmp_path / "hole")


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"0123456789" * 1000)[:30], b"\x1f\x8b" + bytes(40), gzip.compress(b"0")[:-4] + b"abcd"],
    ids=["cut off", "no deflate", "wrong length"],
)
def test_damaged_gzip_is_refused(tmp_path: Path, packed: bytes) -> None:
    """A gzip file cut off, broken or with a wrong checksum raises FormatError, not half a text."""
    (tmp_path / "cut.gz").write_bytes(packed)
    with pytest.raises(FormatError, match=r"cut\.gz"):
        foreign.text(tmp_path / "cut.gz")


def test_text_in_any_unicode(tmp_path: Path) -> None:
    """UTF-8 and UTF-16 with a byte order mark are read; a byte that is no text is replaced, or refused where that is asked."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a").write_bytes("p é".encode(encoding))
        assert foreign.text(tmp_path / "a") == "p é"
    (tmp_path / "a").write_bytes(b"p \xe9")
    assert foreign.text(tmp_path / "a") == "p �"
    with pytest.raises(FormatError, match="save it as UTF-8"):
        foreign.text(tmp_path / "a", errors="strict")


def test_links_stay_in_the_folder(tmp_path: Path) -> None:
    """A link to a file inside is followed; one that leads out, also through a linked folder, is left out."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.txt").write_text("x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "own.txt").write_text("x")
    (root / "link.txt").symlink_to("own.txt")
    (root / "out.txt").symlink_to(tmp_path / "secret" / "a.txt")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to(".")
    assert foreign.files(root, "*.txt") == [root / "link.txt", root / "own.txt"]
    assert not foreign.inside(root, root / ".." / "secret" / "a.txt")


def test_one_level_or_all(tmp_path: Path) -> None:
    """Files of folders below are found, unless only the folder itself is asked for; a file stands for itself."""
    (tmp_path / "b").mkdir()
    for name in ("a.txt", "b/c.txt"):
        (tmp_path / name).write_text("x")
    assert foreign.files(tmp_path, "*.txt") == [tmp_path / "a.txt", tmp_path / "b" / "c.txt"]
    assert foreign.files(tmp_path, "*.txt", deep=False) == [tmp_path / "a.txt"]
    assert foreign.files(tmp_path / "a.txt", "*.txt") == [tmp_path / "a.txt"]
    assert foreign.files(tmp_path / "a.txt", "*.csv") == []


def test_folders_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of too many files, or too deep a nest of folders, raises FormatError that names it."""
    deep = tmp_path / "deep" / "/".join("d" * (foreign.MAX_FOLDERS_DEEP + 1))
    deep.mkdir(parents=True)
    with pytest.raises(FormatError, match="folders in each other"):
        foreign.files(tmp_path / "deep", "*")
    monkeypatch.setattr(foreign, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("x")
    with pytest.raises(FormatError, match="more than 3 files"):
        foreign.files(tmp_path, "*", deep=False)


def test_a_file_is_told_by_its_head(tmp_path: Path) -> None:
    """All marks must stand in the head, packed or not; behind it, or in what cannot be read, they do not count."""
    (tmp_path / "plain.json").write_text('{"date": 1, "duration": 2}')
    (tmp_path / "packed.json").write_bytes(gzip.compress(b'{"date": 1, "duration": 2}'))
    (tmp_path / "late.json").write_text(" " * foreign.HEAD_BYTES + '"date"')
    (tmp_path / "torn.json").write_bytes(gzip.compress(b'"date"')[:-9])
    pipe(tmp_path / "pipe.json")
    assert foreign.mentions(tmp_path / "plain.json", '"date"', '"duration"')
    assert foreign.mentions(tmp_path / "packed.json", '"date"')
    assert not foreign.mentions(tmp_path / "plain.json", '"date"', '"tokens"')
    assert not any(foreign.mentions(tmp_path / name, '"date"') for name in ("late.json", "torn.json", "pipe.json", "none.json"))
