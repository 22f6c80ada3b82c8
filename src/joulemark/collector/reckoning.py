"""What a run came to: its card and the lines of its power, computed once and kept while nothing that they depend on changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from joulemark.cards import card as cards
from joulemark.cards import system
from joulemark.cards.buckets import DIGITS, Buckets
from joulemark.cards.evidence import Evidence
from joulemark.cards.latency import Latency, latencies
from joulemark.cards.measured import Measured
from joulemark.cards.trace import Trace, traces
from joulemark.collector.showing import MOST_KEPT, Shown
from joulemark.units import NS_PER_S

MOST_BYTES: Final = 128 << 20
"""Of the lines of all runs that are kept; the newest is kept however long it is."""

COARSE: Final = 2000
"""Stretches of a coarse line."""

GOING_ON_NS: Final = 5 * NS_PER_S
"""So long a card of a run that goes on, or of which readings may still arrive, is shown again."""


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest reading of a line, W, and when it was, ns; both None where no power is known."""

    power_w: float | None = None
    t_ns: int | None = None

    @classmethod
    def of(cls, line: Trace, spans: Sequence[tuple[int, int]]) -> Self:
        """Within `spans`, (begin, end) in ns."""
        inside = np.zeros(len(line.t_ns), dtype=bool)
        for begin_ns, end_ns in spans:
            inside |= (line.t_ns >= begin_ns) & (line.t_ns <= end_ns)
        rows = np.flatnonzero(inside & np.isfinite(line.power_w))
        if len(rows) == 0:
            return cls()
        row = rows[np.argmax(line.power_w[rows])]
        return cls(round(float(line.power_w[row]), DIGITS), int(line.t_ns[row]))


@dataclass(frozen=True, slots=True)
class Reckoned:
    """`card`: `joulemark.card/1`; `facts`: what it was measured on, as `system.facts` names them; `lines`: power over time of each
    boundary, the headline's first; `coarse`: the same with the lowest and the highest reading of short stretches alone; `highest`: of each
    line in the phases that count; `gaps`: how many each line has. `settled`: no reading of it may still arrive. `latencies`: those that it
    tells. Its card names no hash of a file: they would be most of the work, and the bundle has them.
    """

    card: Mapping[str, Any]
    facts: Mapping[str, Any]
    lines: tuple[Trace, ...]
    coarse: tuple[Trace, ...]
    highest: tuple[Highest, ...]
    gaps: tuple[int, ...]
    settled: bool
    latencies: tuple[Latency, ...] = ()

    @classmethod
    def of(cls, evidence: Evidence, *, settled: bool) -> Self:
        """What `evidence` comes to; seconds for a long run. Raises what `card.build` does."""
        return cls.made(measured(evidence), settled=settled)

    @classmethod
    def made(cls, run: Measured, *, settled: bool) -> Self:
        """The same of a run whose card is at hand."""
        lines = tuple(traces(run.evidence))
        coarse = tuple(coarsened(line) for line in lines)
        highest = tuple(Highest.of(line, [(w.begin_ns, w.end_ns) for w in run.windows]) for line in lines)
        gaps = tuple(sum(1 for _ in line.missing()) for line in lines)
        return cls(run.card, system.facts(run), lines, coarse, highest, gaps, settled, latencies(run.evidence))

    @property
    def size(self) -> int:
        """Bytes of its lines."""
        return sum(line.t_ns.nbytes + line.power_w.nbytes for line in self.lines)


def measured(evidence: Evidence) -> Measured:
    """A run with its card, which names no hash of a file. Raises what `card.build` does."""
    return Measured(evidence, cards.build(evidence, files={}))


def coarsened(line: Trace) -> Trace:
    """A line of few readings that has the lowest and the highest of each stretch of the time of `line`."""
    if len(line.t_ns) <= 2 * COARSE:
        return line
    return Buckets.of(line, int(line.t_ns[0]), int(line.t_ns[-1]), count=COARSE).line(line.boundary, line.meters)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was computed for `key`, at a time of the monotonic clock."""

    key: str
    at_ns: int
    found: Reckoned


@dataclass(frozen=True, slots=True)
class Reckoning:
    """One run is computed at a time. `judged`: what the validator said, by the key of the run when it was asked."""

    kept: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    judged: OrderedDict[str, Shown] = field(default_factory=OrderedDict)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, run_id: str, key: str, now_ns: int, make: Callable[[], Awaitable[Reckoned]]) -> Reckoned:
        """What the run came to, made again where `key` is another, or, while it goes on, some seconds after. Raises what `make` does.

        Whoever asks for what is kept does not wait for the run that is being computed.
        """
        if (last := self.known(run_id, key, now_ns)) is not None:
            return last
        async with self.busy:
            if (last := self.known(run_id, key, now_ns)) is not None:
                return last
            found = await make()
            self.keep(run_id, key, now_ns, found)
            return found

    def keep(self, run_id: str, key: str, now_ns: int, found: Reckoned) -> None:
        """Keep what a run came to; what nobody asked for the longest goes."""
        self.kept.pop(run_id, None)
        self.kept[run_id] = Kept(key, now_ns, found)
        while len(self.kept) > 1 and (len(self.kept) > MOST_KEPT or sum(one.found.size for one in self.kept.values()) > MOST_BYTES):
            self.kept.popitem(last=False)

    def known(self, run_id: str, key: str, now_ns: int) -> Reckoned | None:
        """What is kept of a run and still holds."""
        last = self.kept.get(run_id)
        if last is None or last.key != key or (not last.found.settled and now_ns - last.at_ns > GOING_ON_NS):
            return None
        self.kept.move_to_end(run_id)
        return last.found

    def judge(self, key: str, shown: Shown) -> None:
        """Keep what the validator said of the run of `key`."""
        self.judged[key] = shown
        if len(self.judged) > MOST_KEPT:
            self.judged.popitem(last=False)
