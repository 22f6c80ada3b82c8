"""A value with its uncertainty as a dot on an interval, beside the number that it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from joulemark.collector.web.drawings.scale import Scale
from joulemark.markup import Markup, tag

WIDTH: Final = 140.0
HEIGHT: Final = 20.0
SIDE: Final = 6.0


def common(figures: Iterable[tuple[float, float]]) -> Scale:
    """The scale on which all (value, U95) can be compared."""
    return Scale.around((end for value, u95 in figures for end in (value - u95, value + u95)), SIDE, WIDTH - SIDE)


def interval(value: float, u95: float, scale: Scale, *, said: str, others: Iterable[float] = ()) -> Markup:
    """The dot at `value` with the line from `value` - U95 to `value` + U95; `said`: the same in words. `others`: values marked small."""
    middle, low, high, place = HEIGHT / 2, scale.at(value - u95), scale.at(value + u95), scale.at(value)
    bar = f"M{low:.1f} {middle - 4:g}v8m0-4H{high:.1f}m0-4v8"
    marks = "".join(f"M{scale.at(other):.1f} {middle - 7:g}v14" for other in others)
    parts = [
        tag("path", d=Markup(marks), class_="other") if marks else None,
        tag("path", d=bar, class_="bar"),
        tag("circle", cx=f"{place:.1f}", cy=f"{middle:g}", r="4", class_="dot"),
    ]
    return tag("svg", *parts, width=f"{WIDTH:g}", height=f"{HEIGHT:g}", role="img", aria_label=said, class_="interval")
