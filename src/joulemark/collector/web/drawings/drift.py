"""Figures of one sensor from one alignment to the next: values with their U95 over time, and the limits of the standard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from joulemark.collector.web.drawings.scale import Scale, days, drawing, grid, line, text
from joulemark.markup import Markup, tag

WIDTH: Final = 900.0
HEIGHT: Final = 240.0
LEFT: Final = 84.0
RIGHT: Final = 96.0
BELOW: Final = 34.0
TOP: Final = 22.0


@dataclass(frozen=True, slots=True)
class Point:
    """`value` at `t_ns`; `u95` 0 where none is drawn."""

    t_ns: int
    value: float
    u95: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """Points in the order of time, and what they are. The first line is drawn with circles, a second with squares."""

    name: str
    points: Sequence[Point]


def drift(lines: Sequence[Line], *, unit: str, said: str, limits: Sequence[tuple[float, str]] = ()) -> Markup:
    """The lines over the limits, as (value, name), of which those near the values are drawn. `said`: the conclusion, in words."""
    points = [point for one in lines for point in one.points]
    x = Scale.around([point.t_ns for point in points], LEFT, WIDTH - RIGHT)
    ends = [end for point in points for end in (point.value - point.u95, point.value + point.u95)]
    low, high = min(ends), max(ends)
    near = [value for value, _ in limits if value >= high][:1] + [value for value, _ in limits if value <= low][-1:]
    y = Scale.around([*ends, *near], HEIGHT - BELOW, TOP)
    parts: list[object] = [*grid(x, y, [(value, f"{value:.6g}") for value in y.marks(5)], days(x)), text(unit, LEFT, 12)]
    for value, name in limits:
        if y.holds(value):
            parts += [line(LEFT, y.at(value), x.end, y.at(value), "limit"), text(name, x.end + 6, y.at(value) + 4)]
    for place, one in enumerate(lines):
        parts += drawn(one, x, y, second=place > 0, named=len(lines) > 1)
    return drawing(said, WIDTH, HEIGHT, parts)


def drawn(one: Line, x: Scale, y: Scale, *, second: bool, named: bool) -> list[Markup]:
    """Marks with their bars, joined."""
    look = "bar second" if second else "bar"
    places = [(x.at(point.t_ns), y.at(point.value), point) for point in one.points]
    parts = [line(*before[:2], *after[:2], look) for before, after in pairwise(places)]
    for across, down, point in places:
        if point.u95:
            top, bottom = y.at(point.value + point.u95), y.at(point.value - point.u95)
            parts += [line(across, top, across, bottom, look), *(line(across - 4, end, across + 4, end, look) for end in (top, bottom))]
        parts.append(mark(across, down, second=second))
    if named and places:
        parts.append(text(one.name, places[-1][0] + 10, places[-1][1] + 4))
    return parts


def mark(x: float, y: float, *, second: bool = False) -> Markup:
    """A circle, or a square for a second line: never told apart by colour alone."""
    if second:
        return tag("rect", x=f"{x - 4:.1f}", y=f"{y - 4:.1f}", width=8, height=8, class_="second")
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4.5, class_="dot")
