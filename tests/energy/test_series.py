"""Columns of one meter on the collector's time axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.energy.series import INTEGRABLE, Series
from joulemark.readings import Averaging, Boundary, MeterInfo, Quality, Quantity, TimestampSource, effective_time

METER = MeterInfo("fake:h:0:power", "fake", Quantity.POWER, -3, Boundary.GPU)


def column(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def test_columns_must_agree_and_run_forward() -> None:
    """Columns of different length, and times that go backwards, are refused and name the meter."""
    with pytest.raises(ValueError, match="fake:h:0:power differ"):
        Series.plain(METER, column(1, 2), column(1))
    with pytest.raises(ValueError, match="backwards"):
        Series.plain(METER, column(2, 1), column(1, 1))


def test_empty_series_is_one() -> None:
    """A meter without readings has a series of length 0 with nothing to integrate."""
    empty = Series.plain(METER, column(), column())
    assert len(empty) == len(empty.integrable()) == len(empty.si()) == 0


@pytest.mark.parametrize(("exponent", "expected"), [(-3, [0.7, 1.234]), (0, [700.0, 1234.0]), (2, [70000.0, 123400.0])])
def test_si_scales_by_the_exponent(exponent: int, expected: list[float]) -> None:
    """Integers become watts at the meter's exponent, rounded once."""
    meter = MeterInfo("fake:h:0:power", "fake", Quantity.POWER, exponent, Boundary.GPU)
    assert Series.plain(meter, column(1, 2), column(700, 1234)).si().tolist() == expected


def test_integrable_drops_gaps_stale_readings_and_equal_times() -> None:
    """Of five readings the stale one, the gap and the second of two equal times are left out."""
    quality = np.array([Quality.OK, Quality.STALE, Quality.OK, Quality.OK, Quality.GAP], dtype=np.uint8)
    kept = Series.plain(METER, column(1, 2, 3, 3, 4), column(10, 20, 30, 31, 0), quality).integrable()
    assert kept.t_ns.tolist() == [1, 3]
    assert kept.value.tolist() == [10, 30]


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(Quality)), max_size=30))
def test_integrable_keeps_every_distinct_good_time(rows: list[tuple[int, Quality]]) -> None:
    """What is kept is strictly increasing, all integrable, and lacks no time at which an integrable reading exists."""
    rows.sort(key=lambda row: row[0])
    quality = np.array([q for _, q in rows], dtype=np.uint8)
    series = Series.plain(METER, column(*(t for t, _ in rows)), column(*range(len(rows))), quality)
    kept = series.integrable()
    assert kept.t_ns.tolist() == sorted({t for t, q in rows if q.integrable})
    assert INTEGRABLE[kept.quality].all()


@st.composite
def timed_meters(draw: st.DrawFn) -> MeterInfo:
    """Meters that differ in everything that decides when a reading was true."""
    seconds = st.none() | st.sampled_from([0.0, 0.1, 1.0])
    return MeterInfo(
        METER.meter_id,
        "fake",
        Quantity.POWER,
        -3,
        Boundary.GPU,
        averaging_window_s=draw(seconds),
        update_period_s=draw(seconds),
        update_period_measured_s=draw(seconds),
        timestamp_source=draw(st.sampled_from(TimestampSource)),
    )


@given(timed_meters(), st.integers(0, 10**15), st.integers(0, 10**7), st.none() | st.integers(1, 10**15), st.integers(-(10**9), 10**9))
def test_columns_are_dated_like_single_readings(
    meter: MeterInfo, t_read_ns: int, bracket_ns: int, t_device_ns: int | None, offset_ns: int
) -> None:
    """A column gets the times and half-widths that `effective_time` gives a single reading, plus the clock offset."""
    series = Series.from_columns(
        meter,
        t_read_ns=column(t_read_ns),
        bracket_ns=column(bracket_ns),
        t_device_ns=column(t_device_ns or 0),
        value=column(1),
        quality=np.array([Quality.OK], dtype=np.uint8),
        clock_offset_ns=offset_ns,
    )
    t_ns, unc_ns = effective_time(meter, t_read_ns=t_read_ns, bracket_ns=bracket_ns, t_device_ns=t_device_ns)
    assert (series.t_ns.tolist(), series.t_unc_ns.tolist()) == ([t_ns + offset_ns], [unc_ns])


def test_device_times_reorder_rows_and_their_reasons() -> None:
    """Rows are sorted by device time, and the reason of a gap moves with its row."""
    meter = MeterInfo(METER.meter_id, "fake", Quantity.POWER, -3, Boundary.GPU, timestamp_source=TimestampSource.DEVICE)
    series = Series.from_columns(
        meter,
        t_read_ns=column(100, 200),
        bracket_ns=column(2, 2),
        t_device_ns=column(190, 90),
        value=column(0, 5),
        quality=np.array([Quality.GAP, Quality.OK], dtype=np.uint8),
        reasons={0: "bus error"},
        clock_bound_ns=7,
    )
    assert series.t_ns.tolist() == [90, 190]
    assert series.value.tolist() == [5, 0]
    assert dict(series.reasons) == {1: "bus error"}
    assert (series.clock_bound_ns, series.device_stamps) == (7, True)


def test_raw_times_stay_with_their_rows() -> None:
    """The read bracket moves to the collector's axis, the device's own word stays as said, and both follow the order of the rows."""
    meter = MeterInfo(METER.meter_id, "fake", Quantity.POWER, -3, Boundary.GPU, timestamp_source=TimestampSource.DEVICE)
    series = Series.from_columns(
        meter,
        t_read_ns=column(100, 200, 300),
        bracket_ns=column(3, 4, 0),
        t_device_ns=column(195, 90, 0),
        value=column(1, 2, 3),
        quality=np.full(3, Quality.OK, dtype=np.uint8),
        clock_offset_ns=column(1000, 1000, 2000),
    )
    assert series.value.tolist() == [2, 1, 3]
    raw = [None if one is None else one.tolist() for one in (series.t_read0_ns, series.t_read1_ns, series.t_device_ns)]
    assert raw == [[1198, 1099, 2300], [1202, 1102, 2300], [90, 195, 0]]
    kept = series.rows(np.array([True, False, True]))
    assert kept.t_read0_ns is not None
    assert kept.t_read0_ns.tolist() == [1198, 2300]


def test_raw_times_must_have_a_row_each() -> None:
    """A column of raw times that is too short raises ValueError."""
    with pytest.raises(ValueError, match="differ in length"):
        replace(Series.plain(METER, column(1, 2), column(1, 2)), t_read0_ns=column(1))


def test_a_repeated_stamp_is_one_moment_whatever_the_offset_did() -> None:
    """Rows under one device stamp get one time, that of the first, though the offset of the clock differs from row to row."""
    meter = replace(METER, quantity=Quantity.ENERGY_COUNTER, averaging_window_s=None, timestamp_source=TimestampSource.DRIVER)
    series = Series.from_columns(
        meter,
        t_read_ns=column(1010, 1060, 1110, 1160, 1210),
        bracket_ns=column(0, 0, 0, 0, 0),
        t_device_ns=column(1000, 1000, 0, 1150, 1150),
        value=column(5, 5, 6, 7, 7),
        quality=np.full(5, Quality.OK, np.uint8),
        clock_offset_ns=column(10, -17, 3, 30, 29),
    )
    assert series.t_ns.tolist() == [1010, 1010, 1113, 1180, 1180]
    assert (
        len(
            Series.from_columns(
                meter, t_read_ns=column(), bracket_ns=column(), t_device_ns=column(), value=column(), quality=np.zeros(0, np.uint8)
            )
        )
        == 0
    )


@pytest.mark.parametrize(
    ("averaging", "window_s", "lag_ns"),
    [
        (Averaging.BOXCAR, 1.0, 500_000_000),
        (Averaging.UNKNOWN, 0.25, 125_000_000),
        (Averaging.EXPONENTIAL, 0.75, 750_000_000),
        (Averaging.INSTANT, 0.0, 0),
        (Averaging.UNKNOWN, None, 0),
    ],
)
@pytest.mark.parametrize("source", [TimestampSource.READ_BRACKET, TimestampSource.DEVICE])
def test_stamps_move_once_by_the_lag(averaging: Averaging, window_s: float | None, lag_ns: int, source: TimestampSource) -> None:
    """A reading is moved back by half its window once, or by the time constant, whoever dated it; not at all where nobody knows."""
    meter = replace(METER, averaging=averaging, averaging_window_s=window_s, timestamp_source=source)
    read_ns, device_ns = 10_000_000_000, 9_800_000_000
    t_ns, _ = effective_time(meter, t_read_ns=read_ns, bracket_ns=2, t_device_ns=device_ns)
    assert t_ns == (device_ns if source is TimestampSource.DEVICE else read_ns) - lag_ns
    quality = np.array([Quality.OK], dtype=np.uint8)
    series = Series.from_columns(
        meter, t_read_ns=column(read_ns), bracket_ns=column(2), t_device_ns=column(device_ns), value=column(1), quality=quality
    )
    assert series.t_ns.tolist() == [t_ns]


def test_a_counter_has_no_lag() -> None:
    """A count is true when it is read: the averaging window that its instrument states for power moves no reading of it."""
    meter = replace(METER, quantity=Quantity.ENERGY_COUNTER, averaging=Averaging.BOXCAR, averaging_window_s=1.0)
    assert effective_time(meter, t_read_ns=10, bracket_ns=0, t_device_ns=None) == (10, 0)
