"""The folder of backups: blocks that are kept once, and backups that are whole or are not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from joulemark.collector.backups import BLOCK_BYTES, Backup, Backups
from joulemark.errors import EnvironmentFailed, FormatError, InsufficientData, UsageError

T0 = 1_790_000_000 * 10**9


def made(backups: Backups, *files: tuple[str, Path], at_ns: int = T0) -> Backup:
    """One more backup of `files`."""
    with backups.writing():
        return backups.add(at_ns, files)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Eight blocks and a bit, none like another."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(8 * BLOCK_BYTES + 5))
    return path


def test_a_second_backup_adds_what_changed(tmp_path: Path, large: Path) -> None:
    """One changed byte costs one block; a file that is there twice, or not at all changed, costs nothing."""
    first, second = Backups(tmp_path / "b"), Backups(tmp_path / "b")
    made(first, ("a", large), ("same", large))
    assert first.added_bytes == large.stat().st_size
    before = large.read_bytes()
    with large.open("r+b") as file:
        file.seek(3 * BLOCK_BYTES + 17)
        file.write(bytes([before[3 * BLOCK_BYTES + 17] ^ 1]))
    backup = made(second, ("a", large))
    assert second.added_bytes == BLOCK_BYTES
    assert b"".join(second.bytes_of(backup.files[0])) == large.read_bytes()
    assert b"".join(second.bytes_of(second.read(second.names()[0]).files[0])) == before


def test_what_is_not_needed_goes(tmp_path: Path, large: Path) -> None:
    """Of three backups in one second the newest two stay, with their blocks and no others."""
    backups = Backups(tmp_path / "b")
    contents = []
    for number in range(3):
        large.write_bytes(os.urandom(BLOCK_BYTES) + bytes([number]))
        contents.append(large.read_bytes())
        made(backups, ("a", large))
    assert backups.names() == ["20260921T141320Z", "20260921T141320Z.2", "20260921T141320Z.3"]
    with backups.writing():
        assert backups.keep(2) == ["20260921T141320Z"]
    for name, content in zip(backups.names(), contents[1:], strict=True):
        assert b"".join(backups.bytes_of(backups.read(name).files[0])) == content
    assert len(list((tmp_path / "b" / "blocks").glob("*/*"))) == 4


@pytest.mark.parametrize("spoil", ["flip", "cut", "remove", "swap"])
def test_a_damaged_block_is_told(tmp_path: Path, large: Path, spoil: str) -> None:
    """A flipped byte, a cut end, a missing block and blocks in another order never come back as the file."""
    backups = Backups(tmp_path / "b")
    backup = made(backups, ("a", large))
    block = next(path for path in (tmp_path / "b" / "blocks").glob("*/*") if path.name == backup.files[0].blocks[2])
    if spoil == "flip":
        raw = bytearray(block.read_bytes())
        raw[100] ^= 1
        block.write_bytes(raw)
    elif spoil == "cut":
        block.write_bytes(block.read_bytes()[:-1])
    elif spoil == "remove":
        block.unlink()
    else:
        place = tmp_path / "b" / "backups" / f"{backup.name}.json"
        data = json.loads(place.read_text())
        data["files"][0]["blocks"][:2] = reversed(data["files"][0]["blocks"][:2])
        place.write_text(json.dumps(data))
    with pytest.raises(InsufficientData, match=r"^a"):
        list(backups.bytes_of(backups.read().files[0]))


def test_a_block_that_was_cut_is_written_again(tmp_path: Path, large: Path) -> None:
    """The next backup mends a block of the wrong length instead of trusting its name."""
    backups = Backups(tmp_path / "b")
    made(backups, ("a", large))
    block = next((tmp_path / "b" / "blocks").glob("*/*"))
    block.write_bytes(b"")
    backup = made(backups, ("a", large))
    assert b"".join(backups.bytes_of(backup.files[0])) == large.read_bytes()


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    """While one backup is written another one into the same folder ends with status 5."""
    with Backups(tmp_path / "b").writing(), pytest.raises(EnvironmentFailed, match="another backup"), Backups(tmp_path / "b").writing():
        pass


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Neither written to nor read as backups."""
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="something else"), Backups(tmp_path).writing():
        pass
    with pytest.raises(UsageError, match="no backups"):
        Backups(tmp_path).names()
    with Backups(tmp_path / "b").writing():
        pass
    with pytest.raises(UsageError, match="at all"):
        Backups(tmp_path / "b").read()


@pytest.mark.parametrize(
    "change", [{"schema": "other/1"}, {"files": [{"name": "x"}]}, {"files": 3}, {"made_ns": None}], ids=["schema", "file", "files", "time"]
)
def test_a_backup_of_another_shape_is_refused(tmp_path: Path, large: Path, change: dict[str, object]) -> None:
    """The message names the file."""
    backups = Backups(tmp_path / "b")
    place = tmp_path / "b" / "backups" / f"{made(backups, ('a', large)).name}.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **change}))
    with pytest.raises(FormatError, match=place.name):
        backups.read()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, large: Path, name: str) -> None:
    """A backup of a stranger writes nothing outside of the folder it is restored into."""
    backups = Backups(tmp_path / "b")
    made(backups, (name, large))
    with pytest.raises(FormatError, match="outside"):
        backups.read()


FULL = """
import resource, signal, sys
from pathlib import Path
from joulemark.collector.backups import Backups
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
backups = Backups(Path(sys.argv[1]))
try:
    with backups.writing():
        backups.add(0, [("a", Path(sys.argv[2]))])
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_leaves_no_half_backup(tmp_path: Path, large: Path) -> None:
    """A write that the system refuses ends it with a message that says what to do; what was there before is as it was."""
    backups, small = Backups(tmp_path / "b"), tmp_path / "small"
    small.write_text("small")
    made(backups, ("a", small))
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path / "b", large], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("EnvironmentFailed the backup was not made")
    assert "room" in done.stdout
    assert backups.names() == ["20260921T141320Z"]
    assert list((tmp_path / "b").rglob("*.new")) == []
    assert b"".join(backups.bytes_of(backups.read().files[0])) == b"small"
