"""Archives: kept as they came, within a bound, and only while something needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.board.store import Crowded
from joulemark.board.store_archives import Archives
from tests.board.archives import sha256


def arrived(folder: Path, data: bytes) -> tuple[Path, str, int]:
    """A file that came in, its hash and size."""
    path = folder / "arrived"
    path.write_bytes(data)
    return path, sha256(data), len(data)


def test_an_archive_lies_under_its_hash(tmp_path: Path) -> None:
    """What was taken is there byte for byte; the same again changes nothing; a damaged one is not sound."""
    archives = Archives(tmp_path / "kept", 1000)
    archives.take(*arrived(tmp_path, b"first"))
    archives.take(*arrived(tmp_path, b"first"))
    digest = sha256(b"first")
    assert archives.path(digest).read_bytes() == b"first"
    assert (archives.size(), archives.sound(digest), archives.sound(sha256(b"none"))) == (5, True, False)
    archives.path(digest).write_bytes(b"fiRst")
    assert not archives.sound(digest)


def test_all_together_have_a_bound(tmp_path: Path) -> None:
    """The archive that would not fit any more is refused, and the others stay."""
    archives = Archives(tmp_path / "kept", 10)
    archives.take(*arrived(tmp_path, b"12345"))
    with pytest.raises(Crowded, match="fill 10 bytes"):
        archives.take(*arrived(tmp_path, b"123456"))
    archives.take(*arrived(tmp_path, b"54321"))
    assert archives.size() == 10


def test_what_nothing_needs_goes(tmp_path: Path) -> None:
    """A sweep leaves what is needed, with its card, and removes the rest; a board without archives has nothing to sweep."""
    archives = Archives(tmp_path / "kept", 1000)
    archives.sweep(lambda digest: False, before_ns=2**63)
    for data in (b"a", b"b"):
        archives.take(*arrived(tmp_path, data))
        archives.card(sha256(data)).write_bytes(b"{}")
    archives.sweep(lambda digest: False, before_ns=0)
    assert archives.sound(sha256(b"b")), "what arrives at this moment is nobody's yet"
    archives.sweep(lambda digest: digest == sha256(b"a"), before_ns=2**63)
    assert archives.sound(sha256(b"a"))
    assert archives.card(sha256(b"a")).exists()
    assert not archives.path(sha256(b"b")).exists()
    assert not archives.card(sha256(b"b")).exists()
    archives.drop(sha256(b"a"))
    assert archives.size() == 0
