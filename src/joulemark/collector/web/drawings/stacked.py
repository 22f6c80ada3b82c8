"""A stacked bar: one whole in its parts, drawn to any width; the table beside it has the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.markup import Markup, tag

HEIGHT: Final = 30
ROOM: Final = 0.09
"""A part that is at least this share of the whole has room for its name."""

NARROW: Final = 0.03
"""Share of the whole that a character needs where the page is narrow; the style hides what would not fit."""


@dataclass(frozen=True, slots=True)
class Part:
    """`value`: in any unit, the same for all. `look`: class of its colour, `gpu`, `cpu`, `dram`, `other`, `idle` or `wall`."""

    name: str
    look: str
    value: float


def stacked(parts: Sequence[Part], *, title: str) -> Markup | None:
    """The bar of all parts above zero; None where there is none. `title`: what it shows, with its conclusion, in words."""
    seen = [part for part in parts if part.value > 0.0]
    whole = sum(part.value for part in seen)
    if not seen or whole == float("inf"):
        return None
    told = ", ".join(f"{part.name} {100.0 * part.value / whole:.3g} %" for part in seen)
    drawn, left = [], 0.0
    for part in seen:
        share = part.value / whole
        drawn.append(piece(part, left, share))
        left += share
    return tag("svg", tag("title", title), tag("desc", told), drawn, class_="stacked", width="100%", height=HEIGHT, role="img")


def piece(part: Part, left: float, share: float) -> list[Markup | None]:
    """One part, from `left` on; its name where there is room."""
    text = f"{part.name} {100.0 * share:.0f} %"
    look = None if share >= NARROW * len(text) else "other-name"
    named = tag("text", text, x=f"{100.0 * left + 0.8:.3f}%", y=20, class_=look) if share >= max(ROOM, 0.011 * len(text)) else None
    shape = tag("rect", tag("title", text), x=f"{100.0 * left:.3f}%", width=f"{100.0 * share:.3f}%", height=HEIGHT, class_=part.look)
    return [shape, named]
