"""Power over time without script: the same lines, bands and gaps as the canvas shows, drawn to any width, and what is printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from joulemark.cards.chart import (
    HEIGHT,
    KW,
    LAST_MARK,
    MOST_GAPS,
    MOST_LINES,
    MOST_PHASES,
    PARTS,
    WIDTH,
    Frame,
    band,
    clock,
    hole,
    level,
    path,
    round_step,
)
from joulemark.cards.figures import Place
from joulemark.cards.trace import Trace
from joulemark.markup import Markup, grouped, tag

LOOKS: Final = {"gpu": "gpu", "package": "cpu", "module": "dram", "psu_input": "other", "server_input": "other"}
"""Class of the colour of a line by its boundary; the others are the wall's."""

WIDE: Final = 0.0085
NARROW: Final = 0.03
"""Shares of the width that a character of a name needs, on a wide and on a narrow page."""

FIRST_MARK: Final = 0.035
"""A time further to the left would be cut off."""


def look(boundary: str) -> str:
    """The colour of a boundary."""
    return LOOKS.get(boundary, "wall")


def frame(lines: Sequence[Trace], begin_ns: int, end_ns: int) -> Frame | None:
    """The time from `begin_ns` to `end_ns` and all power in it; None where there is none."""
    powers = [power for one in lines for _, power, _ in one.thinned(begin_ns, end_ns, parts=PARTS)]
    if not powers:
        return None
    low, high = min([0.0, *powers]), max([0.0, *powers])
    step = round_step((high - low) or 1.0, most=6)
    return Frame(begin_ns, end_ns, math.floor(low / step) * step, max(math.ceil(high / step), 1) * step)


def power(phases: Place, lines: Sequence[Trace], begin_ns: int, end_ns: int, *, title: str, idle_w: float | None = None) -> Markup | None:
    """The drawing of `phases`, those of a card, over `lines`; None where no power is known in that time. `title`: its conclusion."""
    lines = lines[:MOST_LINES]
    seen = frame(lines, begin_ns, end_ns)
    if seen is None:
        return None
    shown = [one for one in list(phases) if one["end_ns"].value > begin_ns and one["begin_ns"].value < end_ns][:MOST_PHASES]
    inside = tag(
        "svg",
        [band(phase, seen) for phase in shown],
        [level(seen.y(power_w)) for power_w in seen.powers()],
        [hole(begin, end, seen) for begin, end in list(lines[0].missing())[:MOST_GAPS]],
        None if idle_w is None else baseline(idle_w, seen),
        [tag("path", d=path(one, seen), class_=look(one.boundary), vector_effect="non-scaling-stroke") for one in reversed(lines)],
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        width="100%",
        height=f"{HEIGHT:g}",
        class_="area",
    )
    return tag("svg", tag("title", title), inside, scale(seen), names(shown, seen), class_="chart power", role="img")


def baseline(idle_w: float, seen: Frame) -> Markup:
    """The power while idle, across."""
    at = f"{HEIGHT * (1 - seen.y(idle_w)):.1f}"
    return tag("line", x1=0, x2=f"{WIDTH:g}", y1=at, y2=at, class_="idle", vector_effect="non-scaling-stroke")


def scale(seen: Frame) -> list[Markup]:
    """The powers at the left and the times below."""
    per, unit = (1000.0, "kW") if seen.high_w >= KW else (1.0, "W")
    up = [
        tag("text", f"{grouped(f'{power_w / per:.6g}')} {unit}", x=-8, y=f"{HEIGHT * (1 - seen.y(power_w)) + 4:.1f}", class_="up")
        for power_w in seen.powers()
    ]
    times, step_s = seen.times()
    across = [
        tag(
            "text",
            clock(t_ns, day=step_s >= 86_400, seconds=step_s < 60),
            x=f"{100 * seen.x(t_ns):.2f}%",
            y=HEIGHT + 18,
            class_=other(place),
        )
        for place, t_ns in enumerate(times)
        if FIRST_MARK <= seen.x(t_ns) <= LAST_MARK
    ]
    return up + across


def other(place: int) -> str:
    """Every other time gives way on a narrow page."""
    return "across" if place % 2 == 0 else "across other"


def names(shown: Sequence[Place], seen: Frame) -> list[Markup]:
    """The name of each phase in its band, where it has room; the style hides those that have it on a wide page alone."""
    found = []
    for phase in shown:
        name, left = phase["name"].value, max(seen.x(phase["begin_ns"].value), 0.0)
        room = (min(seen.x(phase["end_ns"].value), 1.0) - left) / (len(name) + 1)
        if room > WIDE:
            look = None if room > NARROW else "other-name"
            found.append(tag("text", name, x=f"{100 * left + 0.6:.2f}%", y=14, class_=look))
    return found
