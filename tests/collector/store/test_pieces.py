"""Reading back: which description holds for which rows, and how pieces become series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from joulemark.collector.store.base import Described, Received
from joulemark.collector.store.pieces import Catalogue, chained, cut
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.energy.series import Series
from joulemark.proto import convert
from joulemark.proto.messages import Batch
from joulemark.readings import DeviceInfo
from tests.collector.store.conftest import DEVICE, METERS, SYNCED, T0, S, batch, count


def described_again(store: SqliteStore, device: DeviceInfo, batch_seq: int) -> None:
    """Store a batch that only describes `device`."""
    frozen = convert.freeze(Batch(T0, batch_seq, "boot", T0 + batch_seq * S, SYNCED, {}, devices=(device,)))
    store.append(Received("h", convert.decode(frozen.body), frozen.body, T0 + batch_seq * S)).result()


def test_a_change_of_scale_makes_two_series(store: SqliteStore) -> None:
    """Milliwatts before and microwatts after are never one column; each keeps the description it was read under, sealed or not."""
    store.append(batch(0)).result()
    finer = replace(DEVICE, meters=(replace(DEVICE.meters[0], exponent=-6), DEVICE.meters[1]))
    described_again(store, finer, 1)
    store.append(batch(2)).result()
    for _ in range(2):
        found = store.series(METERS, T0 - S, T0 + 60 * S)
        assert [(s.meter.channel, s.meter.exponent, len(s)) for s in found] == [("power", -3, 10), ("power", -6, 10), ("energy", -6, 20)]
        store.seal(T0, everything=True)


def test_a_description_needs_as_many_meters_as_the_block() -> None:
    """Of the descriptions before a batch the last fitting one holds; before any, the first fitting one; none fits a third meter."""
    one = DeviceInfo(DEVICE.device_id, DEVICE.meters[:1])
    history = [Described(i, "h", device, (T0, i * 10)) for i, device in enumerate((DEVICE, one, DEVICE))]
    catalogue = Catalogue({("h", DEVICE.device_id): history})
    block = batch(0).view.blocks[0]

    def row(columns: int, batch_seq: int) -> int | None:
        found = catalogue.in_force("h", block._replace(columns=block.columns[:1] * columns), (T0, batch_seq))
        return None if found is None else found.row

    assert [row(2, seq) for seq in (0, 15, 20, 99)] == [0, 0, 2, 2]
    assert [row(1, seq) for seq in (0, 99)] == [1, 1]
    assert row(3, 99) is None
    assert catalogue.in_force("another", block, (T0, 0)) is None


def test_a_cut_keeps_both_edges_and_the_reasons_of_its_rows() -> None:
    """Rows at exactly the two times are in, and a reason moves with its row."""
    series = replace(Series.plain(DEVICE.meters[0], np.arange(0, 50, 10), np.arange(5)), reasons={0: "out", 3: "in"})
    part = cut(series, 10, 30)
    assert (part.t_ns.tolist(), dict(part.reasons)) == ([10, 20, 30], {2: "in"})
    assert len(cut(series, 11, 19)) == 0


def test_chained_parts_stand_in_time_order() -> None:
    """Parts that overlap are merged by time, their reasons follow their rows, and the widest clock bound holds."""
    late = replace(Series.plain(DEVICE.meters[0], np.array([20, 40]), np.array([2, 4])), reasons={0: "second"}, clock_bound_ns=7)
    early = replace(Series.plain(DEVICE.meters[0], np.array([10, 30]), np.array([1, 3])), reasons={1: "third"}, clock_bound_ns=5)
    both = chained([late, early])
    assert (both.t_ns.tolist(), both.value.tolist()) == ([10, 20, 30, 40], [1, 2, 3, 4])
    assert (dict(both.reasons), both.clock_bound_ns) == ({1: "second", 2: "third"}, 7)


def test_a_longer_period_found_later_makes_older_times_less_certain() -> None:
    """The half-width of every row holds half the period of the description that the series has; a shorter one takes nothing away."""
    slow = replace(DEVICE.meters[0], update_period_s=0.1, update_period_measured_s=1.0)
    fast = replace(slow, update_period_measured_s=None)
    early, late = (Series.plain(meter, np.array([t]), np.array([1]), t_unc_ns=50) for meter, t in ((fast, 0), (slow, S)))
    assert chained([early, late]).t_unc_ns.tolist() == [50 + 450_000_000, 50]
    assert chained([late, early]).t_unc_ns.tolist() == [50, 50]
    assert chained([replace(early, device_stamps=True), late]).t_unc_ns.tolist() == [50, 50]


def test_raw_times_are_cut_and_chained_with_their_rows() -> None:
    """The read bracket stays with its reading; where one part never kept it, the whole has none."""
    early, late = (
        replace(Series.plain(DEVICE.meters[0], times, times), t_read0_ns=times - 1, t_read1_ns=times + 1)
        for times in (np.array([10, 30, 50]), np.array([20, 40]))
    )
    both = cut(chained([late, early]), 15, 45)
    assert both.t_read0_ns is not None
    assert both.t_read1_ns is not None
    assert (both.t_read0_ns.tolist(), both.t_read1_ns.tolist()) == ([19, 29, 39], [21, 31, 41])
    assert both.t_device_ns is None
    assert chained([replace(late, t_read0_ns=None), early]).t_read0_ns is None


def test_rows_wait_for_their_description(store: SqliteStore) -> None:
    """Blocks of a device nobody described are durable, are not sealed, and are read once the description arrives."""
    store.append(batch(1)).result()
    assert store.series(METERS, 0, 2 * T0) == []
    assert store.seal(T0, everything=True) == 0
    assert count(store, "log") == 1
    frozen = convert.freeze(Batch(T0, 2, "boot", T0 + 2 * S, SYNCED, {}, devices=(DEVICE,)))
    store.append(Received("h", convert.decode(frozen.body), frozen.body, T0 + 2 * S)).result()
    assert [len(s) for s in store.series(METERS, 0, 2 * T0)] == [10, 10]
    assert store.seal(T0, everything=True) == 1
