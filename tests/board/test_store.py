"""board.db: what was shown stays, what waits survives, and every version is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.board import store as stores
from joulemark.board.store import BoardStore, Crowded, Frozen, Unknown
from joulemark.board.submission import Reason, State, Submission
from joulemark.errors import EnvironmentFailed, FormatError, UsageError
from tests.board.entries import PUBLISHED_NS, entry, sha256

NOW_NS = PUBLISHED_NS + 10**15


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BoardStore]:
    with BoardStore(tmp_path / "board.db") as opened:
        yield opened


def handed_in(number: int = 1) -> Submission:
    """Bundle number `number`, received so many nanoseconds after now."""
    return Submission(sha256(f"bundle {number}"), "Example Laboratory", NOW_NS + number, 1000)


def test_nothing_that_was_shown_is_changed_or_removed(store: BoardStore) -> None:
    """Neither an entry nor a snapshot can be updated, deleted, or replaced, by its key or by the place of its row."""
    store.publish_all([(entry(1), "run-1")])
    store.freeze([Frozen("2026-11-21", "energy.csv", NOW_NS, sha256("x"), b"x")])
    tampering = [
        f"{verb} {table} {rest}"
        for table in ("entry", "snapshot")
        for verb, rest in (("UPDATE", "SET body = 'x'"), ("DELETE FROM", ""), ("INSERT OR REPLACE INTO", f"SELECT * FROM {table}"))
    ]
    tampering += [
        "INSERT OR REPLACE INTO entry (rowid, entry_id, version, run_id, bundle_sha256, modified_ns, body) "
        "SELECT rowid, 'another', 1, run_id, bundle_sha256, modified_ns, body FROM entry",
        "INSERT OR REPLACE INTO snapshot (rowid, date, name, made_ns, sha256, body) "
        "SELECT rowid, date, 'another', made_ns, sha256, body FROM snapshot",
    ]
    with sqlite3.connect(store.path) as db:
        for statement in tampering:
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                db.execute(statement)
    db.close()
    assert store.entries() == [entry(1)]


def test_an_entry_comes_once(store: BoardStore) -> None:
    """An id that was given is never given again, not even in a batch: then none of the batch is published."""
    store.publish_all([(entry(1), "run-1")])
    with pytest.raises(UsageError, match="never replaced"):
        store.publish_all([(entry(2), "run-2"), (entry(1), "run-1")])
    assert store.entries() == [entry(1)]


def test_a_withdrawal_is_another_version(store: BoardStore) -> None:
    """A withdrawn entry stays, with its reason and what it was before; a second withdrawal changes nothing; an unknown id is said."""
    store.publish_all([(entry(1), "run-1")])
    gone = store.withdraw(entry(1).entry_id, "the meter was not wired as stated", now_ns=NOW_NS)
    assert store.versions(gone.entry_id) == [entry(1), gone]
    assert store.entries() == [gone]
    assert store.withdraw(gone.entry_id, "again", now_ns=NOW_NS + 1) == gone
    with pytest.raises(Unknown):
        store.withdraw("urn:uuid:none", "x", now_ns=NOW_NS)
    store.publish_all([(entry(2), "run-2")])
    with pytest.raises(FormatError):
        store.withdraw(entry(2).entry_id, "", now_ns=NOW_NS)
    assert len(store.versions(entry(2).entry_id)) == 1


def test_publishing_settles_the_submission_and_withdraws_what_it_replaces(store: BoardStore) -> None:
    """The entry, the end of its submission and the withdrawal of the entry before it are one step."""
    store.publish_all([(entry(1), "run-1")])
    better = entry(2, level="ES2", replaces=entry(1).entry_id)
    done = store.publish(store.receive(handed_in(2)), better, run_id="run-1", now_ns=NOW_NS)
    assert (done.state, done.entry_id, done.reached) == (State.PUBLISHED, better.entry_id, "ES2")
    assert store.submission(done.submission_id) == done
    before = store.entry(entry(1).entry_id)
    assert (before.status, before.withdrawn_reason) == ("withdrawn", f"replaced by {better.entry_id}")
    standing = store.standing(better.entry_id, "run-1")
    assert standing.same == better
    assert sorted(one.entry_id for one in standing.of_run) == sorted((before.entry_id, better.entry_id))
    assert store.standing("urn:uuid:none", "").of_run == ()


def test_the_same_card_is_the_same_run(store: BoardStore) -> None:
    """A run without an id of its own, as most benchmarks write it, is known again by its card, whatever manifest is laid around it."""
    one = entry(1)
    store.publish_all([(one, ""), (entry(2), "")])
    assert store.standing("urn:uuid:none", "", one.card_sha256).of_run == (one,)
    assert store.standing("urn:uuid:none", "", "0" * 64).of_run == ()
    store.withdraw(one.entry_id, "wrong", now_ns=NOW_NS)
    assert [found.status for found in store.standing("urn:uuid:none", "", one.card_sha256).of_run] == ["withdrawn"]


def test_the_same_submission_is_taken_once(store: BoardStore) -> None:
    """A bundle handed in again is the one that waits, was published or refused; one that nobody could judge may come again."""
    first = store.receive(handed_in())
    assert store.receive(replace(handed_in(), submitter="Somebody", received_ns=1)) == first
    refused = store.refuse(first, [Reason("INT-1", "x")], now_ns=NOW_NS)
    assert store.receive(handed_in()) == refused
    store.refuse(first, [Reason("EXAMINED", "died")], judged=False, now_ns=NOW_NS)
    assert store.receive(handed_in()).state is State.RECEIVED


def test_a_queue_survives_its_process(store: BoardStore, tmp_path: Path) -> None:
    """What waits is judged in its order after a restart, and a try that was broken off is counted."""
    for number in (2, 1, 3):
        store.receive(handed_in(number))
    begun = store.begin(handed_in(1), now_ns=NOW_NS)
    store.close()
    with BoardStore(tmp_path / "board.db") as again:
        found = again.next()
        assert found == begun
        assert (begun.state, begun.tries, again.waiting()) == (State.VALIDATING, 1, 3)
        again.refuse(begun, [Reason("INT-1", "x")], now_ns=NOW_NS)
        assert again.next() == handed_in(2)


def test_a_queue_has_an_end(store: BoardStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many that wait, nothing more is taken; what is known is still told."""
    monkeypatch.setattr(stores, "MOST_WAITING", 2)
    store.receive(handed_in(1))
    store.receive(handed_in(2))
    with pytest.raises(Crowded, match="2 bundles wait"):
        store.receive(handed_in(3))
    assert store.receive(handed_in(2)) == handed_in(2)


def test_the_archives_that_are_needed(store: BoardStore) -> None:
    """An archive is kept for an entry, withdrawn or not, and for what waits; not for what was refused."""
    taken = store.receive(handed_in(1))
    assert store.shows(taken.bundle_sha256)
    store.refuse(taken, [Reason("INT-1", "x")], now_ns=NOW_NS)
    assert not store.shows(taken.bundle_sha256)
    store.publish_all([(entry(2), "run-2")])
    store.withdraw(entry(2).entry_id, "wrong", now_ns=NOW_NS)
    assert store.shows(entry(2).bundle_sha256)


def test_snapshots_are_made_once_a_date(store: BoardStore) -> None:
    """A second snapshot of a date is refused whole, and the first is given as it was made."""
    files = [Frozen("2026-11-21", name, NOW_NS, sha256(name), name.encode()) for name in ("a.csv", "b.json")]
    store.freeze(files)
    with pytest.raises(UsageError, match="another date"):
        store.freeze([Frozen("2026-11-21", "c.csv", NOW_NS, sha256("c"), b"c"), files[0]])
    assert store.snapshots() == {"2026-11-21": {one.name: one.sha256 for one in files}} == store.snapshots("2026-11-21")
    assert store.snapshots("2026-11-22") == {}
    assert store.snapshot("2026-11-21", "b.json") == files[1]
    assert store.snapshot("2026-11-21", "c.csv") is None


def test_changes_are_told_once(store: BoardStore, tmp_path: Path) -> None:
    """What was published and withdrawn since a mark, in its order, by another process too; a submission is no change."""
    store.publish_all([(entry(1), "run-1")])
    mark, changed = store.changes()
    assert changed == [entry(1)]
    store.receive(handed_in())
    assert store.changes(mark) == (mark, [])
    with BoardStore(tmp_path / "board.db") as other:
        other.publish_all([(entry(2), "run-2")])
        gone = other.withdraw(entry(1).entry_id, "wrong", now_ns=NOW_NS)
    later, changed = store.changes(mark)
    assert (changed, later > mark) == ([entry(2), gone], True)


def test_what_followed_boards_said_is_kept(store: BoardStore) -> None:
    """By address, the last answer and the last word on each of its entries."""
    store.note("http://a", {"etag": "1"}, {"x": {"status": "published"}})
    store.note("http://a", {"etag": "2"}, {"y": {"status": "withdrawn"}})
    assert store.boards() == {"http://a": {"etag": "2"}} == {"http://a": store.board("http://a")}
    assert store.told("http://a") == {"x": {"status": "published"}, "y": {"status": "withdrawn"}}
    assert (store.board("http://b"), store.told("http://b")) == ({}, {})


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    """What is no database, and what a newer version has changed, is refused with the next step, and not touched."""
    (tmp_path / "bad.db").write_bytes(b"no database" * 100)
    with pytest.raises(EnvironmentFailed, match=r"cannot open .*bad\.db"):
        BoardStore(tmp_path / "bad.db")
    with BoardStore(tmp_path / "board.db") as store:
        store._db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('joulemark.board', 'later', '')")
        store._db.conn.commit()
    with pytest.raises(EnvironmentFailed, match="newer joulemark"):
        BoardStore(tmp_path / "board.db")
