"""Services as the store knows them: which agents serve models together, and their readings around a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.cards.served import KIND
from joulemark.cards.serving import Service
from joulemark.collector.measure import MARGIN_NS
from joulemark.collector.store.base import Described, ReadingStore
from joulemark.errors import InsufficientData
from joulemark.readings import Quantity
from joulemark.units import NS_PER_S

DEAD_NS: Final = 60 * NS_PER_S
"""A meter that was silent for so long is not waited for."""


@dataclass(frozen=True, slots=True)
class Group:
    """Agents that serve models together, and the ids of their meters."""

    agents: tuple[str, ...]
    meter_ids: tuple[str, ...]

    def read(self, store: ReadingStore, begin_ns: int, end_ns: int) -> Service:
        """The group with its readings around [begin_ns, end_ns]."""
        return Service(self.agents, tuple(store.series(self.meter_ids, begin_ns - MARGIN_NS, end_ns + MARGIN_NS)))


def groups(store: ReadingStore, *, agents: Collection[str] = (), model: str | None = None) -> list[Group]:
    """The services of this collector: agents that serve a model in common are one. `agents`: take these, as one service.

    `model`: only the services that serve it. Raises InsufficientData where there is none.
    """
    described = store.devices()
    served = [one for one in described if serves(one)]
    if agents:
        parts = [frozenset(agents)] if any(one.agent_id in agents for one in served) else []
    else:
        by_model: dict[str, set[str]] = {}
        for one in served:
            by_model.setdefault(one.device.meters[0].model, set()).add(one.agent_id)
        parts = joined(by_model.values())
    if model is not None:
        with_it = {one.agent_id for one in served if one.device.meters[0].model == model}
        parts = [part for part in parts if part & with_it]
    if not parts:
        what = "no engine is read beside the meters" if not served else "no service has that model, or those agents"
        raise InsufficientData(what, "add a [[meter]] of kind serving to the agent of the host that serves, or list GET /v1/meters")
    return [Group(tuple(sorted(part)), meters_of(described, part)) for part in sorted(parts, key=sorted)]


def serves(described: Described) -> bool:
    """Whether a device is a model of an engine."""
    first = described.device.meters[0]
    return first.kind == KIND and first.quantity is not Quantity.REPORTED_ENERGY


def meters_of(described: Iterable[Described], agents: Collection[str]) -> tuple[str, ...]:
    """The ids of the meters of `agents` that the figures rest on: energy, temperatures around the meters, counters."""
    return tuple(
        meter.meter_id
        for one in described
        if one.agent_id in agents
        for meter in one.device.meters
        if meter.quantity.measures_energy or meter.quantity is Quantity.TEMPERATURE or meter.kind == KIND
    )


def joined(parts: Iterable[Collection[str]]) -> list[frozenset[str]]:
    """Sets that share a member made one."""
    found: list[frozenset[str]] = []
    for part in parts:
        whole = frozenset(part)
        apart = [one for one in found if not one & whole]
        found = [*apart, whole.union(*(one for one in found if one & whole))]
    return found


def settled_ns(services: Sequence[Service], now_ns: int) -> int | None:
    """Until when every meter that still speaks was read: what is after may still arrive. None where none speaks.

    The begin of the last read: a count that was printed while it lasted may be from any moment of it.
    """
    latest = [
        int(one.t_ns[-1] if one.t_read0_ns is None else min(one.t_ns[-1], one.t_read0_ns[-1]))
        for service in services
        for one in service.series
        if len(one) and (one.meter.kind == KIND or one.meter.quantity.measures_energy)
    ]
    return min((t_ns for t_ns in latest if t_ns >= now_ns - DEAD_NS), default=None)


def settled(services: Sequence[Service], end_ns: int) -> bool:
    """Whether every meter was read, or told that it could not be, at or after `end_ns`; so nothing of before may still arrive."""
    last = {(service.agents, one.meter.meter_id): int(one.t_ns[-1]) for service in services for one in service.series if len(one)}
    heard = {one.meter.host for service in services for one in service.series if len(one)}
    return bool(last) and all(t_ns >= end_ns for t_ns in last.values()) and all(set(service.agents) <= heard for service in services)
