"""Power in buckets: no spike vanishes, a gap stays open, and a slow meter has a row for each of its readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.cards.buckets import Buckets
from joulemark.cards.trace import Trace

S = 1_000_000_000


def line(*powers: float, step_ns: int = S) -> Trace:
    """One reading each second."""
    return Trace("gpu", 1, np.arange(len(powers), dtype=np.int64) * step_ns, np.array(powers, dtype=float))


def test_lowest_mean_and_highest_of_each_stretch() -> None:
    """Two stretches of two readings each, at the mean of their times."""
    found = Buckets.of(line(1.0, 3.0, 10.0, 20.0), 0, 4 * S, count=2)
    assert found.to_json(0) == {"t_ms": [500, 2500], "low_w": [1.0, 10.0], "mean_w": [2.0, 15.0], "high_w": [3.0, 20.0]}


def test_a_gap_is_a_row_without_power() -> None:
    """Between two stretches, and inside of one, the line is open where readings are missing."""
    nan = float("nan")
    between = Buckets.of(line(1.0, 2.0, nan, 5.0, 6.0), 0, 6 * S, count=3)
    assert between.to_json(0)["mean_w"] == [1.5, None, 5.0, 6.0]
    inside = Buckets.of(line(1.0, nan, 3.0, nan, 5.0), 0, 10 * S, count=1)
    assert inside.to_json(0)["mean_w"] == [1.0, None, 4.0]
    assert list(inside.t_ns) == sorted(inside.t_ns)


def test_a_slow_meter_is_not_broken() -> None:
    """Stretches without a reading of it have no row, and no gap is told."""
    found = Buckets.of(line(1.0, 2.0, 3.0, step_ns=10 * S), 0, 30 * S, count=300)
    assert found.to_json(0) == {"t_ms": [0, 10_000, 20_000], **{name: [1.0, 2.0, 3.0] for name in ("low_w", "mean_w", "high_w")}}


@pytest.mark.parametrize("powers", [(), (float("nan"),) * 3])
def test_nothing_known_is_no_row(powers: tuple[float, ...]) -> None:
    """A line without a reading in the time asked for has none."""
    assert Buckets.of(line(*powers), 0, 10 * S, count=4).to_json(0)["t_ms"] == []
    assert Buckets.of(line(1.0), 5 * S, 10 * S, count=4).to_json(0)["t_ms"] == []


@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=200),
    st.integers(1, 50),
)
def test_extremes_survive_and_rows_are_bounded(powers: list[float], count: int) -> None:
    """Whatever the readings: their lowest and highest are in a row, times rise, and a stretch has three rows at most."""
    found = Buckets.of(line(*powers), 0, len(powers) * S, count=count)
    known = [power for power in powers if power == power]
    assert len(found.t_ns) <= 3 * count
    assert bool(np.all(np.diff(found.t_ns) > 0))
    if known:
        assert np.nanmin(found.low_w) == min(known)
        assert np.nanmax(found.high_w) == max(known)


def test_a_line_of_buckets_keeps_extremes_and_gaps() -> None:
    """As a line, a row is its lowest and its highest reading, and a gap is one gap."""
    found = Buckets.of(line(1.0, 3.0, float("nan"), 10.0, 20.0), 0, 6 * S, count=3).line("gpu", 2)
    assert (found.boundary, found.meters) == ("gpu", 2)
    assert [power for power in found.power_w if power == power] == [1.0, 3.0, 10.0, 10.0, 20.0, 20.0]
    assert len(list(found.missing())) == 1
    assert bool(np.all(np.diff(found.t_ns) > 0))
