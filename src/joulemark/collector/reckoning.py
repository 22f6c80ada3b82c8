"""What a run came to: its card and the lines of its power, computed once and kept while nothing that they depend on changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from joulemark.cards import system
from joulemark.cards.evidence import Evidence
from joulemark.cards.measured import Measured
from joulemark.cards.trace import Trace, traces
from joulemark.collector.showing import MOST_KEPT, Shown
from joulemark.units import NS_PER_S

MOST_BYTES: Final = 256 << 20
"""Of the lines of all runs that are kept; the newest is kept however long it is."""

GOING_ON_NS: Final = 5 * NS_PER_S
"""So long a card of a run that goes on, or of which readings may still arrive, is shown again."""


@dataclass(frozen=True, slots=True)
class Reckoned:
    """`card`: `joulemark.card/1`; `facts`: what it was measured on, as `system.facts` names them; `lines`: power over time of each
    boundary, the headline's first; `spans`: (begin, end) of the phases that count, ns; `settled`: no reading of it may still arrive.
    """

    card: Mapping[str, Any]
    facts: Mapping[str, Any]
    lines: tuple[Trace, ...]
    spans: tuple[tuple[int, int], ...]
    settled: bool

    @classmethod
    def of(cls, evidence: Evidence, *, settled: bool) -> Self:
        """What `evidence` comes to; seconds for a long run. Raises what `card.build` does."""
        return cls.made(Measured.of(evidence), settled=settled)

    @classmethod
    def made(cls, run: Measured, *, settled: bool) -> Self:
        """The same of a run whose card is at hand."""
        return cls(run.card, system.facts(run), tuple(traces(run.evidence)), tuple((w.begin_ns, w.end_ns) for w in run.windows), settled)

    @property
    def size(self) -> int:
        """Bytes of its lines."""
        return sum(line.t_ns.nbytes + line.power_w.nbytes for line in self.lines)


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
        """What the run came to, made again where `key` is another, or, while it goes on, some seconds after. Raises what `make` does."""
        async with self.busy:
            last = self.kept.get(run_id)
            if last is None or last.key != key or (not last.found.settled and now_ns - last.at_ns > GOING_ON_NS):
                self.kept.pop(run_id, None)
                self.kept[run_id] = Kept(key, now_ns, await make())
                while len(self.kept) > 1 and sum(one.found.size for one in self.kept.values()) > MOST_BYTES:
                    self.kept.popitem(last=False)
                while len(self.kept) > MOST_KEPT:
                    self.kept.popitem(last=False)
            self.kept.move_to_end(run_id)
            return self.kept[run_id].found

    def judge(self, key: str, shown: Shown) -> None:
        """Keep what the validator said of the run of `key`."""
        self.judged[key] = shown
        if len(self.judged) > MOST_KEPT:
            self.judged.popitem(last=False)
