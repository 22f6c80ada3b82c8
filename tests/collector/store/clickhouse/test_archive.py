"""What lies on shards is read back bit for bit as from readings.db, and what a shard lacks is an error."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.catalog import Catalog
from joulemark.collector.measure import energy_json, gather
from joulemark.collector.store.base import ReadingStore
from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import EnvironmentFailed
from joulemark.proto.messages import ClockState
from tests.collector import golden
from tests.collector.store.clickhouse.conftest import opened
from tests.collector.store.conftest import METERS, T0, S, batch

SPAN = (T0, T0 + 100 * S)


def energies(store: ReadingStore, catalog: Path) -> str:
    """The energies of the golden run."""
    runs = Catalog(catalog)
    recorded = runs.run("run-1")
    runs.close()
    assert recorded is not None
    return json.dumps(energy_json(gather(recorded, store, golden.BOOT)))


def test_the_golden_run_is_bit_equal_from_shards(tmp_path: Path, archive: Archive) -> None:
    """Energies, series, sums and stored bytes of the golden hosts are those of readings.db, and its log is empty on both sides."""
    golden.write_catalog(tmp_path / "catalog.db")
    for name in ("local.db", "archived.db"):
        golden.write_readings(tmp_path / name)
    local = SqliteStore(tmp_path / "local.db", seal_after_ns=25 * S)
    archived = opened(tmp_path / "archived.db", archive, seal_after_ns=25 * S)
    assert local.seal(T0 + 1000 * S, everything=True) == archived.seal(T0 + 1000 * S, everything=True) > 0
    assert energies(archived, tmp_path / "catalog.db") == energies(local, tmp_path / "catalog.db")
    meters = [meter.meter_id for found in local.devices() for meter in found.device.meters]
    for one, other in zip(local.series(meters, *SPAN), archived.series(meters, *SPAN), strict=True):
        assert (one.meter, one.t_ns.tolist(), one.value.tolist()) == (other.meter, other.t_ns.tolist(), other.value.tolist())
    powers, spans = [name for name in meters if name.endswith("power")], [(T0 + 3 * S, T0 + 30 * S), (T0 + 10 * S, T0 + 20 * S)]
    assert archived.integrals(powers, spans) == local.integrals(powers, spans)
    with closing(sqlite3.connect(archived.path)) as db:
        rows = archive.sums(db, powers[0], *SPAN)
        assert archive.begun(db, powers[0], rows[0][1] + 1, SPAN[1]) == rows[1:] != []
    assert [archived.stored_bytes(name) for name in ("ahead", "alone")] == [local.stored_bytes(name) for name in ("ahead", "alone")]
    assert all(shard.rows("SELECT count() FROM chunk")[0][0] for shard in archive.shards), "both shards have hosts"
    local.close()
    archived.close()


def test_recent_readings_follow_into_the_archive(archived: SqliteStore) -> None:
    """Who asks every second gets the same answer before and after a batch was sealed onto a shard."""
    for number in range(10):
        archived.append(batch(number)).result()
    before = archived.recent(METERS, *SPAN, now_ns=T0 + 12 * S)
    archived.seal(T0 + 12 * S, everything=True)
    after = archived.recent(METERS, *SPAN, now_ns=T0 + 12 * S)
    assert [one.value.tolist() for one in after] == [one.value.tolist() for one in before] != []


def test_what_a_shard_lost_is_never_a_silent_gap(archived: SqliteStore, archive: Archive) -> None:
    """A chunk or a sum that a shard once took and now lacks is an error that names the shard, the host and the way out."""
    for number in range(30):
        archived.append(batch(number)).result()
    archived.seal(T0 + 100 * S, everything=True)
    shard = archive.shards.of_host("h")
    shard.command("DELETE FROM chunk_sum WHERE begin_ns = (SELECT min(begin_ns) FROM chunk)")
    with pytest.raises(EnvironmentFailed, match=f"{shard.name} lacks 1 sums of h"):
        archived.integrals(METERS[:1], [(T0 + 5 * S, T0 + 20 * S)])
    shard.command("DELETE FROM chunk WHERE begin_ns = (SELECT min(begin_ns) FROM chunk)")
    with pytest.raises(EnvironmentFailed, match="lacks 1 chunks of h that it once took"):
        archived.series(METERS, *SPAN)


def test_a_span_on_a_shard_that_is_not_configured_is_an_error(tmp_path: Path, archived: SqliteStore, archive: Archive) -> None:
    """A reader whose configuration lost a shard says which, rather than answering without it."""
    archived.append(batch(0)).result()
    archived.seal(T0 + 100 * S, everything=True)
    left = [shard for shard in archive.shards if shard is not archive.shards.of_host("h")]
    reader = opened(tmp_path / "archived.db", Archive(type(archive.shards)(left)))
    with pytest.raises(EnvironmentFailed, match=r"clickhouse\.shards does not name"):
        reader.series(METERS, *SPAN)
    reader.close()


def test_spans_move_with_the_clock_of_their_epoch(tmp_path: Path, archived: SqliteStore) -> None:
    """What was sealed while nobody knew a host's clock is dated anew once it is compared, on shards as in readings.db."""
    local = SqliteStore(tmp_path / "local.db", seal_after_ns=10 * S)
    known = [ClockState()] * 2 + [golden.AHEAD] * 2
    for store in (local, archived):
        for number, received in enumerate(golden.batches("ahead", 37_500_000_000, known)):
            store.append(received).result()
            if number == 1:
                assert store.seal(T0, everything=True) == 2
        store.seal(T0, everything=True)
    power, spans = ["fake:ahead:0:power"], [(golden.T0 + 3 * S, golden.T0 + 9 * S), (golden.T0 + 4 * S, golden.T0 + 18 * S)]
    assert archived.integrals(power, spans) == local.integrals(power, spans) != [[None, None]]
    for one, other in zip(archived.series(power, *SPAN), local.series(power, *SPAN), strict=True):
        assert (one.t_ns.tolist(), one.value.tolist()) == (other.t_ns.tolist(), other.value.tolist())
    with closing(sqlite3.connect(archived.path)) as db:
        assert db.execute("SELECT COUNT(*) FROM archived WHERE moved_ns != 0").fetchone() == (2,)
    local.close()
