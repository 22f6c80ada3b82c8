"""A price over time as steps. Amounts are decimal text beside the drawing and in it; only places on it are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from joulemark.collector.web.drawings.scale import Scale, days, drawing, grid, line
from joulemark.markup import Markup
from joulemark.pricing import money

WIDTH: Final = 900.0
HEIGHT: Final = 260.0
LEFT: Final = 96.0
BELOW: Final = 34.0
TOP: Final = 14.0
APART: Final = 15.0
"""Between two lines of text."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """`amount` from `begin_ns` until `end_ns`, since `seen_ns` only believed."""

    begin_ns: int
    end_ns: int
    seen_ns: int
    amount: Decimal


def steps(stretches: Sequence[Stretch], *, begin_ns: int, end_ns: int, said: str) -> Markup:
    """The stretches between two moments; where there is none, nothing is drawn. `said`: the conclusion, in words."""
    x = Scale(begin_ns, end_ns, LEFT, WIDTH - 12)
    amounts = sorted({one.amount for one in stretches})
    y = Scale.around([float(amount) for amount in amounts], HEIGHT - BELOW, TOP)
    levels = [(float(amount), money.text(amount)) for amount in readable(amounts, y)]
    parts: list[object] = [*grid(x, y, levels, days(x))]
    for before, one in zip([None, *stretches], stretches, strict=False):
        height = y.at(float(one.amount))
        if before is not None and before.end_ns == one.begin_ns:
            parts.append(line(x.at(one.begin_ns), y.at(float(before.amount)), x.at(one.begin_ns), height, "step"))
        if one.seen_ns > one.begin_ns:
            parts.append(line(x.at(one.begin_ns), height, x.at(one.seen_ns), height, "step"))
        if one.end_ns > one.seen_ns:
            parts.append(line(x.at(one.seen_ns), height, x.at(one.end_ns), height, "step believed"))
    return drawing(said, WIDTH, HEIGHT, parts)


def readable(amounts: Sequence[Decimal], y: Scale) -> list[Decimal]:
    """Of `amounts`, from the lowest, those whose text has room; the highest always."""
    kept: list[Decimal] = []
    for amount in amounts:
        if not kept or y.at(float(kept[-1])) - y.at(float(amount)) >= APART:
            kept.append(amount)
        elif amount == amounts[-1]:
            kept[-1] = amount
    return kept
