"""The chart of power over time: drawn to any width without script, phases shaded, gaps left open, axes with their units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from joulemark.cards.figures import Place
from joulemark.cards.trace import Trace
from joulemark.markup import Markup, grouped, tag
from joulemark.timebase import iso_utc
from joulemark.units import NS_PER_S

WIDTH: Final = 1000.0
HEIGHT: Final = 240.0
PARTS: Final = 500
"""Parts of the width, with at most two readings each: a line has at most 1002 points however long the run is."""

MOST_LINES: Final = 4
MOST_PHASES: Final = 60
MOST_GAPS: Final = 200
MARGIN_S: Final = 30
"""Seconds that are shown before the first phase and after the last: all that a bundle keeps of a steady meter."""

SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""Distances of marks on the axis of time."""

MOST_MARKS: Final = 9
LAST_MARK: Final = 0.965
"""A time further to the right would be cut off at the edge of the page."""

KW: Final = 10_000.0
"""From this power on the axis is in kilowatts."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is shown: UTC from `begin_ns` to `end_ns`, power from `low_w` to `high_w`."""

    begin_ns: int
    end_ns: int
    low_w: float
    high_w: float

    @classmethod
    def around(cls, phases: Sequence[Place], lines: Sequence[Trace]) -> Self:
        """The phases with their margin, and all power in it; zero always."""
        begin_ns = min(phase["begin_ns"].value for phase in phases) - MARGIN_S * NS_PER_S
        end_ns = max(phase["end_ns"].value for phase in phases) + MARGIN_S * NS_PER_S
        powers = [power for one in lines for _, power, _ in one.thinned(begin_ns, end_ns, parts=PARTS)]
        low, high = min([0.0, *powers]), max([0.0, *powers])
        step = round_step((high - low) or 1.0, most=6)
        return cls(begin_ns, end_ns, math.floor(low / step) * step, max(math.ceil(high / step), 1) * step)

    def x(self, t_ns: int) -> float:
        """Place of a time, 0 to 1."""
        return (t_ns - self.begin_ns) / (self.end_ns - self.begin_ns)

    def y(self, power_w: float) -> float:
        """Place of a power, 0 below to 1 above."""
        return (power_w - self.low_w) / (self.high_w - self.low_w)

    def powers(self) -> list[float]:
        """Round powers, at most seven."""
        step = round_step(self.high_w - self.low_w, most=6)
        first = math.ceil(self.low_w / step - 1e-9)
        return [place * step for place in range(first, math.floor(self.high_w / step + 1e-9) + 1)]

    def times(self) -> tuple[list[int], int]:
        """(round times in ns, their distance in s)."""
        length_s = (self.end_ns - self.begin_ns) / NS_PER_S
        step_s = next((step for step in SECONDS if length_s / step <= MOST_MARKS), 0)
        step_s = step_s or math.ceil(length_s / 86_400 / MOST_MARKS) * 86_400
        step_ns = step_s * NS_PER_S
        return list(range(-(-self.begin_ns // step_ns) * step_ns, self.end_ns + 1, step_ns)), step_s


def round_step(span: float, *, most: int) -> float:
    """1, 2 or 5 times a power of ten that divides `span` into at most `most` parts, but for the last."""
    raw = span / most
    size = 10.0 ** math.floor(math.log10(raw))
    return next(size * factor for factor in (1.0, 2.0, 5.0, 10.0, 20.0) if size * factor >= raw * (1 - 1e-9))


def chart(phases: Place, lines: Sequence[Trace]) -> Markup | None:
    """The figure of `phases`, those of a card, over `lines`; None where there is no power to draw."""
    lines = lines[:MOST_LINES]
    if not any(math.isfinite(power) for one in lines for power in one.power_w):
        return None
    shown = list(phases)[:MOST_PHASES]
    frame = Frame.around(shown, lines)
    title = tag("title", "Power over time")
    where = ", ".join(one.boundary for one in lines)
    told = f"Power in watts from {clock(frame.begin_ns, day=True)} to {clock(frame.end_ns, day=True)} UTC at {where}."
    view = f"0 0 {WIDTH:g} {HEIGHT:g}"
    drawing = tag(
        "svg",
        title,
        tag("desc", told),
        [band(phase, frame) for phase in shown],
        [level(frame.y(power)) for power in frame.powers()],
        [hole(begin, end, frame) for begin, end in list(lines[0].missing())[:MOST_GAPS]],
        [
            tag("path", d=path(one, frame), class_=f"line{place}", vector_effect="non-scaling-stroke")
            for place, one in reversed(list(enumerate(lines, 1)))
        ],
        viewBox=view,
        preserveAspectRatio="none",
        role="img",
    )
    scale, unit = (1000.0, "kW") if frame.high_w >= KW else (1.0, "W")
    up = [tag("span", f"{grouped(f'{power / scale:.6g}')} {unit}", style=f"bottom:{100 * frame.y(power):.2f}%") for power in frame.powers()]
    names = [name(phase, frame) for phase in shown]
    axes = {"aria_hidden": "true"}
    return tag(
        "figure",
        tag(
            "div",
            tag("div", names, class_="names", **axes),
            tag("div", up, class_="up", **axes),
            tag("div", drawing, class_="plot"),
            tag("div", across(frame), class_="across", **axes),
            class_="chart",
        ),
        tag("ul", [key(place, one) for place, one in enumerate(lines, 1)], class_="key"),
        tag("figcaption", caption(frame)),
    )


def path(line: Trace, frame: Frame) -> Markup:
    """The line as SVG path data, in tenths of a unit; it begins anew after every gap."""
    points = line.thinned(frame.begin_ns, frame.end_ns, parts=PARTS)
    steps = []
    for place, (t_ns, power_w, anew) in enumerate(points):
        at = f"{WIDTH * frame.x(t_ns):.1f} {HEIGHT * (1 - frame.y(power_w)):.1f}"
        alone = anew and (place + 1 == len(points) or points[place + 1][2])
        steps.append(f"{'M' if anew else 'L'}{at}{'h.1' if alone else ''}")
    return Markup("".join(steps))


def band(phase: Place, frame: Frame) -> Markup:
    """The time of a phase, shaded."""
    begin, end = frame.x(phase["begin_ns"].value), frame.x(phase["end_ns"].value)
    kind = "measured" if phase["kind"].value == "measured" else "beside"
    title = tag("title", f"{phase['name'].value}, {phase['kind'].value.replace('_', ' ')}")
    return tag("rect", title, x=f"{WIDTH * begin:.1f}", y=0, width=f"{WIDTH * (end - begin):.1f}", height=f"{HEIGHT:g}", class_=kind)


def hole(begin_ns: int, end_ns: int, frame: Frame) -> Markup:
    """A gap of the headline's readings, at least wide enough to be seen."""
    begin, end = frame.x(max(begin_ns, frame.begin_ns)), frame.x(min(end_ns, frame.end_ns))
    if end <= begin:
        return Markup("")
    return tag(
        "rect",
        tag("title", "no readings"),
        x=f"{WIDTH * begin:.1f}",
        y=0,
        width=f"{max(WIDTH * (end - begin), 1.5):.1f}",
        height=f"{HEIGHT:g}",
        class_="gap",
    )


def level(y: float) -> Markup:
    """A line across."""
    at = f"{HEIGHT * (1 - y):.1f}"
    return tag("line", x1=0, x2=f"{WIDTH:g}", y1=at, y2=at, class_="grid", vector_effect="non-scaling-stroke")


def name(phase: Place, frame: Frame) -> Markup:
    """The name of a phase above its band; the style hides it where it has no room."""
    begin, end = frame.x(phase["begin_ns"].value), frame.x(phase["end_ns"].value)
    place = f"left:{100 * begin:.2f}%;width:{100 * (end - begin):.2f}%"
    return tag("span", tag("i", phase["name"].value), style=place)


def across(frame: Frame) -> list[Markup]:
    """The times below the plot; every other one gives way on a narrow page."""
    times, step_s = frame.times()
    day = step_s >= 86_400
    return [
        tag(
            "span",
            clock(t_ns, day=day, seconds=step_s < 60),
            class_=None if place % 2 == 0 else "other",
            style=f"left:{100 * frame.x(t_ns):.2f}%",
        )
        for place, t_ns in enumerate(times)
        if frame.x(t_ns) <= LAST_MARK
    ]


def clock(t_ns: int, *, day: bool = False, seconds: bool = True) -> str:
    """A time of the day, or a day with its time, UTC."""
    text = iso_utc(t_ns)
    return text[:16].replace("T", " ") if day else text[11:19] if seconds else text[11:16]


def key(place: int, line: Trace) -> Markup:
    """Which line is which."""
    sample = tag("svg", tag("path", d="M1 5H29", class_=f"line{place}"), viewBox="0 0 30 10", aria_hidden="true")
    return tag("li", sample, line.boundary.replace("_", " "), "" if line.meters == 1 else f", sum of {line.meters} meters")


def caption(frame: Frame) -> str:
    """How to read it."""
    bands = "Blue bands: measured phases; gray: phases beside them; red, and a line that stops: no readings."
    lines = "The lowest and the highest reading of each moment are drawn, corrected as the energy is."
    return f"UTC on {iso_utc(frame.begin_ns)[:10]}. {bands} {lines}"
