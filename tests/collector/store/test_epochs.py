"""Many batches of a transaction are booked as one by one, with a row of `stream` read and written once."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest

from joulemark.collector.store import schema
from joulemark.collector.store.base import Received
from joulemark.collector.store.inserting import insert_all
from tests.collector.store.conftest import T0
from tests.collector.store.test_relation import told


def fresh() -> sqlite3.Connection:
    """An empty file of readings, in memory."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    schema.prepare(db)
    return db


def history(seed: int) -> list[Received]:
    """Batches of three starts of an agent in any order, some twice, some that know their clock and some that do not, and its steps."""
    rng = random.Random(seed)
    boots = rng.choice([("boot",) * 3, ("boot", "boot", "later"), ("", "", ""), ("boot", "", "boot")])
    found = []
    for _ in range(14):
        start = rng.randrange(3)
        boot_id = boots[start] if rng.random() < 0.95 else "another"
        found.append(
            told(
                rng.randrange(6),
                utc_ahead_s=rng.choice([0.0, 0.0, 5.0]),
                known=rng.random() < 0.5,
                bound_ns=rng.choice([0, 50_000]),
                epoch_ns=T0 + start,
                boot_id=boot_id,
                same_clock=rng.random() < 0.5,
            )
        )
    kept: dict[tuple[int, int], Received] = {}  # what comes under a key again is what came first
    return [kept.setdefault((one.view.epoch_ns, one.view.batch_seq), one) for one in found]


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_together_is_one_by_one(first: int) -> None:
    """Sixty histories: every table is the same, whether each batch has a transaction of its own or shares it with all others."""
    for seed in range(first, first + 20):
        batches = history(seed)
        with closing(fresh()) as alone, closing(fresh()) as together, closing(fresh()) as halves:
            one_by_one = [insert_all(alone, [one])[0] for one in batches]
            assert insert_all(together, batches) == one_by_one
            assert insert_all(halves, batches[:7]) + insert_all(halves, batches[7:]) == one_by_one
            wanted = list(alone.iterdump())
            assert list(together.iterdump()) == wanted, seed
            assert list(halves.iterdump()) == wanted, seed


def test_a_row_of_stream_is_read_and_written_once() -> None:
    """Of ten batches that follow one another, each with a description that is looked for, one look-up and one update are the epoch's."""
    with closing(fresh()) as db:
        insert_all(db, [told(0), told(1)])
        seen: list[str] = []
        db.set_trace_callback(lambda sql: seen.append(sql.split()[0] + " " + sql.split("(")[0].split()[-1]))
        insert_all(db, [told(number) for number in range(2, 12)])
    assert len([one for one in seen if one.startswith(("SELECT", "UPDATE"))]) == 12, seen
