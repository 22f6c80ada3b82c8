"""The desk of a board: takes archives, has each judged by a process of its own, and publishes or refuses, one after the other.

What was taken is durable before it is answered; a desk that is killed goes on where it was, and a bundle that kills its judge is refused
after a few tries.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from joulemark.board.entry import Entry
from joulemark.board.examining import Question
from joulemark.board.judging import Died, Judge
from joulemark.board.store import BoardStore
from joulemark.board.store_archives import Archives
from joulemark.board.submission import MOST_TRIES, Examined, Reason, State, Submission, decided
from joulemark.config import Config
from joulemark.errors import EnvironmentFailed, UsageError
from joulemark.timebase import Clock
from joulemark.units import NS_PER_S

ARRIVING_NS: Final = 3600 * NS_PER_S
"""So old is nothing that is still on its way."""

log = logging.getLogger("joulemark.board")


@dataclass(frozen=True, slots=True)
class Desk:
    """Of one data directory. `kit`: whether simulated bundles are taken."""

    store: BoardStore
    archives: Archives
    judge: Judge
    clock: Clock
    lock: Path
    kit: bool = False

    @classmethod
    def of(cls, config: Config, clock: Clock) -> Desk:
        """The desk of a configuration; its file is made where there is none. Raises EnvironmentFailed."""
        folder, board = config.collector.data_dir / "board", config.board
        store = BoardStore(config.collector.data_dir / "board.db")
        judge = Judge(folder / "judging", board.judge_s, board.judge_bytes, board.trust_file)
        return cls(store, Archives(folder / "archives", board.max_bytes), judge, clock, folder / "lock", board.kit)

    @property
    def incoming(self) -> Path:
        """Where archives arrive, on the file system of those that are kept."""
        return self.lock.parent / "incoming"

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this process is the only one that judges, as long as the block lasts. Raises EnvironmentFailed."""
        try:
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EnvironmentFailed(f"cannot open {self.lock}: {error.strerror}", "check that you own collector.data_dir") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def sweep(self) -> None:
        """Remove what a process that died left behind; what cannot be removed, or goes meanwhile, is no harm. Only for who is alone."""
        before_ns = self.clock.utc_ns() - ARRIVING_NS
        self.archives.sweep(self.store.shows, before_ns=before_ns)
        for folder in self.judge.place.glob("judging-*"):
            shutil.rmtree(folder, ignore_errors=True)
        for left in self.incoming.glob("*"):
            with contextlib.suppress(OSError):
                if left.stat().st_mtime_ns < before_ns:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

    async def receive(self, submission: Submission, arrived: Path) -> Submission:
        """Take the file `arrived` for a submission, or find it. Raises Crowded, and EnvironmentFailed where the disk is full."""
        try:
            return await asyncio.to_thread(self._receive, submission, arrived)
        except OSError as error:
            raise EnvironmentFailed(f"the archive cannot be kept: {error.strerror}", "free space in collector.data_dir") from error

    def _receive(self, submission: Submission, arrived: Path) -> Submission:
        if (known := self.store.submission(submission.submission_id)) is None or known.state is not State.PUBLISHED:
            self.archives.take(arrived, submission.bundle_sha256, submission.size)
        taken = self.store.receive(submission)
        self._tidy(taken)
        return taken

    async def work_off(self) -> list[Submission]:
        """Judge all that waits, oldest first; what came of each. Raises EnvironmentFailed."""
        done = []
        while (submission := await asyncio.to_thread(self.store.next)) is not None:
            if not (settled := await self.settle(submission)).waits:
                done.append(settled)
        return done

    async def settle(self, submission: Submission) -> Submission:
        """Judge one submission: published, refused, or after a judge that died still waiting. Raises EnvironmentFailed."""
        if submission.tries >= MOST_TRIES:
            return await self._refuse(submission, (Reason("EXAMINED", f"no answer after {submission.tries} tries"),), judged=False)
        if not self.archives.path(submission.bundle_sha256).is_file():
            return await self._refuse(submission, (Reason("EXAMINED", "its archive is gone from here; hand it in again"),), judged=False)
        begun = await asyncio.to_thread(self.store.begin, submission, now_ns=self.clock.utc_ns())
        try:
            examined = await self.judge.judge(self._question(begun))
        except Died as died:
            log.warning("submission %s: %s", begun.submission_id, died)
            if begun.tries < MOST_TRIES:
                return begun
            reason = Reason("EXAMINED", f"{died.what}, {begun.tries} times")
            return await self._refuse(begun, (reason,), judged=False)
        return await self._decide(begun, examined)

    async def _decide(self, submission: Submission, examined: Examined) -> Submission:
        about = (examined.entry.entry_id, examined.run_id, examined.entry.card_sha256) if examined.entry else ("", examined.run_id)
        standing = await asyncio.to_thread(self.store.standing, *about)
        now_ns = self.clock.utc_ns()
        outcome = decided(submission, examined, standing, kit=self.kit, now_ns=now_ns)
        if not isinstance(outcome, Entry):
            known = replace(submission, entry_id=standing.same.entry_id if standing.same else "")
            return await self._refuse(known, outcome, reached=examined.level)
        try:
            run_id = examined.run_id
            return await asyncio.to_thread(self.store.publish, submission, outcome, run_id=run_id, now_ns=now_ns)
        except UsageError as error:
            return await self._refuse(submission, (Reason("ENTRY", str(error)),), reached=examined.level)

    async def _refuse(self, submission: Submission, reasons: tuple[Reason, ...], *, reached: str = "", judged: bool = True) -> Submission:
        def refuse() -> Submission:
            now_ns = self.clock.utc_ns()
            done = self.store.refuse(submission, reasons, reached=reached, judged=judged, now_ns=now_ns)
            self._tidy(done)
            return done

        return await asyncio.to_thread(refuse)

    def _tidy(self, submission: Submission) -> None:
        """Let the archive of a submission go that is refused, unless something else needs it."""
        if submission.state is State.REFUSED and not self.store.shows(submission.bundle_sha256):
            self.archives.drop(submission.bundle_sha256)

    def _question(self, submission: Submission) -> Question:
        return Question(
            archive=str(self.archives.path(submission.bundle_sha256)),
            bundle_sha256=submission.bundle_sha256,
            place="",
            submitter=submission.submitter,
            now_ns=self.clock.utc_ns(),
            origin=submission.origin,
            card=str(self.archives.card(submission.bundle_sha256)),
        )
