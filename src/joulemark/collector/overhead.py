"""What measuring cost a host: from what its agent said of itself, as counts since its start and as rates between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from joulemark.collector.store.base import HostState
from joulemark.proto.messages import MeterCost
from joulemark.units import NS_PER_S


def overhead_of(states: Sequence[HostState]) -> dict[str, Any]:
    """The cost of one host from its `states`, oldest first: counts since the agent's start as the last one says them, and rates over
    `over_s`, from the first to the last state of that start; rates are None with one state.

    `cpu_share` is of one core, `driver_share` the part of the time in which a call into a driver was under way, `reads_per_s` of all
    meters together; the same two stand with each meter as `busy_share` and `reads_per_s`.
    """
    last = states[-1]
    first = next(s for s in states if s.epoch_ns == last.epoch_ns)
    over_ns = last.t_ns - first.t_ns
    before = {cost.source: cost for cost in first.overhead.meters}
    meters = [{**asdict(cost), **rates(before.get(cost.source), cost, over_ns)} for cost in last.overhead.meters]
    return {
        **asdict(last.overhead),
        "cpu_share": None if over_ns <= 0 else (last.overhead.cpu_ns - first.overhead.cpu_ns) / over_ns,
        "driver_share": total([meter["busy_share"] for meter in meters]),
        "reads_per_s": total([meter["reads_per_s"] for meter in meters]),
        "over_s": max(0, over_ns) / NS_PER_S,
        "meters": meters,
    }


def rates(first: MeterCost | None, last: MeterCost, over_ns: int) -> dict[str, float | None]:
    """Reads per second of a meter, and its share of the time; None where one of the two moments does not know it."""
    if first is None or over_ns <= 0:
        return {"reads_per_s": None, "busy_share": None}
    return {
        "reads_per_s": (last.read_count - first.read_count) * NS_PER_S / over_ns,
        "busy_share": (last.busy_ns - first.busy_ns) / over_ns,
    }


def total(parts: Sequence[float | None]) -> float | None:
    """Their sum; None where one is not known, or there is none."""
    known = [part for part in parts if part is not None]
    return sum(known) if parts and len(known) == len(parts) else None
