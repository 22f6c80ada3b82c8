"""Several files of readings answer what one file with all of their batches answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.store import configured, files
from joulemark.collector.store.base import ReadingStore, Received
from joulemark.collector.store.recent import KEEP_NS
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.collector.store.united import UnitedReadings
from joulemark.config import CollectorConfig, Config
from joulemark.proto import convert
from joulemark.proto.messages import Ack, Survey
from tests.collector.store.conftest import METERS, T0, S
from tests.collector.store.test_recent import plain
from tests.collector.store.test_relation import told

NEXT, THIRD = T0 + 100 * S, T0 + 200 * S
"""The second and the third start of the agent."""
ALL = (0, 2**62)
NOW = T0 + 1300 * S


def surveyed(number: int, epoch_ns: int, **more: Any) -> Received:
    """A batch that also tells what the agent saw of its host."""
    one = told(number, epoch_ns=epoch_ns, **more)
    view = replace(one.view, survey=Survey(f"saw {number}", one.view.clock.at_mono_ns))
    return replace(one, view=view)


HOMES: tuple[tuple[int, Received], ...] = (
    *((0, surveyed(number, T0)) for number in range(6)),
    *((1, surveyed(number, NEXT, known=number > 7)) for number in range(6, 12)),
    *((0, surveyed(number, THIRD, utc_ahead_s=2)) for number in range(12, 16)),
)
"""Which file takes which batch: the agent moves from the first to the second, and back."""


def filled(pair: Sequence[SqliteStore], batches: Sequence[tuple[int, Received]] = HOMES) -> tuple[SqliteStore, UnitedReadings]:
    """The whole, and the two files with their share as one store."""
    whole, *both = pair
    for home, received in batches:
        whole.append(received).result()
        both[home].append(received).result()
    return whole, UnitedReadings(both)


QUESTIONS: dict[str, Callable[[ReadingStore], Any]] = {
    "streams": lambda store: store.streams(),
    "acks": lambda store: store.acks("h"),
    "nobody's acks": lambda store: store.acks("nobody"),
    "devices": lambda store: [(d.agent_id, d.device) for d in store.devices()],
    "nobody's devices": lambda store: store.devices(["nobody"]),
    "all series": lambda store: [plain(one) for one in store.series(METERS, *ALL)],
    "series of the second start": lambda store: [plain(one) for one in store.series(METERS[::-1], NEXT - 40 * S, NEXT + 5 * S)],
    "series of now": lambda store: [plain(one) for one in store.series(METERS, THIRD, 2**62)],
    "series of nobody": lambda store: store.series(["fake:x:0:power"], *ALL),
    "recent": lambda store: [plain(one) for one in store.recent(METERS, NOW - KEEP_NS, NOW, now_ns=NOW)],
    "integrals": lambda store: store.integrals(METERS[:1], [(T0 + 1005 * S, T0 + 1152 * S), (T0 + 1060 * S + 7, T0 + 1061 * S)]),
    "an integral beyond the end": lambda store: store.integrals(METERS[:1], [(T0 + 5000 * S, T0 + 5001 * S)]),
    "losses": lambda store: store.losses(*ALL),
    "all states": lambda store: store.states(*ALL),
    "states between": lambda store: store.states(T0 + 1065 * S, T0 + 1130 * S),
    "last states": lambda store: store.last_states(),
    "surveys between": lambda store: store.surveys(T0 + 1055 * S, T0 + 1115 * S),
    "a survey at its time": lambda store: store.surveys(T0 + 1060 * S, T0 + 1060 * S),
    "shards": lambda store: store.shards(),
    "axes": lambda store: store.axes(),
    "own states": lambda store: store.own_states(*ALL),
}


@pytest.mark.parametrize("sealed", [False, True])
def test_two_files_answer_as_one(pair: tuple[SqliteStore, SqliteStore, SqliteStore], sealed: bool) -> None:
    """Every question about an agent that moved and came back, its readings in the log and in chunks, bit for bit."""
    whole, united = filled(pair)
    for store in pair[:2]:
        store.anchored("boot", mono_ns=1000 * S, utc_minus_mono_ns=T0, keep=False)
        store.told(T0, host_state())
    if sealed:
        assert all(store.seal(0, everything=True) for store in pair)
    for name, ask in QUESTIONS.items():
        assert ask(united) == ask(whole), name
    assert len(united.series(METERS, *ALL)[0]) == 160, "ten readings of sixteen batches"


def host_state() -> Any:
    """What the collector's host says of its clock."""
    return convert.decode(HOMES[0][1].body).clock


def test_a_part_of_an_epoch_in_each_file(pair: tuple[SqliteStore, SqliteStore, SqliteStore]) -> None:
    """An epoch whose rest was sent elsewhere, as an operator may order: counted together, acknowledged up to the higher one."""
    parts = [(0 if number < 3 else 1, told(number)) for number in range(6)]
    whole, united = filled(pair, parts)
    for ask in (QUESTIONS["streams"], QUESTIONS["acks"], QUESTIONS["devices"], QUESTIONS["all series"], QUESTIONS["losses"]):
        assert ask(united) == ask(whole)
    assert united.acks("h") == [Ack(T0, 5)]


def test_streams_opened_are_added(pair: tuple[SqliteStore, SqliteStore, SqliteStore]) -> None:
    """An agent that was seen by both is counted once, with the streams of both."""
    for store, agent_id in ((pair[1], "h"), (pair[2], "h"), (pair[2], "g")):
        store.opened(agent_id).result()
    assert UnitedReadings(pair[1:]).streams_opened() == {"g": 1, "h": 2}


def test_only_a_folder_with_more_files_is_put_together(tmp_path: Path) -> None:
    """One file is asked as it is; every readings-N.db beside it counts, in the order of the numbers, and nothing else does."""
    config = Config(collector=CollectorConfig(data_dir=tmp_path))
    assert isinstance(configured.readings(config), SqliteReadings)
    for name in ("readings-10.db", "readings-2.db", "readings-2.db-wal", "readings-0.db", "readings-x.db", "catalog.db"):
        (tmp_path / name).touch()
    assert files.numbers(tmp_path) == [0, 2, 10]
    assert isinstance(configured.readings(config), UnitedReadings)
