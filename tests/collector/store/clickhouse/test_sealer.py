"""A span leaves the log once a shard has it, whatever stops in between, and a shard that is down keeps nobody else waiting."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.shards import Shards
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import RemoteUnreachable
from joulemark.proto.messages import ClockState
from tests.collector import golden
from tests.collector.store.clickhouse.conftest import opened
from tests.collector.store.conftest import METERS, T0, S, batch, count

SPAN = (T0, T0 + 100 * S)


class Cut(Shard):
    """A shard whose connection is cut before it answers the insert into one table, a number of times: the insert is done, or it is not."""

    table, times, done = "", 0, True

    def insert(self, table: str, rows: Sequence[Sequence[Any]], *, token: str) -> None:
        cut = table == self.table and self.times > 0
        if not cut or self.done:
            super().insert(table, rows, token=token)
        if cut:
            self.times -= 1
            raise RemoteUnreachable(f"the ClickHouse shard {self.name} failed: cut", "wait")


@pytest.fixture
def cut(new_shard: Callable[[], Shard]) -> Cut:
    """The only shard."""
    return Cut((shard := new_shard()).name, shard._opened)


def held(shard: Shard) -> list[tuple[int, int]]:
    """Rows and keys of both tables as they lie on the shard, replaced ones too."""
    query = "SELECT count(), uniqExact(begin_ns, epoch_ns, last_seq, description) FROM {}"
    return [tuple(shard.rows(query.format(table))[0]) for table in ("chunk", "chunk_sum")]


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("table", ["chunk", "chunk_sum"])
def test_an_answer_that_was_lost_costs_and_doubles_nothing(tmp_path: Path, cut: Cut, table: str, done: bool) -> None:
    """The log keeps the span until its insert was answered; done again it lies on the shard once, and reads as before."""
    store = opened(tmp_path / "readings.db", Archive(Shards([cut])))
    for number in range(10):
        store.append(batch(number)).result()
    before = [one.value.tolist() for one in store.series(METERS, *SPAN)]
    cut.table, cut.times, cut.done = table, 2, done
    assert [store.seal(T0, everything=True) for _ in range(2)] == [0, 0]
    assert (count(store, "log"), count(store, "begun"), count(store, "archived")) == (10, 1, 0)
    assert [one.value.tolist() for one in store.series(METERS, *SPAN)] == before
    assert store.seal(T0, everything=True) == 1
    assert (count(store, "log"), count(store, "begun"), count(store, "archived")) == (0, 0, 1)
    assert [one.value.tolist() for one in store.series(METERS, *SPAN)] == before
    assert held(cut) == [(1, 1), (1, 1)]
    store.close()


def test_what_was_begun_before_a_kill_is_finished_by_the_next_start(tmp_path: Path, cut: Cut) -> None:
    """A collector that died between shard and log seals the same span again, also when more batches came since, and not twice."""
    archive = Archive(Shards([cut]))
    store = opened(tmp_path / "readings.db", archive)
    for number in range(10):
        store.append(batch(number)).result()
    cut.table, cut.times = "chunk_sum", 1
    assert store.seal(T0, everything=True) == 0
    store.close()
    store = opened(tmp_path / "readings.db", archive)
    for number in range(10, 20):
        store.append(batch(number)).result()
    assert store.seal(T0, everything=True) == 2
    assert held(cut) == [(2, 2), (2, 2)]
    assert sum(len(one) for one in store.series(METERS[1:], T0 - S, T0 + 100 * S)) == 200
    store.close()


def test_a_clock_that_became_known_in_between_replaces_what_the_shard_has(tmp_path: Path, cut: Cut) -> None:
    """Sums dated by an old clock are replaced under a higher revision; readings count once and are dated as without an archive."""
    unknown, known = (all_of := list(golden.batches("ahead", 37_500_000_000, [ClockState()] * 2 + [golden.AHEAD] * 2)))[:2], all_of[2:]
    meters, span = ["fake:ahead:0:power"], (golden.T0 + 3 * S, golden.T0 + 9 * S)
    archived = opened(tmp_path / "archived.db", Archive(Shards([cut])))
    for received in unknown:
        archived.append(received).result()
    cut.table, cut.times = "chunk_sum", 1
    assert archived.seal(T0, everything=True) == 0
    for received in known:
        archived.append(received).result()
    assert archived.seal(T0, everything=True) == 3
    local = SqliteStore(tmp_path / "local.db")
    for received in [*unknown, *known]:
        local.append(received).result()
    for one, other in zip(archived.series(meters, *SPAN), local.series(meters, *SPAN), strict=True):
        assert (one.t_ns.tolist(), one.value.tolist()) == (other.t_ns.tolist(), other.value.tolist())
    assert archived.integrals(meters, [span]) == local.integrals(meters, [span]) != [[None]]
    assert cut.rows("SELECT revision, last_seq FROM chunk FINAL ORDER BY last_seq LIMIT 1") == [(2, 0)]
    archived.close()
    local.close()


def test_hosts_of_other_shards_go_on_while_one_is_down(tmp_path: Path, new_shard: Callable[[], Shard]) -> None:
    """The log of the down shard's hosts grows and says since when; what was sealed there is an error to read, the other hosts are not."""
    down, up = Cut((first := new_shard()).name, first._opened), new_shard()
    archive = Archive(Shards([down, up]))
    store = opened(tmp_path / "readings.db", archive)
    names = [f"h{number}" for number in range(8)]
    for name in names:
        received = batch(0)
        store.append(replace(received, agent_id=name)).result()
    down.table, down.times = "chunk", 2
    store.seal(T0, everything=True)
    store.seal(T0 + S, everything=True)
    waiting = {agent_id for agent_id in names if archive.shards.of_host(agent_id) is down}
    with closing(sqlite3.connect(store.path)) as db:
        assert {row[0] for row in db.execute("SELECT agent_id FROM log")} == waiting != set()
        states = {name: (since_ns, bool(error)) for name, since_ns, error in db.execute("SELECT name, failing_since_ns, error FROM shard")}
    assert states == {down.name: (T0, True), up.name: (None, False)}
    store.seal(T0 + 2 * S, everything=True)
    assert count(store, "log") == 0
    assert {one.name: one.failing_since_ns for one in store.shards()} == {down.name: None, up.name: None}
    store.close()


def test_a_device_that_nobody_described_stays_in_the_log(archived: SqliteStore) -> None:
    """Its span waits without anything written down or sent, and is sealed once the description came."""
    archived.append(batch(1, described=False)).result()
    assert archived.seal(T0, everything=True) == 0
    assert (count(archived, "log"), count(archived, "begun")) == (1, 0)
    archived.append(batch(0)).result()
    assert archived.seal(T0, everything=True) == 1
