"""Metrics of what is under way: when each agent was last heard, what its meters say, and which phases are open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.collector.api.price_metrics import Sample, metric
from joulemark.collector.catalog import OpenPhase
from joulemark.collector.store.base import ReadingStore, Stream
from joulemark.energy.series import Series
from joulemark.readings import MeterInfo, Quality, Quantity
from joulemark.units import NS_PER_S

FRESH_NS: Final = 30 * NS_PER_S
"""A power that was read longer ago says nothing of now; it is left out, so that no line is drawn through a gap."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest good value of a meter of power or energy: W or J, read at `t_ns` on the collector's axis."""

    agent_id: str
    meter: MeterInfo
    value: float
    t_ns: int

    @property
    def labels(self) -> dict[str, str]:
        """What tells it from others."""
        return {"agent": self.agent_id, "meter": self.meter.meter_id, "boundary": str(self.meter.boundary)}


def newest(store: ReadingStore, now_ns: int) -> list[Newest]:
    """What every meter of power or energy said last, of those that were read lately."""
    owners = {m.meter_id: one.agent_id for one in store.devices() for m in one.device.meters if m.quantity.measures_energy}
    last: dict[str, Newest] = {}
    for series in store.recent(sorted(owners), now_ns - FRESH_NS, now_ns + FRESH_NS, now_ns=now_ns):
        if (row := last_good(series)) is not None:
            value = round(int(series.value[row]) * 10.0**series.meter.exponent, 6)
            last[series.meter.meter_id] = Newest(owners[series.meter.meter_id], series.meter, value, int(series.t_ns[row]))
    return list(last.values())


def last_good(series: Series) -> int | None:
    """The row of the newest reading that may enter an energy; None without one."""
    return next((row for row in range(len(series) - 1, -1, -1) if Quality(int(series.quality[row])).integrable), None)


def lines(streams: Iterable[Stream], meters: Sequence[Newest], phases: Iterable[OpenPhase]) -> list[str]:
    """Lines of Prometheus text; what is not known is left out."""
    heard: dict[str, int] = {}
    for stream in streams:
        heard[stream.agent_id] = max(stream.last_ns, heard.get(stream.agent_id, 0))
    powers: list[Sample] = [(one.labels, one.value) for one in meters if one.meter.quantity is Quantity.POWER]
    counters = [one for one in meters if one.meter.quantity is Quantity.ENERGY_COUNTER]
    until: list[Sample] = [(one.labels, round(one.t_ns / NS_PER_S, 3)) for one in counters]
    readings: list[Sample] = [({"agent": agent}, round(t_ns / NS_PER_S, 3)) for agent, t_ns in sorted(heard.items()) if t_ns]
    going: list[Sample] = [({"run": p.run_id, "benchmark": p.benchmark, "phase": p.name, "kind": p.kind}, 1) for p in phases]
    return [
        *metric("agent_last_reading_timestamp_seconds", "gauge", "When the newest reading of an agent was taken.", readings),
        *metric("meter_power_watts", "gauge", "What a meter of power said last.", powers),
        *metric("meter_joules_total", "counter", "What an energy counter of a device said last.", [(c.labels, c.value) for c in counters]),
        *metric("meter_until_timestamp_seconds", "gauge", "When an energy counter was read last.", until),
        *metric("run_phase", "gauge", "1 for each open phase of a run that goes on, phase empty where none is.", going),
    ]
