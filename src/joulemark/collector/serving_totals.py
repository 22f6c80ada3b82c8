"""Counters of services for Prometheus: joules and tokens over the same stretches of time, so that a dashboard may divide their rates.

A stretch goes from where the last one ended to where every meter was read. What is not known of one is not 0: its seconds are counted.
These counters are there from the first stretch on, since Prometheus sees no growth in one that appears with its value.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from joulemark.cards.serving import Known, Service, service_json
from joulemark.collector.serving import groups, settled_ns
from joulemark.collector.store.base import ReadingStore
from joulemark.errors import InsufficientData, UsageError
from joulemark.units import NS_PER_S

LONGEST_NS: Final = 3600 * NS_PER_S
"""After a longer silence of who asks, the time before is not computed any more; it counts as unknown."""

SHORTEST_NS: Final = NS_PER_S

Labels = tuple[tuple[str, str], ...]


@dataclass
class Totals:
    """What every service took and did since it was first asked for, and until when. Safe to use from several threads."""

    joules: defaultdict[Labels, float] = field(default_factory=lambda: defaultdict(float))
    tokens: defaultdict[Labels, float] = field(default_factory=lambda: defaultdict(float))
    requests: defaultdict[Labels, float] = field(default_factory=lambda: defaultdict(float))
    unknown_s: defaultdict[Labels, float] = field(default_factory=lambda: defaultdict(float))
    until_ns: dict[Labels, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, store: ReadingStore, now_ns: int, known: Callable[[Service, int], Known]) -> None:
        """Add what happened since the last time; `known` gives the corrections of a service from a time on."""
        with self._lock:
            try:
                found = groups(store)
            except InsufficientData:
                return
            for group in found:
                until_ns = settled_ns([group.read(store, now_ns, now_ns)], now_ns)
                name = ("service", "+".join(group.agents))
                last_ns = self.until_ns.get((name,))
                if until_ns is None or (last_ns is not None and until_ns - last_ns < SHORTEST_NS):
                    continue
                self.until_ns[name,] = until_ns
                self.unknown_s[name, ("what", "everything")] += 0.0
                if last_ns is None:
                    continue
                if until_ns - last_ns > LONGEST_NS:
                    self.unknown_s[name, ("what", "everything")] += (until_ns - last_ns - LONGEST_NS) / NS_PER_S
                    last_ns = until_ns - LONGEST_NS
                self._add(name, group.read(store, last_ns, until_ns), last_ns, until_ns, known)

    def _add(self, name: tuple[str, str], service: Service, begin_ns: int, end_ns: int, known: Callable[[Service, int], Known]) -> None:
        try:
            [stretch] = service_json(service, [begin_ns, end_ns], known(service, begin_ns))["slices"]
        except UsageError:
            self.unknown_s[name, ("what", "everything")] += (end_ns - begin_ns) / NS_PER_S
            return
        for each in stretch["energy"]:
            self._count(self.joules, (name, ("boundary", each["boundary"])), each["energy_j"], stretch)
        for model in stretch["models"]:
            of = (name, ("model", model["model"]))
            for kind, count in model["tokens"].items():
                self._counted(self.tokens, (*of, ("kind", kind)), count, stretch)
            for outcome, key in (("answered", "requests"), ("failed", "requests_failed")):
                self._counted(self.requests, (*of, ("outcome", outcome)), model[key], stretch)

    def _counted(self, totals: defaultdict[Labels, float], labels: Labels, count: Mapping[str, Any], stretch: Mapping[str, Any]) -> None:
        """Add a count; one that no engine tells is no unknown."""
        if count["value"] is not None or count["low"] is not None:
            self._count(totals, labels, count["value"], stretch)

    def _count(self, totals: defaultdict[Labels, float], labels: Labels, value: float | None, stretch: Mapping[str, Any]) -> None:
        totals[labels] += value or 0.0
        what = ",".join(text for _, text in labels[1:])
        self.unknown_s[labels[0], ("what", what)] += stretch["duration_s"] if value is None else 0.0
