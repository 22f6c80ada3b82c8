"""Energy against latency: a dot for each run with its U95, and the line of those that no other run beats in both."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from joulemark.cards.chart import round_step
from joulemark.cards.figures import absent, plain
from joulemark.collector.web.drawings.scale import MOST, Scale, drawing, line, text
from joulemark.energy.uncertainty import displayed
from joulemark.markup import Markup, grouped, joined, shown, tag

WIDTH: Final = 560.0
HEIGHT: Final = 350.0
LEFT: Final = 74.0
RIGHT: Final = 34.0
TOP: Final = 32.0
BELOW: Final = 50.0
"""The frame of the plot, in units of the drawing; text is 13 of them high."""

MARKS: Final = 5
LETTER: Final = 7.2
LINE: Final = 15.0
LONGEST: Final = 22
"""Characters of a name beside its point."""

NAMED: Final = 6
"""Names in the sentence that tells the conclusion."""

EQUAL: Final = 1e-9
"""Values closer than this share of their size are drawn as one."""

ENERGY: Final = "J per 1k output tokens"


@dataclass(frozen=True, slots=True)
class Point:
    """A run: J per 1000 output tokens with its U95, and a latency in ms; None where not known, with `why`. `here`: the one at hand."""

    name: str
    energy_j: float | None
    u95_j: float | None
    latency_ms: float | None
    run_id: str = ""
    why: str = ""
    here: bool = False

    @property
    def place(self) -> tuple[float, float] | None:
        """(latency, energy), None where one of them is not known or no finite number."""
        if self.energy_j is None or self.latency_ms is None or not (math.isfinite(self.energy_j) and math.isfinite(self.latency_ms)):
            return None
        return self.latency_ms, self.energy_j

    @property
    def bar(self) -> tuple[float, float] | None:
        """The ends of its interval, None where U95 is not known."""
        if self.energy_j is None or self.u95_j is None or not math.isfinite(self.u95_j):
            return None
        return self.energy_j - self.u95_j, self.energy_j + self.u95_j


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that nothing else should cover."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share any place."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def frontier(points: Sequence[Point]) -> list[int]:
    """Which of `points` no other beats: none takes less of one and no more of the other. By rising latency; equal ones all stand."""
    placed = sorted((place, at) for at, point in enumerate(points) if (place := point.place) is not None)
    found: list[int] = []
    least = math.inf
    for (latency, energy), at in placed:
        if energy < least or (found and points[found[-1]].place == (latency, energy)):
            found.append(at)
            least = energy
    return found


def scatter(points: Sequence[Point], latency: str) -> Markup:
    """The figure: drawing, key and what it says in words. `latency`: which one, and which percentile, as on the axis."""
    best = frontier(points)
    words = conclusion(points, best, latency)
    if not best:
        return tag("p", absent(words))
    x = axis((place[0] for point in points if (place := point.place)), LEFT, WIDTH - RIGHT)
    y = axis((value for point in points for value in drawn(point)), HEIGHT - BELOW, TOP)
    parts = [
        [frame(x, y, latency)],
        tag("path", d=way(points, best, x, y), class_="frontier") if len(best) > 1 else None,
        [bars(point, x, y) for point in points if point.place],
        [dot(point, x, y, best=at in best) for at, point in enumerate(points) if point.place],
        names(points, x, y),
    ]
    made = drawing(words, WIDTH, HEIGHT, parts, look="scatter")
    scroll = tag("div", made, class_="scroll", tabindex=0, role="region", aria_label="Drawing")
    return tag("figure", scroll, key(), tag("figcaption", words, " ", caveat(points)))


def drawn(point: Point) -> list[float]:
    """The energies that the axis must hold for a point."""
    return [] if point.place is None else [point.place[1], *(point.bar or ())]


def axis(values: Iterable[float], begin: float, end: float) -> Scale:
    """The scale of finite `values` from one round number to another; not below zero where none of them is."""
    found = [min(max(value, -MOST), MOST) for value in values]
    low, high = min(found), max(found)
    size = max(abs(low), abs(high))
    room = 0.08 * (high - low) if high - low > EQUAL * size else 0.1 * size
    if room < 1 / MOST:
        room = 0.5
    first, last = low - room, high + room
    if low >= 0.0:
        first = max(first, 0.0)
    step = round_step(last - first, most=MARKS)
    return Scale(math.floor(first / step) * step, math.ceil(last / step) * step, begin, end)


def marks(scale: Scale) -> list[tuple[float, str]]:
    """Round values of a scale, each with its text in as many digits as tell it from its neighbour."""
    step = round_step(scale.high - scale.low, most=MARKS + 2)
    values = [place * step for place in range(math.ceil(scale.low / step - 1e-6), math.floor(scale.high / step + 1e-6) + 1)]
    size = max(abs(scale.low), abs(scale.high))
    digits = min(17, max(1, math.ceil(math.log10(size / step) + 1e-9) + 1))
    everyday = step >= 1e-4 and size < 1e9
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(value, grouped(f"{value:.{decimals}f}") if everyday else f"{value:.{digits}g}") for value in values]


def frame(x: Scale, y: Scale, latency: str) -> list[Markup]:
    """Lines across with their energies, times below, and what the axes are."""
    across = [[line(x.begin, y.at(v), x.end, y.at(v), "grid"), text(said, x.begin - 8, y.at(v) + 4, anchor="end")] for v, said in marks(y)]
    below = [text(said, x.at(v), y.begin + 18, anchor="middle") for v, said in marks(x)]
    return [*(one for pair in across for one in pair), *below, text(ENERGY, 4, 13), text(f"{latency}, ms", x.end, HEIGHT - 8, anchor="end")]


def way(points: Sequence[Point], best: Sequence[int], x: Scale, y: Scale) -> Markup:
    """The line of the frontier as path data."""
    places = [place for at in best if (place := points[at].place)]
    return Markup("M" + "L".join(f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in places))


def bars(point: Point, x: Scale, y: Scale) -> list[Markup]:
    """The interval of a point; nothing where it is not known."""
    if point.place is None or point.bar is None:
        return []
    at, (low, high) = x.at(point.place[0]), (y.at(end) for end in point.bar)
    return [line(at, low, at, high, "bar"), line(at - 4, low, at + 4, low, "bar"), line(at - 4, high, at + 4, high, "bar")]


def dot(point: Point, x: Scale, y: Scale, *, best: bool) -> Markup:
    """A filled circle on the frontier, an open diamond beside it; the run at hand has a ring."""
    assert point.place is not None
    a, b = x.at(point.place[0]), y.at(point.place[1])
    title = tag("title", f"{shown(point.name)}: {told(point)}, {number(point.place[0])} ms, {'on the frontier' if best else 'dominated'}")
    ring = tag("circle", cx=f"{a:.1f}", cy=f"{b:.1f}", r=10, class_="ring") if point.here else None
    if best:
        mark = tag("circle", cx=f"{a:.1f}", cy=f"{b:.1f}", r=5.5, class_="best")
    else:
        mark = tag("path", d=Markup(f"M{a:.1f} {b - 6:.1f}l6 6l-6 6l-6 -6z"), class_="beaten")
    return tag("g", title, ring, mark)


def names(points: Sequence[Point], x: Scale, y: Scale) -> list[Markup]:
    """The names beside their points, the run at hand first; one that would cover another, a point or a bar, is left to its title."""
    places = {at: (x.at(place[0]), y.at(place[1])) for at, point in enumerate(points) if (place := point.place)}
    taken = [Box(a - 7, b - 7, a + 7, b + 7) for a, b in places.values()]
    taken += [Box(places[at][0] - 4, y.at(bar[1]), places[at][0] + 4, y.at(bar[0])) for at in places if (bar := points[at].bar)]
    found = []
    for at in sorted(places, key=lambda at: (not points[at].here, at)):
        said = shown(points[at].name, longest=LONGEST)
        for box, anchor in beside(*places[at], width(said)):
            inside = box.left >= x.begin and box.right <= x.end and box.top >= y.end and box.bottom <= y.begin
            if inside and not any(box.meets(other) for other in taken):
                taken.append(box)
                edge = box.left if anchor == "start" else box.right
                look = "here" if points[at].here else None
                found.append(tag("text", said, x=f"{edge:.1f}", y=f"{box.bottom - 4:.1f}", text_anchor=anchor, class_=look))
                break
    return found


def beside(a: float, b: float, length: float) -> list[tuple[Box, str]]:
    """Where the name of a point at (a, b) may stand, best first."""
    right, left = a + 9, a - 9
    tops = (b - LINE - 3, b + 3, b - LINE - 8, b + 8)
    return [
        *((Box(right, top, right + length, top + LINE), "start") for top in tops),
        *((Box(left - length, top, left, top + LINE), "end") for top in tops),
    ]


def width(said: str) -> float:
    """Of a text, not less than it will be, and some room."""
    return 4 + LETTER * sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in said)


def key() -> Markup:
    """What the marks are."""

    def sample(mark: Markup) -> Markup:
        return tag("svg", mark, viewBox="0 0 30 14", aria_hidden="true", class_="scatter-key")

    circle = tag("circle", cx=15, cy=7, r=5.5, class_="best")
    diamond = tag("path", d=Markup("M15 1l6 6l-6 6l-6 -6z"), class_="beaten")
    bar = [line(15, 1, 15, 13, "bar"), line(11, 1, 19, 1, "bar"), line(11, 13, 19, 13, "bar")]
    return tag(
        "ul",
        tag("li", sample(circle), "on the frontier"),
        tag("li", sample(diamond), "dominated: another run is better in both, or as good in one"),
        tag("li", sample(joined(bar)), "\N{PLUS-MINUS SIGN} U95"),
        class_="key",
    )


def conclusion(points: Sequence[Point], best: Sequence[int], latency: str) -> str:
    """What the drawing says, in a sentence."""
    count = sum(point.place is not None for point in points)
    if not count:
        why = "; ".join(dict.fromkeys(point.why for point in points if point.why)) or "there is no run to draw"
        return f"Energy against {latency} cannot be drawn: {why}."
    if count == 1:
        return f"One run is drawn, {shown(points[best[0]].name, longest=60)}: there is no other to hold it against."
    listed = ", ".join(shown(points[at].name, longest=60) for at in best[:NAMED])
    more = f" and {len(best) - NAMED} more" if len(best) > NAMED else ""
    return f"{len(best)} of {count} runs {'is' if len(best) == 1 else 'are'} on the frontier of energy and {latency}: {listed}{more}."


def caveat(points: Sequence[Point]) -> str:
    """What is not drawn, and how sure the frontier is."""
    bare = [point for point in points if point.place and point.bar is None]
    left = [point for point in points if not point.place]
    said = ["The frontier goes by the values alone: where bars overlap, the order in energy is not certain."]
    if bare:
        said.append(f"Without a bar, since U95 is not known: {named(bare)}.")
    if left:
        said.append(f"Not drawn, since {'; '.join(dict.fromkeys(one.why or 'a value is not known' for one in left))}: {named(left)}.")
    return " ".join(said)


def named(points: Sequence[Point]) -> str:
    """The names of some points, of many the first."""
    listed = ", ".join(shown(point.name, longest=60) for point in points[:NAMED])
    return f"{listed} and {len(points) - NAMED} more" if len(points) > NAMED else listed


def table(points: Sequence[Point], latency: str, *, here: str = "this run") -> Markup:
    """The same as a table, by rising latency; what is not known is named. `here`: what the run at hand is called."""
    best = set(frontier(points))
    order = sorted(range(len(points)), key=lambda at: (points[at].place is None, points[at].place or (0.0, 0.0), at))
    head = [tag("th", "Run", scope="col")]
    head += [tag("th", said, scope="col", class_="number") for said in (ENERGY, f"{latency}, ms")]
    head.append(tag("th", "Frontier", scope="col"))
    rows = [tag("tr", row(points[at], here, best=at in best)) for at in order]
    made = tag("table", tag("caption", tag("span", f"Energy against {latency}")), tag("thead", tag("tr", head)), tag("tbody", rows))
    return tag("div", made, class_="scroll", tabindex=0, role="region", aria_label=f"Energy against {latency}")


def row(point: Point, here: str, *, best: bool) -> list[Markup]:
    """The cells of one run."""
    name = tag("a", point.name, href=Markup(f"/runs/{quote(point.run_id, safe='')}")) if point.run_id else point.name
    why = absent(point.why)
    word = "on the frontier" if best else "dominated"
    return [
        tag("td", name, f" ({here})" if point.here else None),
        tag("td", told(point), class_="number") if point.energy_j is not None else tag("td", why),
        tag("td", number(point.latency_ms), class_="number") if point.latency_ms is not None else tag("td", why),
        tag("td", word if point.place else absent()),
    ]


def told(point: Point) -> str:
    """The energy of a point with its uncertainty, and the unit."""
    assert point.energy_j is not None
    if point.bar is None or point.u95_j is None or not math.isfinite(point.energy_j):
        return f"{number(point.energy_j)} J, U95 not known"
    value, u95 = displayed(point.energy_j, point.u95_j)
    return f"{grouped(value)} \N{PLUS-MINUS SIGN} {u95} J"


def number(value: float) -> str:
    """A number in four digits."""
    return grouped(plain(value, ".4g")) if math.isfinite(value) else str(value)
