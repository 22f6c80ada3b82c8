"""What lists of runs show of each: the figures of its card, kept small, so that a list computes nothing."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

from joulemark.cards.latency import Latency, latencies
from joulemark.cards.measured import Measured
from joulemark.standard.comparability import Key, key_of
from joulemark.units import NS_PER_S

T = TypeVar("T")

MOST_KEPT: Final = 500
"""Runs of which a summary is kept: some five megabytes."""

MOST_PAIRS: Final = 64
"""Comparisons that are kept."""

MOST_GOING: Final = 8
"""Pages whose figures are computed behind them; they stand in one queue with every run that somebody opens."""

PATIENCE_S: Final = 8.0
"""So long a page waits for figures; they are computed further, for when it is loaded again."""

AGAIN_NS: Final = 30 * NS_PER_S
"""So long the summary of a run of which readings may still arrive, or that had none, stands."""

PARTS: Final = ("run_id", "scope", "simulated", "complete", "incomplete_because", "headline", "score", "score_reason")
PHASE: Final = ("name", "kind", "begin_ns", "end_ns", "duration_s", "energy_j", "u95_j", "mean_power_w")
METER: Final = ("meter_id", "boundary", "used")


@dataclass(frozen=True, slots=True)
class Summary:
    """`card`: parts of `joulemark.card/1` at their own places, None where the run has no card: `why`, and what to do, `next_step`.

    `key`: of what the run may stand in one table with; None where it does not say what was run. `settled`: nothing of it changes.
    """

    card: Mapping[str, Any] | None
    latencies: tuple[Latency, ...] = ()
    key: Key | None = None
    settled: bool = False
    why: str = ""
    next_step: str = ""

    @classmethod
    def of(cls, run: Measured, *, settled: bool) -> Self:
        """What is kept of a run."""
        card = {name: run.card[name] for name in PARTS}
        card["phases"] = [{name: phase[name] for name in PHASE} for phase in run.card["phases"]]
        card["meters"] = [{name: meter[name] for name in METER} for meter in run.card["meters"]]
        work = run.evidence.workload
        key = None if work is None else key_of(work, run.card["scope"])
        return cls(card, latencies(run.evidence), key, settled)

    def latency(self, kind: str, percentile: int) -> Latency | None:
        """A latency, None where the run does not tell it."""
        return next((one for one in self.latencies if (one.kind, one.percentile) == (kind, percentile)), None)


@dataclass(frozen=True, slots=True)
class Kept:
    """A summary with the key of the run when it was made, at a time of the monotonic clock."""

    key: str
    at_ns: int
    found: Summary


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison, made at a time of the monotonic clock; `settled`: neither run changes."""

    at_ns: int
    settled: bool
    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Summaries:
    """`pairs`: comparisons by the keys of both runs. `filling`: one list at a time has missing ones computed; `going`: what is being
    computed for pages that did not wait for it.
    """

    kept: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    pairs: OrderedDict[tuple[str, str], Pair] = field(default_factory=OrderedDict)
    filling: asyncio.Lock = field(default_factory=asyncio.Lock)
    going: dict[tuple[str, ...], asyncio.Task[Any]] = field(default_factory=dict)

    def known(self, run_id: str, key: str, now_ns: int) -> Summary | None:
        """The summary of a run as long as it is true."""
        last = self.kept.get(run_id)
        if last is None or last.key != key or (not last.found.settled and now_ns - last.at_ns > AGAIN_NS):
            return None
        self.kept.move_to_end(run_id)
        return last.found

    def keep(self, run_id: str, key: str, now_ns: int, found: Summary) -> None:
        """Keep a summary; the one that nobody asked for the longest goes."""
        self.kept[run_id] = Kept(key, now_ns, found)
        self.kept.move_to_end(run_id)
        if len(self.kept) > MOST_KEPT:
            self.kept.popitem(last=False)

    def pair(self, keys: tuple[str, str], now_ns: int) -> Mapping[str, Any] | None:
        """The comparison of two runs as long as it is true."""
        last = self.pairs.get(keys)
        if last is None or (not last.settled and now_ns - last.at_ns > AGAIN_NS):
            return None
        self.pairs.move_to_end(keys)
        return last.found

    def keep_pair(self, keys: tuple[str, str], pair: Pair) -> None:
        """Keep a comparison; the one that nobody asked for the longest goes."""
        self.pairs[keys] = pair
        self.pairs.move_to_end(keys)
        if len(self.pairs) > MOST_PAIRS:
            self.pairs.popitem(last=False)

    async def in_time(self, asked: tuple[str, ...], make: Callable[[], Coroutine[Any, Any, T]], *, within_s: float) -> T | None:
        """What `make` gives, where it does so `within_s`; else None, and it goes on for who asks the same again. None at once, and nothing
        is begun, while MOST_GOING others go on. Raises what it does.
        """
        task: asyncio.Task[T] | None = self.going.get(asked)
        if task is None:
            if len(self.going) >= MOST_GOING:
                return None
            task = asyncio.create_task(make())
            self.going[asked] = task
            task.add_done_callback(lambda _: self.going.pop(asked, None))
        done, _ = await asyncio.wait({task}, timeout=within_s)
        return task.result() if done else None
