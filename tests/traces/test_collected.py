"""Readings of the REST interface, back to series."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from joulemark.collector.api.readings import columns
from joulemark.energy.series import RAW_TIMES, Series
from joulemark.errors import FormatError
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity
from joulemark.traces import collected

METER = MeterInfo("fake:h:0:power", "fake", Quantity.POWER, -3, Boundary.SERVER_INPUT)
NS = np.array([10, 20, 30], dtype=np.int64)
SERIES = Series(
    METER,
    NS,
    np.array([5, 0, 7], dtype=np.int64),
    np.array([Quality.OK, Quality.GAP, Quality.STALE], dtype=np.uint8),
    np.array([1, 2, 3], dtype=np.int64),
    {1: "lost", 2: "old"},
    4,
    True,
    NS - 1,
    NS + 1,
    np.array([9, 0, 0], dtype=np.int64),
)


def same(one: Series, other: Series) -> None:
    """Every column is."""
    for name in ("t_ns", "value", "quality", "t_unc_ns", *RAW_TIMES):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine is theirs is None or (mine.dtype, mine.tolist()) == (theirs.dtype, theirs.tolist()), name
    assert (one.meter, one.reasons, one.clock_bound_ns, one.device_stamps) == (
        other.meter,
        other.reasons,
        other.clock_bound_ns,
        other.device_stamps,
    )


def test_a_series_comes_back_as_it_was_sent() -> None:
    """Values, gaps, reasons and raw times; columns that were not kept stay None."""
    same(collected.read([columns(SERIES, 100)], [METER])[METER.meter_id], SERIES)
    plain = Series.plain(METER, NS, NS)
    same(collected.read([columns(plain, 100)], [METER])[METER.meter_id], plain)


def test_two_descriptions_of_a_meter_are_one_series() -> None:
    """An agent that started anew describes its meters again: the readings stand in time order, their reasons at their rows."""
    later = Series(METER, NS + 50, NS, SERIES.quality, NS, {1: "lost later"}, 9)
    (one,) = collected.read([columns(later, 100), columns(SERIES, 100)], [METER]).values()
    assert one.t_ns.tolist() == [10, 20, 30, 60, 70, 80]
    assert one.reasons == {1: "lost", 2: "old", 4: "lost later"}
    assert (one.clock_bound_ns, one.t_read0_ns) == (9, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        ["a"],
        [{"meter_id": "other"}],
        [{**columns(SERIES, 9), "value": ["x", 1, 2]}],
        [{**columns(SERIES, 9), "quality": ["good"] * 3}],
        [{**columns(SERIES, 9), "t_ns": [1, 2]}],
        [{**columns(SERIES, 9), "t_ns": [3, 2, 1]}],
        [{k: v for k, v in columns(SERIES, 9).items() if k != "exponent"}],
        [columns(SERIES, 9), {**columns(Series.plain(METER, NS + 90, NS), 9), "exponent": 0}],
    ],
)
def test_what_is_no_answer_is_refused(wrong: Any) -> None:
    """A collector of another version, or something else behind its address, is an error and no empty series."""
    with pytest.raises(FormatError):
        collected.read(wrong, [METER])


def test_a_hundred_thousand_readings_are_read_at_once() -> None:
    """A day at 1 Hz takes well below a second; quadratic work would take minutes."""
    n = 86_400
    long = Series.plain(METER, np.arange(n, dtype=np.int64), np.arange(n, dtype=np.int64))
    begin_s = time.perf_counter()
    assert len(collected.series(columns(long, n), METER)) == n
    assert time.perf_counter() - begin_s < 10.0
