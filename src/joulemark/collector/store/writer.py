"""The one thread that writes readings.db: group commit, so that a thousand agents share one fsync."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar

A = TypeVar("A")
T = TypeVar("T")
GROUP_LIMIT: Final = 1000

Work = Callable[[sqlite3.Connection], Any]
Item = tuple[Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]], Any, Future[Any]]
"""What is done with all that is handed to it one after another, one of those, and its future."""


class Writer:
    """Runs work on one connection, many pieces to a transaction, and resolves each future after the commit.

    SQLite before 3.51.3 can damage a WAL that two connections checkpoint, so this connection alone writes and checkpoints.
    """

    def __init__(self, path: Path, prepare: Work) -> None:
        """Open `path` and run `prepare` on the connection; raises what `prepare` raises."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("page_size = 2048", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 8000"):
                self._connection.execute(f"PRAGMA {pragma}")
            prepare(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="readings-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """The result of `work` once it is durable, or what it raised."""
        return self.hand(one_by_one, work)

    def hand(self, work: Callable[[sqlite3.Connection, Sequence[A]], Sequence[T]], one: A) -> Future[T]:
        """What `work` finds for `one`, as `submit`; all that waits for the same work one after another is handed to it at once."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self._queue.put((work, one, future))
        return future

    def close(self) -> None:
        """Commit what was submitted and close the file."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = self._gather(first)
            self._commit(group)
            if last:
                return

    def _gather(self, first: Item) -> tuple[list[Item], bool]:
        """Everything that waits, up to the limit, and whether the end was among it."""
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, True
            group.append(item)
        return group, False

    def _commit(self, group: list[Item]) -> None:
        """One transaction for all; when it fails, one for each, so that a bad piece harms only itself."""
        try:
            results = self._transaction(group)
        except Exception as error:  # noqa: BLE001 (whatever it is: this thread is everybody's, and the error its submitter's)
            if len(group) == 1:
                group[0][2].set_exception(error)
            else:
                for item in group:
                    self._commit([item])
            return
        for (_, _, future), result in zip(group, results, strict=True):
            future.set_result(result)

    def _transaction(self, group: list[Item]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results: list[Any] = []
            for work, handed in groupby(group, itemgetter(0)):
                results += work(self._connection, [one for _, one, _ in handed])
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results


def one_by_one(db: sqlite3.Connection, works: Sequence[Callable[[sqlite3.Connection], T]]) -> list[T]:
    """Work that has nothing to do with what is beside it."""
    return [work(db) for work in works]
