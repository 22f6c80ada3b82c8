"""Metrics of what measuring costs."""

from __future__ import annotations

from joulemark.collector.api.cost_metrics import lines
from joulemark.collector.store.base import HostState
from joulemark.proto.messages import ClockState, MeterCost, Overhead


def state(agent_id: str, t_ns: int, overhead: Overhead) -> HostState:
    return HostState(agent_id, 1, t_ns, True, ClockState(), overhead)


def test_each_agent_tells_what_it_said_last() -> None:
    """Processor time and time in drivers in seconds, counts as they are; of two states the newer; nothing of an agent that said nothing."""
    costs = MeterCost("nvml", 200, 1, 1_500_000_000, 40, 2_000_000, 9_000_000), MeterCost("ipmi:2", 10, 0, 0)
    states = [
        state("a", 1, Overhead(1, 1, 1)),
        state("a", 2, Overhead(2_500_000_000, 42_000_000, 3, costs)),
        state("silent", 2, Overhead()),
    ]
    found = [line for line in lines(states) if not line.startswith("#")]
    assert found[:3] == [
        'joulemark_agent_cpu_seconds_total{agent="a"} 2.5',
        'joulemark_agent_resident_bytes{agent="a"} 42000000',
        'joulemark_agent_late_ticks_total{agent="a"} 3',
    ]
    assert [line.split("} ")[1] for line in found if 'source="nvml"' in line] == ["200", "40", "1", "1.5", "0.002", "0.009"]
    assert 'joulemark_agent_reads_total{agent="a",source="ipmi:2"} 10' in found
    assert not any("silent" in line for line in found)
    assert lines([]) == []
