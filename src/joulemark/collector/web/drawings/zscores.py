"""Scores of the laboratories of a ring test: one line each, the band that is satisfactory, and the bounds beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.collector.web.drawings.scale import Scale, drawing, line, text
from joulemark.markup import Markup, shown, tag

WIDTH: Final = 900.0
LEFT: Final = 200.0
RIGHT: Final = 60.0
ROW: Final = 24.0
TOP: Final = 30.0
BELOW: Final = 16.0
MOST: Final = 40
"""Laboratories that are drawn; the table has all."""
LONGEST: Final = 26
"""Characters of a name that have room."""


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one laboratory; `good`: filled, else hollow."""

    name: str
    value: float
    good: bool


def zscores(scores: Sequence[Score], *, name: str, within: float, stop: float | None = None, said: str) -> Markup:
    """`name`: of the score; satisfactory within ± `within`, unsatisfactory beyond ± `stop`. `said`: the conclusion, in words."""
    drawn = scores[:MOST]
    height = TOP + ROW * len(drawn) + BELOW
    widest = max([within, stop or within, *(abs(one.value) for one in drawn)])
    x = Scale.around((-widest, widest), LEFT, WIDTH - RIGHT)
    parts: list[object] = [
        tag(
            "rect",
            x=f"{x.at(-within):.1f}",
            y=TOP,
            width=f"{x.at(within) - x.at(-within):.1f}",
            height=f"{ROW * len(drawn):g}",
            class_="within",
        )
    ]
    bounds = [(0.0, "zero"), *((side * within, "limit") for side in (1, -1)), *((side * (stop or 0.0), "stop") for side in (1, -1) if stop)]
    for value, look in bounds:
        parts += [
            line(x.at(value), TOP, x.at(value), height - BELOW, look),
            text(f"{value:+g}" if value else f"{name} 0", x.at(value), TOP - 8, anchor="middle"),
        ]
    for place, one in enumerate(drawn):
        down, across = TOP + ROW * (place + 0.5), x.at(one.value)
        parts += [
            line(LEFT, down, x.end, down, "grid"),
            text(shown(one.name, longest=LONGEST), LEFT - 10, down + 4, anchor="end"),
            tag("circle", cx=f"{across:.1f}", cy=f"{down:.1f}", r=5.5, class_="dot" if one.good else "hollow"),
            text(f"{one.value:+.2f}", x.end + 6, down + 4),
        ]
    return drawing(said, WIDTH, height, parts)
