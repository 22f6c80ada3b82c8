"""The readings of the last minutes are those of the store, whatever came since, in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from joulemark.collector.store.base import Received
from joulemark.collector.store.recent import KEEP_NS, Recent
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.energy.series import RAW_TIMES, Series
from joulemark.proto import convert
from joulemark.proto.messages import Batch
from joulemark.readings import DeviceInfo
from tests.collector.store.conftest import DEVICE, METERS, SYNCED, T0, S, batch
from tests.collector.store.test_relation import told

NOW = T0 + 60 * S


def agree(recent: Recent, store: SqliteStore) -> int:
    """Both give the same series of the last minutes; how many readings."""
    asked = (METERS, NOW - KEEP_NS, NOW + 60 * S)
    found, said = recent.series(*asked, now_ns=NOW), store.series(*asked)
    assert found is not None
    assert [plain(one) for one in found] == [plain(one) for one in said]
    return sum(map(len, said))


def plain(series: Series) -> tuple[object, ...]:
    """Everything of a series, comparable."""
    columns = [getattr(series, name) for name in ("t_ns", "value", "quality", "t_unc_ns", *RAW_TIMES)]
    lists = tuple(None if column is None else np.asarray(column).tolist() for column in columns)
    return series.meter, lists, dict(series.reasons), series.clock_bound_ns, series.device_stamps


def described(store: SqliteStore, device: DeviceInfo, batch_seq: int) -> None:
    """A batch that only describes `device`."""
    frozen = convert.freeze(Batch(T0, batch_seq, "boot", T0 + batch_seq * S, SYNCED, {}, devices=(device,)))
    store.append(Received("h", convert.decode(frozen.body), frozen.body, T0 + batch_seq * S)).result()


def refreshed(period_s: float) -> DeviceInfo:
    """The device with a power that is refreshed so often."""
    return replace(DEVICE, meters=(replace(DEVICE.meters[0], update_period_s=period_s), DEVICE.meters[1]))


STEPS: dict[str, Callable[[SqliteStore], object]] = {
    "a batch": lambda store: store.append(batch(0)).result(),
    "a later one before an earlier": lambda store: [store.append(batch(seq)).result() for seq in (3, 2)],
    "one that comes again": lambda store: store.append(batch(2)).result(),
    "another scale": lambda store: described(store, replace(DEVICE, meters=(replace(DEVICE.meters[0], exponent=-6), DEVICE.meters[1])), 4),
    "a batch in it": lambda store: store.append(batch(5)).result(),
    "all is sealed": lambda store: store.seal(T0, everything=True),
    "one that takes the number of a sealed one": lambda store: [store.append(batch(seq)).result() for seq in (6, 7, 8, 9, 11)],
    "another period": lambda store: described(store, refreshed(5.0), 12),
    "a longer one": lambda store: described(store, refreshed(7.0), 14),
    "a batch in that": lambda store: store.append(batch(15)).result(),
    "late ones of before": lambda store: [store.append(batch(seq)).result() for seq in (13, 10)],
}


def test_every_look_is_that_of_the_store(store: SqliteStore) -> None:
    """Late, out of order, again, under another scale, sealed, and after it: both agree; who looks for the first time sees the same."""
    recent = Recent(store.path)
    counts = [agree(recent, store)]
    for step in STEPS.values():
        step(store)
        counts.append(agree(recent, store))
        assert agree(Recent(store.path), store) == counts[-1]
    assert counts[0] == 0
    assert counts[-1] > counts[-2] > counts[4] > counts[1] > 0


def test_who_looks_seldom_misses_nothing(store: SqliteStore) -> None:
    """What came and was sealed between two looks is seen in the second; numbers of the log that were given twice confuse nothing."""
    recent = Recent(store.path)
    for seq in (0, 1):
        store.append(batch(seq)).result()
    before = agree(recent, store)
    store.append(batch(2)).result()
    store.seal(T0, everything=True)
    for seq in range(3, 8):
        store.append(batch(seq)).result()
    assert agree(recent, store) == before * 4


def test_what_a_clock_moves_is_moved(store: SqliteStore) -> None:
    """An agent an hour ahead that learns its offset late: what lay in the future, and was none of the last minutes, comes to its place."""
    recent = Recent(store.path)
    store.append(told(0, utc_ahead_s=3600, known=False)).result()
    assert agree(recent, store) == 0
    store.append(told(1, utc_ahead_s=3600)).result()
    assert agree(recent, store) == 40


def test_what_is_decoded_once_is_not_decoded_again(store: SqliteStore) -> None:
    """A second look keeps the columns of the first, and adds those of the batch that came since."""
    recent = Recent(store.path)
    for seq in range(3):
        store.append(batch(seq)).result()
    agree(recent, store)
    before = [part.columns for part in recent._ordered()]
    store.append(batch(3)).result()
    agree(recent, store)
    after = [part.columns for part in recent._ordered()]
    assert len(after) == 4
    assert all(kept is first for kept, first in zip(after, before, strict=False))


def test_what_is_old_is_the_stores(store: SqliteStore) -> None:
    """For a time before the last minutes it has no answer, and the store reads its file; what has grown old is let go."""
    recent = Recent(store.path)
    store.append(batch(0)).result()
    assert recent.series(METERS, NOW - KEEP_NS - 1, NOW, now_ns=NOW) is None
    assert [len(one) for one in store.recent(METERS, T0 - S, T0 + 60 * S, now_ns=T0 + 3600 * S)] == [10, 10]
    agree(recent, store)
    later = NOW + KEEP_NS * 2
    assert recent.series(METERS, later - S, later, now_ns=later) == []
    assert not recent._batches
