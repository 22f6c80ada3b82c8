"""A waterfall of costs: each family begins at zero, its stretches stand one after the other, and no bar holds two families.

Rent contains electricity, so that their sum would be the cost of nothing: there is no bar for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.markup import Markup, tag

ROW: Final = 44
"""Height of a bar with its name above it."""

BAR: Final = 16


@dataclass(frozen=True, slots=True)
class Step:
    """A bar from `begin` to `end`, both in one currency. `text`: its amount; `look`: class of its colour; `whole`: of a family."""

    name: str
    begin: float
    end: float
    text: str
    look: str
    whole: bool = True


def cascade(name: str, look: str, stretches: Sequence[tuple[str, float, str]], total: tuple[float, str]) -> Iterable[Step]:
    """The steps of one family: its stretches (name, amount, text) where there are several, then all of it."""
    at = 0.0
    for label, amount, text in stretches if len(stretches) > 1 else ():
        yield Step(label, at, at + amount, text, look, whole=False)
        at += amount
    yield Step(name, 0.0, total[0], total[1], look)


def waterfall(steps: Sequence[Step], *, title: str) -> Markup | None:
    """The bars below each other on one scale; None where none is known. `title`: what it shows, with its conclusion, in words."""
    if not steps:
        return None
    low, high = min(0.0, *(min(one.begin, one.end) for one in steps)), max(0.0, *(max(one.begin, one.end) for one in steps))
    span = (high - low) or 1.0
    rows = [row(one, place, low, span) for place, one in enumerate(steps)]
    zero = f"{100.0 * -low / span:.3f}%"
    axis = tag("line", x1=zero, x2=zero, y1=0, y2=ROW * len(steps), class_="axis")
    return tag("svg", tag("title", title), rows, axis, class_="waterfall", width="100%", height=ROW * len(steps), role="img")


def row(one: Step, place: int, low: float, span: float) -> list[Markup]:
    """One bar with its name and amount above it; one that is thinner than can be seen keeps a pixel."""
    top = ROW * place
    left, right = sorted((one.begin, one.end))
    x, width = 100.0 * (left - low) / span, 100.0 * (right - left) / span
    return [
        tag("text", f"{one.name}: {one.text}", x=0, y=top + 15),
        tag(
            "rect",
            x=f"{x:.3f}%",
            y=top + 21,
            width=f"{max(width, 0.15):.3f}%",
            height=BAR,
            class_=one.look if one.whole else f"{one.look} part",
        ),
    ]
