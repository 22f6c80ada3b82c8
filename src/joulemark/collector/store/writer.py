"""The one thread that writes readings.db: group commit, so that a thousand agents share one fsync."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")
GROUP_LIMIT: Final = 1000
WORK_ERRORS: Final = (sqlite3.Error, OverflowError, ValueError)

Work = Callable[[sqlite3.Connection], Any]


class Writer:
    """Runs work on one connection, many pieces to a transaction, and resolves each future after the commit.

    SQLite before 3.51.3 can damage a WAL that two connections checkpoint, so this connection alone writes and checkpoints.
    """

    def __init__(self, path: Path, prepare: Work) -> None:
        """Open `path` and run `prepare` on the connection; raises what `prepare` raises."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
                self._connection.execute(f"PRAGMA {pragma}")
            prepare(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._queue: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="readings-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """The result of `work` once it is durable, or why it could not be (one of WORK_ERRORS)."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self._queue.put((work, future))
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

    def _gather(self, first: tuple[Work, Future[Any]]) -> tuple[list[tuple[Work, Future[Any]]], bool]:
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

    def _commit(self, group: list[tuple[Work, Future[Any]]]) -> None:
        """One transaction for all; when it fails, one for each, so that a bad piece harms only itself."""
        try:
            results = self._transaction([work for work, _ in group])
        except WORK_ERRORS as error:
            if len(group) == 1:
                group[0][1].set_exception(error)
            else:
                for item in group:
                    self._commit([item])
            return
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)

    def _transaction(self, works: list[Work]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results = [work(self._connection) for work in works]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results
