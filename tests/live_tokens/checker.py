"""What is right, by arithmetic of its own: joules of a square wave in closed form, tokens from the record of each request.

Nothing of the product is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

NS_PER_S = 1_000_000_000
NEAR_S = 1_699_999_998
"""A beginning of every period of 1, 2 and 3 s, near to now, so that nothing is lost in rounding."""


class Record(Protocol):
    """Who knows what was done between two moments."""

    def truth(self, begin_ns: int, end_ns: int, model: str | None = None) -> dict[str, int]:
        """Tokens and requests."""


@dataclass(frozen=True)
class Wave:
    """Low for the first half of each period of UTC, high for the second."""

    low_w: float
    high_w: float
    period_s: float

    def joules(self, begin_ns: int, end_ns: int) -> float:
        """Energy between two moments."""
        return self._since_epoch(end_ns) - self._since_epoch(begin_ns)

    def _since_epoch(self, t_ns: int) -> float:
        period_ns = round(self.period_s * NS_PER_S)
        whole, into = divmod(t_ns - NEAR_S * NS_PER_S, period_ns)
        half = period_ns // 2
        part_ns_w = min(into, half) * self.low_w + max(into - half, 0) * self.high_w
        return whole * self.period_s * (self.low_w + self.high_w) / 2 + part_ns_w / NS_PER_S


@dataclass
class Verdict:
    """One window held against the truth. `off`: distance of each figure over its stated U95; `outside`: bounds that do not hold; `missing`:
    figures that were not told.
    """

    off: dict[str, float]
    outside: list[str]
    missing: list[str]

    @property
    def right(self) -> bool:
        return not self.outside and not self.missing


def judged(each: Mapping[str, Any], wave: Wave, record: Record) -> Verdict:
    """A slice of `joulemark.serving/1` of one model: how far its figures are from the truth, and whether every bound is around it."""
    begin_ns, end_ns = each["begin_ns"], each["end_ns"]
    true, joules = record.truth(begin_ns, end_ns), wave.joules(begin_ns, end_ns)
    total = each["total"]
    off: dict[str, float] = {}
    outside: list[str] = []
    missing: list[str] = []
    for name, count in {**total["tokens"], "requests": total["requests"], "failed": total["requests_failed"]}.items():
        if name == "reasoning":  # no engine here tells it
            continue
        if count["value"] is None:
            missing.append(f"{name}: {count['reason']}")
            continue
        done = true["cached" if name == "cached_input" else name]
        off[name] = distance(count["value"], done, count["u95"])
        if not count["low"] <= done <= count["high"]:
            outside.append(f"{name}: {count['value']:.1f} +- {count['u95']:.1f}, [{count['low']}, {count['high']}], true {done}")
    ratios = {"output": true["output"], "input": true["input"], "total": true["input"] + true["output"]}
    for name, tokens in ratios.items():
        key = f"joules_per_1k_{name}_tokens"
        if total[key] is None:
            missing.append(key)
            continue
        off[key] = distance(total[key], 1000.0 * joules / tokens, total[f"{key}_u95"])
    return Verdict(off, outside, missing)


def distance(value: float, true: float, u95: float) -> float:
    """How far from the truth, in units of U95."""
    apart = abs(value - true)
    return apart / u95 if u95 else (0.0 if apart < 1e-6 * max(1.0, abs(true)) else float("inf"))


def counters(page: str) -> dict[str, float]:
    """The counters of services on the collector's own page, by what stands before the number."""
    rows = (line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("joulemark_serving_"))
    return {name: float(value) for name, value in rows}


def grown(before: Mapping[str, float], after: Mapping[str, float], parts: Iterable[str]) -> float:
    """The growth of the counters whose name holds all `parts`."""
    wanted = tuple(parts)
    return sum(value - before.get(name, 0.0) for name, value in after.items() if all(part in name for part in wanted))
