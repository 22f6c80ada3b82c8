"""The collector follows the boards of its configuration."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from joulemark.board.followed import standings
from joulemark.collector import boarding, following
from joulemark.collector.boarding import at_work
from joulemark.collector.following import going_on
from joulemark.config import BoardConfig, CollectorConfig, Config
from joulemark.errors import ConfigError
from joulemark.timebase import SystemClock
from tests.board.another import another, theirs
from tests.collector.test_boarding import until


def test_boards_are_looked_at_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a board brings is judged without anybody asking, one that is gone holds up no other, and each is told of."""
    monkeypatch.setattr(following, "SOON_S", 0.05)
    monkeypatch.setattr(boarding, "LOOK_S", 0.05)

    async def followed() -> None:
        async with another(theirs(1)) as board:
            own = BoardConfig(follow=("http://127.0.0.1:9", f"{board.url}/", board.url))
            config = Config(collector=CollectorConfig(data_dir=tmp_path), board=own)
            async with at_work(config, SystemClock(), url="http://127.0.0.1:7471") as here, going_on(config, here):
                await until(lambda: len(standings(here.desk.store)) == 2 and here.desk.store.waiting() == 0)
            told = {one["url"]: one for one in standings_of(tmp_path)}
            assert told["http://127.0.0.1:9"]["findings"][0]["kind"] == "unreachable"
            assert told["http://127.0.0.1:9"]["good_ns"] is None
            there = told[board.url]
            assert (there["entries"], there["published"], there["waiting"]) == (1, 0, 0)
            (refused,) = there["refused"]
            assert refused["item_id"] == theirs(1).entry_id
            assert refused["reasons"][0].startswith("ENTRY: ")

    asyncio.run(followed())


def standings_of(folder: Path) -> list[dict[str, object]]:
    """How the boards stand, read from the file."""
    with boarding.Desk.of(Config(collector=CollectorConfig(data_dir=folder)), SystemClock()).store as store:
        return standings(store)


def test_an_address_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    """A collector does not start with a board that it could never follow."""

    async def begun() -> None:
        config = Config(collector=CollectorConfig(data_dir=tmp_path), board=BoardConfig(follow=("board.example",)))
        async with at_work(config, SystemClock(), url="http://127.0.0.1:7471") as here, going_on(config, here):
            pass

    with pytest.raises(ConfigError, match="no address of the web"):
        asyncio.run(begun())
