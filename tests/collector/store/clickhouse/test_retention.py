"""Old readings outside of runs leave the shards; their sums, and the runs, stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.energy import whole
from joulemark.collector.store.clickhouse.retention import Retention
from joulemark.collector.store.keeping import Keeping
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import InsufficientData
from tests.collector.store.catalogue import catalogue
from tests.collector.store.conftest import METERS, T0, S, batch

SPAN = (T0 - S, T0 + 200 * S)
DAY = 86_400 * S


def retention(store: SqliteStore, archive: Archive, catalog: Path) -> Retention:
    """A day is kept, and two seconds around runs."""
    return Retention(store.path, store._writer, archive, Keeping(DAY, 2 * S, catalog))


def test_only_what_is_old_and_in_no_run_goes(archived: SqliteStore, archive: Archive, tmp_path: Path) -> None:
    """Of five spans the one with a run stays to be read; the others are a clear error, and the energy of all is what it was."""
    for number in range(50):
        archived.append(batch(number)).result()
    archived.seal(T0 + 1000 * S, everything=True)
    catalogue(tmp_path / "catalog.db", (24, 26))
    shard = archive.shards.of_host("h")
    energy, before = whole(shard, *SPAN), archived.series(METERS, T0 + 24 * S, T0 + 26 * S)[0].value.tolist()
    assert retention(archived, archive, tmp_path / "catalog.db").apply(T0 + DAY) == 0, "all of them are younger than a day"
    applied = retention(archived, archive, tmp_path / "catalog.db")
    assert applied.apply(T0 + 100 * S + DAY) == 4
    assert applied.apply(T0 + 200 * S + DAY) == 0
    assert shard.rows("SELECT count() FROM chunk") == [(1,)]
    assert whole(shard, *SPAN) == energy
    with pytest.raises(InsufficientData, match="were deleted"):
        archived.series(METERS, *SPAN)
    assert before != []
    gone = archived.deletions()
    assert gone.chunk_count == 4
    assert gone.byte_count > 0
    ends = [tuple(row) for row in shard.rows("SELECT t0_ns, t1_ns FROM chunk_sum FINAL ORDER BY t0_ns")]
    between = ((ends[0][1] + ends[1][0]) // 2, (ends[3][1] + ends[4][0]) // 2)
    assert archived.integrals(METERS[:1], [between])[0][0] is not None


def test_nothing_goes_while_the_runs_are_not_known(archived: SqliteStore, archive: Archive, tmp_path: Path) -> None:
    """Without a catalogue nobody can tell what belongs to a run."""
    archived.append(batch(0)).result()
    archived.seal(T0, everything=True)
    assert retention(archived, archive, tmp_path / "missing.db").apply(T0 + 10 * DAY) == 0
    assert archive.shards.of_host("h").rows("SELECT count() FROM chunk") == [(1,)]
