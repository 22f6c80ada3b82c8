"""Metrics of what measuring costs: each agent's own, as it said last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from joulemark.collector.api.price_metrics import Sample, metric
from joulemark.collector.store.base import HostState
from joulemark.units import NS_PER_S

Field = tuple[str, str, str, str, float]
OF_AGENT: Final[tuple[Field, ...]] = (
    ("agent_cpu_seconds_total", "counter", "Processor time of an agent since its start.", "cpu_ns", NS_PER_S),
    ("agent_resident_bytes", "gauge", "Memory of an agent.", "rss_bytes", 1),
    ("agent_late_ticks_total", "counter", "Reads that were due and not made.", "late_tick_count", 1),
)
OF_METER: Final[tuple[Field, ...]] = (
    ("agent_reads_total", "counter", "Reads of a driver since the agent's start.", "read_count", 1),
    ("agent_burst_reads_total", "counter", "Reads of bursts around phase marks.", "burst_count", 1),
    ("agent_read_errors_total", "counter", "Reads and openings that failed.", "error_count", 1),
    ("agent_driver_seconds_total", "counter", "Time in a driver since the agent's start.", "busy_ns", NS_PER_S),
    ("agent_driver_median_seconds", "gauge", "Median time of the last reads.", "busy_median_ns", NS_PER_S),
    ("agent_driver_longest_seconds", "gauge", "Time of the longest read since the agent's start.", "busy_max_ns", NS_PER_S),
)


def lines(states: Iterable[HostState]) -> list[str]:
    """Lines of Prometheus text from the newest of each agent's `states`, oldest first; one that said nothing is left out."""
    newest = {state.agent_id: state for state in states if state.overhead.rss_bytes}
    found: list[str] = []
    for name, kind, text, field, unit in OF_AGENT:
        whole: list[Sample] = [({"agent": a}, value(getattr(state.overhead, field), unit)) for a, state in sorted(newest.items())]
        found += metric(name, kind, text, whole)
    for name, kind, text, field, unit in OF_METER:
        parts: list[Sample] = [
            ({"agent": agent, "source": cost.source}, value(getattr(cost, field), unit))
            for agent, state in sorted(newest.items())
            for cost in state.overhead.meters
        ]
        found += metric(name, kind, text, parts)
    return found


def value(count: int, unit: float) -> float:
    """`count` in its unit: whole where it is one, else to the microsecond."""
    return count if unit == 1 else round(count / unit, 6)
