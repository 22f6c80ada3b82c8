"""A scale: values onto the length of a drawing, with round marks, and what drawings with two of them have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from joulemark.cards.chart import round_step
from joulemark.markup import Markup, tag
from joulemark.timebase import iso_utc
from joulemark.units import NS_PER_S

ROOM: Final = 0.06
"""Of the span, left free at both ends."""

DAY_NS: Final = 86_400 * NS_PER_S
MOST: Final = 1e30
"""What is larger is no measurement, and is drawn at the edge."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` onto the places from `begin` to `end`, in units of the drawing."""

    low: float
    high: float
    begin: float
    end: float

    @classmethod
    def around(cls, values: Iterable[float], begin: float, end: float) -> Self:
        """The scale of all `values` with some room; of one value alone, or of none, around it."""
        found = [min(max(value, -MOST), MOST) for value in values if math.isfinite(value)] or [0.0]
        low, high = min(found), max(found)
        room = ROOM * (high - low) or ROOM * abs(high) or 1.0
        return cls(low - room, high + room, begin, end)

    def at(self, value: float) -> float:
        """The place of `value`; beyond the scale, its nearer end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def holds(self, value: float) -> bool:
        """Whether `value` lies on the scale."""
        return self.low <= value <= self.high

    def marks(self, most: int = 6) -> list[float]:
        """Round values, at most one more than `most`."""
        step = round_step(self.high - self.low, most=most)
        return [place * step for place in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]


def day(t_ns: float) -> str:
    """The day of a time in nanoseconds, UTC."""
    return iso_utc(round(t_ns))[:10]


def days(scale: Scale, most: int = 6) -> list[int]:
    """Midnights on a scale of nanoseconds at equal distances, at most one more than `most`."""
    step_ns = max(1, math.ceil((scale.high - scale.low) / DAY_NS / most)) * DAY_NS
    return list(range(-(-round(scale.low) // step_ns) * step_ns, round(scale.high) + 1, step_ns))


def line(x1: float, y1: float, x2: float, y2: float, look: str) -> Markup:
    """A straight line of the style `look`."""
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=look)


def text(said: str, x: float, y: float, *, anchor: str = "start") -> Markup:
    """A line of text."""
    return tag("text", said, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def grid(x: Scale, y: Scale, levels: Iterable[tuple[float, str]], times: Iterable[float]) -> list[Markup]:
    """Lines across with their values at the left, and days below. `levels`: value and its text; `times` in nanoseconds."""
    across = [
        [line(x.begin, y.at(value), x.end, y.at(value), "grid"), text(said, x.begin - 8, y.at(value) + 4, anchor="end")]
        for value, said in levels
    ]
    below = [text(day(t_ns), x.at(t_ns), y.begin + 20, anchor="middle") for t_ns in times if x.at(t_ns) < x.end - 30]
    return [one for pair in across for one in pair] + below


def drawing(label: str, width: float, height: float, parts: Sequence[object], *, look: str = "plotted") -> Markup:
    """The SVG of `parts`; `label`: what it shows, in a sentence."""
    return tag("svg", tag("title", label), *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", class_=look)
