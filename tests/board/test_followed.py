"""How followed boards stand is told out of what was noted of them."""

from __future__ import annotations

from pathlib import Path

from joulemark.board.desk import Desk
from joulemark.board.followed import standings
from joulemark.config import CollectorConfig, Config
from joulemark.timebase import SystemClock

BOARD = "https://board.example"


def test_each_board_is_told_of(tmp_path: Path) -> None:
    """Entries are those that were seen, linked ones those that were here already; nothing is published that was never judged."""
    with Desk.of(Config(collector=CollectorConfig(data_dir=tmp_path)), SystemClock()).store as store:
        finding = {"kind": "vanished", "item_id": "a", "detail": "gone"}
        seen = {"a": {"status": "published", "entry_id": "a"}, "b": {"status": "published", "submission_id": "never handed in"}}
        store.note(BOARD, {"looked_ns": 7, "findings": [finding]}, seen)
        (told,) = standings(store)
    assert (told["url"], told["looked_ns"], told["good_ns"], told["findings"]) == (BOARD, 7, None, [finding])
    assert (told["entries"], told["linked"], told["published"], told["waiting"], told["refused"]) == (2, 1, 0, 0, [])


def test_without_a_followed_board_nothing_is_told(tmp_path: Path) -> None:
    """A board that follows none has none to tell of."""
    with Desk.of(Config(collector=CollectorConfig(data_dir=tmp_path)), SystemClock()).store as store:
        assert standings(store) == []
