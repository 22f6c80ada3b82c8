"""board.db: submissions on their way, entries for ever, snapshots as they were made. An entry is never changed and never removed: what
happens to it later, a withdrawal above all, is another version of it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from sqlite_utils import Database, Migrations

from joulemark import __version__
from joulemark.board.entry import PUBLISHED, WITHDRAWN, Entry
from joulemark.board.submission import Reason, Standing, State, Submission
from joulemark.database import opened
from joulemark.errors import EnvironmentFailed, FormatError, UsageError

DAMAGED: Final = "restore a copy of board.db; the archives beside it are as they were handed in"
MOST_WAITING: Final = 1000
"""Submissions that may wait to be judged."""

NEWEST: Final = "SELECT entry_id, max(version) AS version FROM entry GROUP BY entry_id"

APPEND_ONLY: Final = {"entry": "entry_id = NEW.entry_id AND version = NEW.version", "snapshot": "date = NEW.date AND name = NEW.name"}

migrations: Final = Migrations("joulemark.board")


@migrations()
def submissions_entries_snapshots(db: Database) -> None:
    """First tables; triggers refuse every change of an entry and of a snapshot."""
    db.table("submission").create(
        {"submission_id": str, "state": str, "received_ns": int, "bundle_sha256": str, "body": str},
        pk="submission_id",
        not_null={"state", "received_ns", "bundle_sha256", "body"},
    )
    db.table("submission").create_index(["state", "received_ns"])
    db.table("entry").create(
        {"entry_id": str, "version": int, "run_id": str, "bundle_sha256": str, "modified_ns": int, "body": str},
        pk=("entry_id", "version"),
        not_null={"run_id", "bundle_sha256", "modified_ns", "body"},
    )
    db.table("entry").create_index(["run_id"])
    db.table("entry").create_index(["bundle_sha256"])
    db.table("snapshot").create(
        {"date": str, "name": str, "made_ns": int, "sha256": str, "body": bytes},
        pk=("date", "name"),
        not_null={"made_ns", "sha256", "body"},
    )
    for table, row in APPEND_ONLY.items():
        for change in ("UPDATE", "DELETE"):
            db.execute(
                f"CREATE TRIGGER {table}_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'what a board has shown is never changed and never removed'); END"
            )
        db.execute(
            f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {row} OR rowid = NEW.rowid) "
            f"BEGIN SELECT RAISE(ABORT, 'what a board has shown is never replaced'); END"
        )


@migrations()
def followed_boards(db: Database) -> None:
    """Boards that are followed: what each answered last, and what it said of each of its entries."""
    db.table("board").create({"url": str, "body": str}, pk="url", not_null={"body"})
    db.table("told").create({"url": str, "item_id": str, "body": str}, pk=("url", "item_id"), not_null={"body"})


class Unknown(UsageError):
    """Nothing of that id is on the board."""


class Crowded(UsageError):
    """As much waits, or is kept, as may be."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A file of a dated snapshot."""

    date: str
    name: str
    made_ns: int
    sha256: str
    body: bytes


class BoardStore:
    """The board of one data directory. Several processes may have it open; one connection serves the threads of each in turn."""

    def __init__(self, path: Path) -> None:
        """Opens or makes `path`. Raises EnvironmentFailed when it cannot be opened, is damaged or of a newer version."""
        self.path = path
        self._turn = threading.RLock()
        self._db = opened(path, migrations, kind="board.db")
        self._db.execute("PRAGMA synchronous = FULL")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._db.close()

    # --- submissions

    def receive(self, submission: Submission) -> Submission:
        """Take a submission, or find it: the same again changes nothing, unless this version of Joulemark did not judge it yet or nobody
        could. Raises Crowded.
        """
        with self._writing() as db:
            known = self.submission(submission.submission_id)
            if known is not None and (known.state is not State.REFUSED or known.version == __version__):
                return known
            if self.waiting() >= MOST_WAITING:
                raise Crowded(f"{MOST_WAITING} bundles wait to be judged", "hand it in again later")
            self._keep(db, submission)
            return submission

    def submission(self, submission_id: str) -> Submission | None:
        """A submission, None where there is none of that id."""
        rows = self._asked("SELECT body FROM submission WHERE submission_id = ?", submission_id)
        return self._submission(rows[0][0]) if rows else None

    def waiting(self) -> int:
        """How many submissions are still to be judged."""
        ((count,),) = self._asked("SELECT count(*) FROM submission WHERE state IN (?, ?)", State.RECEIVED, State.VALIDATING)
        return int(count)

    def next(self) -> Submission | None:
        """The oldest submission that is still to be judged; one whose judging was broken off is among them."""
        where = "WHERE state IN (?, ?) ORDER BY received_ns, submission_id LIMIT 1"
        rows = self._asked(f"SELECT body FROM submission {where}", State.RECEIVED, State.VALIDATING)
        return self._submission(rows[0][0]) if rows else None

    def begin(self, submission: Submission, *, now_ns: int) -> Submission:
        """Note, before it is judged, that it is: a crash in between counts as a try."""
        return self._settle(replace(submission, state=State.VALIDATING, tries=submission.tries + 1, changed_ns=now_ns))

    def refuse(
        self, submission: Submission, reasons: Sequence[Reason], *, reached: str = "", judged: bool = True, now_ns: int
    ) -> Submission:
        """Refuse a submission. `judged`: whether the bundle was really looked at, or nobody could; then it may come again."""
        version = __version__ if judged else ""
        told = replace(submission, reasons=tuple(reasons), reached=reached, version=version, changed_ns=now_ns)
        return self._settle(replace(told, state=State.REFUSED))

    def _settle(self, submission: Submission) -> Submission:
        with self._writing() as db:
            self._keep(db, submission)
        return submission

    def _keep(self, db: sqlite3.Connection, one: Submission) -> None:
        row = (one.submission_id, one.state, one.received_ns, one.bundle_sha256, json.dumps(one.stored()))
        db.execute("INSERT OR REPLACE INTO submission (submission_id, state, received_ns, bundle_sha256, body) VALUES (?, ?, ?, ?, ?)", row)

    def _submission(self, body: str) -> Submission:
        try:
            return Submission.from_stored(json.loads(body))
        except (ValueError, KeyError, UsageError) as error:
            raise FormatError(f"{self.path}: a submission is damaged: {error}", DAMAGED) from error

    # --- entries

    def standing(self, entry_id: str, run_id: str, card_sha256: str = "") -> Standing:
        """What the board has that bears on a new entry of this id and run; the same card is of the same run, also where that has no id."""
        same = self.versions(entry_id)
        where = "(run_id = ? AND run_id <> '') OR json_extract(body, '$.card_sha256') = ?"
        ids = self._asked(f"SELECT DISTINCT entry_id FROM entry WHERE {where} ORDER BY entry_id", run_id, card_sha256)
        return Standing(same[-1] if same else None, tuple(self.entry(one) for (one,) in ids))

    def publish(self, submission: Submission, entry: Entry, *, run_id: str, now_ns: int) -> Submission:
        """Publish the entry of a submission, all or nothing: the one it replaces is withdrawn with it. Raises UsageError where there is
        an entry of that id already.
        """
        done = replace(submission, state=State.PUBLISHED, reasons=(), reached=entry.level, entry_id=entry.entry_id)
        done = replace(done, version=__version__, changed_ns=now_ns)
        with self._writing() as db:
            self._append(db, [(entry, run_id)])
            if entry.replaces is not None:
                self._withdraw(db, entry.replaces, f"replaced by {entry.entry_id}", now_ns)
            self._keep(db, done)
        return done

    def publish_all(self, entries: Iterable[tuple[Entry, str]]) -> None:
        """Publish entries, each with the id of its run, all or none. Raises what `publish` does."""
        with self._writing() as db:
            self._append(db, entries)

    def withdraw(self, entry_id: str, reason: str, *, now_ns: int) -> Entry:
        """Take an entry back; it stays, as withdrawn. A second time changes nothing. Raises Unknown, and FormatError for a bad reason."""
        with self._writing() as db:
            return self._withdraw(db, entry_id, reason, now_ns)

    def _withdraw(self, db: sqlite3.Connection, entry_id: str, reason: str, now_ns: int) -> Entry:
        entry = self.entry(entry_id)
        if entry.status == WITHDRAWN:
            return entry
        # also where the clock was set back, no two versions are of one time
        later = entry.withdrawn(reason, at_ns=max(now_ns, entry.modified_ns + 1))
        ((version, run_id),) = self._asked("SELECT max(version), run_id FROM entry WHERE entry_id = ?", entry_id)
        self._insert(db, later, version + 1, run_id)
        return later

    def _append(self, db: sqlite3.Connection, entries: Iterable[tuple[Entry, str]]) -> None:
        for entry, run_id in entries:
            if entry.status != PUBLISHED:
                raise FormatError(f"entry {entry.entry_id} is withdrawn", "publish it first")
            self._insert(db, entry, 1, run_id)

    def _insert(self, db: sqlite3.Connection, entry: Entry, version: int, run_id: str) -> None:
        row = (entry.entry_id, version, run_id, entry.bundle_sha256, entry.modified_ns, json.dumps(entry.to_json()))
        db.execute("INSERT INTO entry (entry_id, version, run_id, bundle_sha256, modified_ns, body) VALUES (?, ?, ?, ?, ?, ?)", row)

    def entry(self, entry_id: str) -> Entry:
        """An entry as it is now. Raises Unknown."""
        versions = self.versions(entry_id)
        if not versions:
            raise Unknown(f"no entry {entry_id!r} is on the board", "list them with GET /v1/board")
        return versions[-1]

    def versions(self, entry_id: str) -> list[Entry]:
        """Everything that an entry ever was, oldest first; empty where there is none of that id."""
        rows = self._asked("SELECT body FROM entry WHERE entry_id = ? ORDER BY version", entry_id)
        return [self._entry(body) for (body,) in rows]

    def entries(self) -> list[Entry]:
        """Every entry as it is now, in the order of their ids."""
        rows = self._asked(f"SELECT body FROM entry JOIN ({NEWEST}) USING (entry_id, version) ORDER BY entry_id")
        return [self._entry(body) for (body,) in rows]

    def changes(self, since: int = 0) -> tuple[int, list[Entry]]:
        """A mark to ask with again, and every version of an entry that came after the mark `since`, oldest first."""
        rows = self._asked("SELECT rowid, body FROM entry WHERE rowid > ? ORDER BY rowid", since)
        return (rows[-1][0] if rows else since), [self._entry(body) for _, body in rows]

    def shows(self, bundle_sha256: str) -> bool:
        """Whether an archive belongs to an entry, published or withdrawn, or to a submission that waits."""
        shown = self._asked("SELECT 1 FROM entry WHERE bundle_sha256 = ? LIMIT 1", bundle_sha256)
        where = "WHERE bundle_sha256 = ? AND state IN (?, ?) LIMIT 1"
        return bool(shown or self._asked(f"SELECT 1 FROM submission {where}", bundle_sha256, State.RECEIVED, State.VALIDATING))

    def _entry(self, body: str) -> Entry:
        try:
            return Entry.from_json(json.loads(body))
        except (ValueError, UsageError) as error:
            raise FormatError(f"{self.path}: an entry is damaged: {error}", DAMAGED) from error

    # --- snapshots

    def freeze(self, files: Iterable[Frozen]) -> None:
        """Keep the files of a snapshot, all or none. Raises UsageError where that date has one."""
        with self._writing() as db:
            for one in files:
                row = (one.date, one.name, one.made_ns, one.sha256, one.body)
                db.execute("INSERT INTO snapshot (date, name, made_ns, sha256, body) VALUES (?, ?, ?, ?, ?)", row)

    def snapshots(self, date: str | None = None) -> dict[str, dict[str, str]]:
        """Date of each snapshot, newest first, or of one: name of each of its files -> SHA-256."""
        rows = self._asked("SELECT date, name, sha256 FROM snapshot WHERE ? IS NULL OR date = ? ORDER BY date DESC, name", date, date)
        found: dict[str, dict[str, str]] = {}
        for day, name, sha256 in rows:
            found.setdefault(day, {})[name] = sha256
        return found

    def snapshot(self, date: str, name: str) -> Frozen | None:
        """A file of a snapshot, None where there is none."""
        rows = self._asked("SELECT date, name, made_ns, sha256, body FROM snapshot WHERE date = ? AND name = ?", date, name)
        return Frozen(*rows[0]) if rows else None

    # --- boards that are followed

    def board(self, url: str) -> dict[str, Any]:
        """What was kept of a followed board, empty before the first look."""
        rows = self._asked("SELECT body FROM board WHERE url = ?", url)
        return dict(json.loads(rows[0][0])) if rows else {}

    def boards(self) -> dict[str, dict[str, Any]]:
        """What was kept of each followed board, by its address."""
        return {url: json.loads(body) for url, body in self._asked("SELECT url, body FROM board ORDER BY url")}

    def told(self, url: str) -> dict[str, dict[str, Any]]:
        """What a followed board said of each of its entries, by its id there."""
        return {item_id: json.loads(body) for item_id, body in self._asked("SELECT item_id, body FROM told WHERE url = ?", url)}

    def note(self, url: str, board: Mapping[str, Any], items: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep what a board answered, and what it says of those of its entries that are new or changed."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO board (url, body) VALUES (?, ?)", (url, json.dumps(dict(board))))
            for item_id, told in items.items():
                db.execute("INSERT OR REPLACE INTO told (url, item_id, body) VALUES (?, ?, ?)", (url, item_id, json.dumps(dict(told))))

    # --- the file

    def _asked(self, query: str, *values: object) -> list[Any]:
        """The rows that answer `query`. Raises EnvironmentFailed where the file is damaged."""
        with self._turn:
            try:
                return self._db.conn.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise EnvironmentFailed(f"cannot read {self.path}: {error}", DAMAGED) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing. Raises UsageError for what is there already, EnvironmentFailed when it cannot be written."""
        with self._turn:
            try:
                with self._db.conn:
                    self._db.conn.execute("BEGIN IMMEDIATE")
                    yield self._db.conn
            except sqlite3.IntegrityError as error:
                raise UsageError(f"{self.path.name}: {error}", "give another id, or another date") from error
            except sqlite3.Error as error:
                raise EnvironmentFailed(
                    f"cannot write {self.path}: {error}", "check that the disk has room; nothing of it was kept"
                ) from error
