"""Readings of one device in several files are dated, joined and integrated as those of one file."""

from __future__ import annotations

import pytest

from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import UsageError
from tests.collector.store.conftest import METERS, T0, S, batch
from tests.collector.store.test_integral import frozen
from tests.collector.store.test_recent import plain
from tests.collector.store.test_united import ALL, filled


def test_gaps_and_stamps_cross_a_move(pair: tuple[SqliteStore, SqliteStore, SqliteStore]) -> None:
    """Readings with gaps, driver stamps and random values, divided between two files in the middle: series and energy are the same."""
    described = batch(0).view.devices
    second = (frozen(batch(number, epoch_ns=T0 + 1), devices=described) for number in range(20, 40))
    whole, united = filled(pair, [*((0, batch(number)) for number in range(20)), *((1, one) for one in second)])
    pair[0].seal(0, everything=True)
    assert [plain(one) for one in united.series(METERS, *ALL)] == [plain(one) for one in whole.series(METERS, *ALL)]
    spans = [(T0 + 2 * S, T0 + 30 * S), (T0 + 19 * S + 5, T0 + 21 * S)]
    (found,), (wanted,) = united.integrals(METERS[:1], spans), whole.integrals(METERS[:1], spans)
    assert [one and (one.double, one.readings, one.longest_ns) for one in found] == [
        one and (one.double, one.readings, one.longest_ns) for one in wanted
    ]
    assert None not in found


def test_no_power_has_no_integral(pair: tuple[SqliteStore, SqliteStore, SqliteStore]) -> None:
    """A counter, and a meter that nobody described, are refused as one file refuses them, also across a move."""
    _, united = filled(pair)
    for meter_id in (METERS[1], "fake:x:0:power"):
        with pytest.raises(UsageError, match="shows no power"):
            united.integrals([meter_id], [(T0 + 1005 * S, T0 + 1152 * S)])
