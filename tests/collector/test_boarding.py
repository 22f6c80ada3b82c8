"""Boarding: the queue goes on by itself, and the shelf follows what other processes do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from joulemark.board.desk import Desk
from joulemark.board.store import BoardStore
from joulemark.board.submission import State, Submission
from joulemark.collector import boarding
from joulemark.collector.api.archives import Arrived
from joulemark.collector.boarding import Boarding, at_work
from joulemark.config import CollectorConfig, Config
from joulemark.errors import FormatError
from joulemark.timebase import SystemClock
from tests.board import archives
from tests.board.entries import entry

NOT_A_BUNDLE = archives.zipped({"readme.txt": b"nothing of ours"})


@asynccontextmanager
async def working(folder: Path) -> AsyncIterator[Boarding]:
    """A board at work in `folder`."""
    async with at_work(Config(collector=CollectorConfig(data_dir=folder)), SystemClock(), url="http://127.0.0.1:7471") as board:
        yield board


async def until(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not so():
            await asyncio.sleep(0.02)


def arrived(folder: Path) -> Arrived:
    """An archive that came in."""
    (folder / "in").write_bytes(NOT_A_BUNDLE)
    return Arrived(folder / "in", archives.sha256(NOT_A_BUNDLE), len(NOT_A_BUNDLE))


def test_what_is_handed_in_is_judged_by_itself(tmp_path: Path) -> None:
    """A submission is settled without anybody asking, while the loop stays free."""

    async def handed_in() -> Submission | None:
        async with working(tmp_path) as board:
            taken = await board.submit(arrived(tmp_path), "lab", "ES0")
            assert taken.state is State.RECEIVED
            await until(lambda: board.desk.store.waiting() == 0)
            return board.desk.store.submission(taken.submission_id)

    settled = asyncio.run(handed_in())
    assert settled is not None
    assert (settled.state, settled.tries) == (State.REFUSED, 1)


def test_a_queue_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was taken and not judged when the collector ended is judged by the next one."""

    async def ended_early() -> None:
        async with working(tmp_path) as board:
            await board.submit(arrived(tmp_path), "lab", "ES0")

    async def begun_again() -> int:
        async with working(tmp_path) as board:
            await until(lambda: board.desk.store.waiting() == 0)
            return (board.desk.store.submission(archives.sha256(NOT_A_BUNDLE)) or pytest.fail("it is lost")).tries

    asyncio.run(ended_early())
    assert 1 <= asyncio.run(begun_again()) <= 2


def test_the_shelf_follows_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that a command wrote to the same board.db is shown a moment later."""
    monkeypatch.setattr(boarding, "LOOK_S", 0.05)

    async def shown() -> None:
        async with working(tmp_path) as board:
            with BoardStore(tmp_path / "board.db") as other:
                other.publish_all([(entry(1), "run-1")])
            await until(lambda: bool(board.shelf.entries))

    asyncio.run(shown())


def test_the_queue_of_another_process_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a command judges, the collector does not; when the command has ended it does."""
    monkeypatch.setattr(boarding, "LOOK_S", 0.05)

    async def waited() -> None:
        config = Config(collector=CollectorConfig(data_dir=tmp_path))
        other = Desk.of(config, SystemClock())
        with other.alone() as alone:
            assert alone
            async with working(tmp_path) as board:
                await board.submit(arrived(tmp_path), "lab", "ES0")
                await asyncio.sleep(0.3)
                waiting = other.store.next()
                assert waiting is not None
                assert waiting.state is State.RECEIVED
        other.close()
        async with working(tmp_path) as board:
            await until(lambda: board.desk.store.waiting() == 0)

    asyncio.run(waited())


def test_a_day_is_frozen_once_it_is_over(tmp_path: Path) -> None:
    """Today has no snapshot yet; an earlier day has one, and the same again."""

    async def frozen() -> None:
        async with working(tmp_path) as board:
            first = await board.freeze("2026-01-01")
            assert await board.freeze("2026-01-01") == first
            with pytest.raises(FormatError, match="not over yet"):
                await board.freeze("2099-12-31")

    asyncio.run(frozen())
