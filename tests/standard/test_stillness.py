"""Stillness: what stood, for how long, and whether something shows that it should not have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.series import Series
from joulemark.readings import Boundary
from joulemark.standard.stillness import Stillness, rank, stillness
from joulemark.standard.stretch import watched
from tests.kit.small import COUNTER, POWER, case, moving, shown

AT_S = np.arange(-60.0, 181.0)
GPU = replace(POWER, meter_id="nvml:node-1:G1:power", kind="nvml", boundary=Boundary.GPU)


def held(begin_s: float, end_s: float) -> Series:
    """A power that stands from one second to another."""
    rows = (begin_s <= AT_S) & (end_s >= AT_S)
    return shown(AT_S, np.where(rows, 1000.0, 1000.0 + np.arange(len(AT_S)) % 2 + 1.0), replace(POWER, exponent=0))


def of(*series: Series) -> Stillness:
    """The stillness of the first stream of a case."""
    one = next(found for found in watched(case(*series)) if found.meter == series[0].meter)
    return stillness(one, limit_s=30.0, steps=3.0)


def gpu(from_s: float) -> Series:
    """A GPU that takes 300 W, and 600 W from a second on."""
    return shown(AT_S, np.where(from_s < AT_S, 600.0, 300.0) + np.arange(len(AT_S)) % 2, GPU)


def test_a_stream_that_moves_is_never_still() -> None:
    """Values that change every second last for none."""
    assert of(moving(AT_S), gpu(50.0)) == Stillness(0.0, frozen=False)


@pytest.mark.parametrize(
    ("begin_s", "end_s", "frozen"), [(20.0, 60.0, True), (-50.0, 20.0, False), (100.0, 170.0, False), (-50.0, -5.0, False)]
)
def test_it_is_frozen_where_another_stream_moved_meanwhile(begin_s: float, end_s: float, frozen: bool) -> None:
    """The GPU rises at second 40: who stood then is frozen, who stood at another time is not."""
    found = of(held(begin_s, end_s), gpu(40.0))
    assert found.frozen is frozen
    assert ("moved by" in found.why) is frozen


def test_stillness_that_reaches_over_an_edge_counts_whole() -> None:
    """Held from 25 s before the end until 20 s after it, while the load ended: 45 s."""
    found = of(held(95.0, 140.0), gpu(125.0))
    assert (found.lasted_s, found.frozen) == (45.0, True)


def test_without_a_witness_nobody_knows() -> None:
    """One value for long, and no other stream of the node."""
    assert of(held(20.0, 60.0)).frozen is None


def test_the_time_of_a_device_shows_by_itself() -> None:
    """Values may move: if the device's own time does not, nothing new was read."""
    series = moving(AT_S)
    said_ns = np.where((AT_S >= 20.0) & (AT_S <= 51.0), series.t_ns[80], series.t_ns)
    assert of(replace(series, t_device_ns=said_ns)).frozen is True
    said_ns = np.where((AT_S >= 20.0) & (AT_S <= 49.0), series.t_ns[80], series.t_ns)
    assert of(replace(series, t_device_ns=said_ns)).frozen is False


def test_a_counter_has_to_advance() -> None:
    """40 s without an advance freeze a counter of every second, and not one that always takes so long."""
    count = np.where((AT_S > 20.0) & (AT_S < 60.0), 80_000.0, 1000.0 * (AT_S + 60.0))
    assert of(shown(AT_S, count, COUNTER)).frozen is True
    coarse = shown(AT_S, np.floor((AT_S + 60.0) / 40.0) * 40_000.0, COUNTER)
    assert of(coarse).frozen is False
    assert of(shown(AT_S, 5.0, COUNTER)) == Stillness(120.0, frozen=True, why="the counter never advanced")


def test_the_worst_comes_last() -> None:
    """What is frozen is worse than what nobody knows, and that is worse than what only lasts."""
    found = [Stillness(10.0, frozen=True), Stillness(99.0, frozen=False), Stillness(50.0, None), Stillness(5.0, frozen=False)]
    assert [one.lasted_s for one in sorted(found, key=rank)] == [5.0, 99.0, 50.0, 10.0]
