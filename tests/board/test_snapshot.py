"""Snapshots: the same bytes whenever they are made, and nothing of a later day."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from joulemark.board.feed import item
from joulemark.board.site import Site
from joulemark.board.snapshot import SNAPSHOT_SCHEMA, Snapshot, end_ns, faults
from joulemark.errors import FormatError
from joulemark.standard.schema import schemas
from tests.board.entries import entry
from tests.board.jsonfeed import faults as feed_faults

SITE = Site("https://board.example.org")
DAY = "2026-10-26"
ENTRIES = [entry(number) for number in range(1, 8)]


def test_the_same_entries_give_the_same_bytes() -> None:
    """In any order, and after later days have changed them."""
    made = Snapshot.of(ENTRIES, DAY, SITE)
    mixed = [one.withdrawn("mistaken", at_ns=end_ns(DAY)) if one is ENTRIES[2] else one for one in ENTRIES]
    mixed.append(entry(9, published_ns=end_ns(DAY)))
    random.Random(1).shuffle(mixed)
    assert Snapshot.of(mixed, DAY, SITE) == made
    assert Snapshot.of(mixed, "2026-10-27", SITE).sha256 != made.sha256


def test_the_last_moment_of_the_day_counts() -> None:
    """What was withdrawn a nanosecond before midnight UTC is withdrawn in it."""
    gone = ENTRIES[0].withdrawn("mistaken", at_ns=end_ns(DAY) - 1)
    items = json.loads(Snapshot.of([gone], DAY, SITE).files["feed.json"])["items"]
    assert items == json.loads(json.dumps([item(gone, SITE)]))


def test_the_index_names_every_file() -> None:
    """The index keeps its schema, has the SHA-256 of all the others, and the whole feed is a JSON Feed."""
    made = Snapshot.of(ENTRIES, DAY, SITE)
    index = json.loads(made.files["snapshot.json"])
    Draft202012Validator(schemas()[SNAPSHOT_SCHEMA]).validate(index)
    assert {one["name"]: one["sha256"] for one in index["files"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in made.files.items() if name != "snapshot.json"
    }
    assert (index["entries"], made.sha256) == (7, hashlib.sha256(made.files["snapshot.json"]).hexdigest())
    assert feed_faults(json.loads(made.files["feed.json"])) == []


def test_an_empty_board_has_a_snapshot() -> None:
    """No entry is no error."""
    assert json.loads(Snapshot.of([], DAY, SITE).files["snapshot.json"])["entries"] == 0


def test_a_snapshot_is_never_overwritten(tmp_path: Path) -> None:
    """Written twice it stays; another one in its place is refused and nothing changes; one cut short is completed."""
    made = Snapshot.of(ENTRIES, DAY, SITE)
    made.write(tmp_path)
    made.write(tmp_path)
    with pytest.raises(FormatError, match="never change"):
        Snapshot.of(ENTRIES[1:], DAY, SITE).write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == made.files
    (tmp_path / "snapshot.json").unlink()
    (tmp_path / "energy.csv").unlink()
    made.write(tmp_path)
    assert faults(tmp_path) == []


def test_every_change_is_found(tmp_path: Path) -> None:
    """A changed byte, a missing file and a file that the index does not name are told by name."""
    Snapshot.of(ENTRIES, DAY, SITE).write(tmp_path)
    (tmp_path / "energy.csv").write_bytes((tmp_path / "energy.csv").read_bytes().replace(b"250", b"150", 1))
    (tmp_path / "board.json").unlink()
    assert faults(tmp_path) == ["board.json: missing", "energy.csv: not the bytes that the index names"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"schema": "joulemark.board-snapshot/1", "files": []}', "energy.csv: not in the index"),
        ('{"schema": "joulemark.board-snapshot/1", "files": [{"name": "../secret"}, 7]}', "'../secret': no file of a snapshot"),
        ('{"schema": "joulemark.board-snapshot/1", "files": [{"name": "snapshot.json"}]}', "'snapshot.json': no file of a snapshot"),
    ],
)
def test_a_hostile_index_names_nothing_outside(tmp_path: Path, text: str, told: str) -> None:
    """Only the files of a snapshot are looked at."""
    (tmp_path / "snapshot.json").write_text(text)
    assert told in faults(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema": "joulemark.board-snapshot/1"}', "no json"])
def test_what_is_no_index_is_refused(tmp_path: Path, text: str) -> None:
    """A folder without an index of a snapshot is none."""
    (tmp_path / "snapshot.json").write_text(text)
    with pytest.raises(FormatError):
        faults(tmp_path)


@pytest.mark.parametrize("date", ["", "2026-13-01", "20261031", "2026-10-31T00:00:00Z", "../../x", "2026-W01-1"])
def test_what_is_no_date_is_refused(date: str) -> None:
    """A date is a day, written in one way."""
    with pytest.raises(FormatError, match="date"):
        Snapshot.of([], date, SITE)
