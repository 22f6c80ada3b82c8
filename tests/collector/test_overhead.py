"""What measuring cost, from two moments of an agent."""

from __future__ import annotations

import pytest

from joulemark.collector.overhead import overhead_of
from joulemark.collector.store.base import HostState
from joulemark.proto.messages import ClockState, MeterCost, Overhead

S = 1_000_000_000


def state(t_s: int, *meters: MeterCost, epoch_ns: int = 1, cpu_ns: int = 0) -> HostState:
    return HostState("h", epoch_ns, t_s * S, False, ClockState(), Overhead(cpu_ns, 1000, 2, meters))


def test_the_share_of_cpu_is_of_one_start_of_the_agent() -> None:
    """0.2 s of CPU in 10 s is 2 %; the counter of an earlier start, which began anew, does not enter."""
    states = [state(0, cpu_ns=9 * S), state(100, epoch_ns=2, cpu_ns=S), state(110, epoch_ns=2, cpu_ns=S + S // 5)]
    assert overhead_of(states)["cpu_share"] == pytest.approx(0.02)
    assert overhead_of(states)["late_tick_count"] == 2
    assert overhead_of(states)["over_s"] == 10.0


def test_one_state_has_no_share() -> None:
    """Without two states of one start the rates are not known, and not 0; counts are."""
    for states in ([state(0, MeterCost("nvml", 5, 0, S), cpu_ns=S)], [state(0), state(10, MeterCost("nvml", 5, 0, S), epoch_ns=2)]):
        found = overhead_of(states)
        assert [found[name] for name in ("cpu_share", "driver_share", "reads_per_s")] == [None] * 3
        (meter,) = found["meters"]
        assert (meter["reads_per_s"], meter["busy_share"], meter["read_count"]) == (None, None, 5)
    assert overhead_of([state(0), state(10)])["driver_share"] is None


def test_time_in_drivers_and_reads_are_rates_of_each_meter_and_of_all() -> None:
    """Over 10 s: 200 reads in 0.4 s of one driver, 10 in 1 s of another. A meter that the first state did not know has no rate, and then
    the sum has none.
    """
    first = MeterCost("nvml", 100, 0, S), MeterCost("ipmi", 7, 1, 2 * S)
    last = MeterCost("nvml", 300, 0, S + S * 4 // 10, 40, 2_000_000, 9_000_000), MeterCost("ipmi", 17, 2, 3 * S)
    found = overhead_of([state(0, *first), state(10, *last)])
    assert [(m["source"], m["reads_per_s"], m["busy_share"]) for m in found["meters"]] == [("nvml", 20.0, 0.04), ("ipmi", 1.0, 0.1)]
    assert (found["reads_per_s"], found["driver_share"]) == (21.0, pytest.approx(0.14))
    assert [found["meters"][0][name] for name in ("burst_count", "busy_median_ns", "busy_max_ns")] == [40, 2_000_000, 9_000_000]
    torn = overhead_of([state(0, first[0]), state(10, *last)])
    assert [m["reads_per_s"] for m in torn["meters"]] == [20.0, None]
    assert torn["reads_per_s"] is None
