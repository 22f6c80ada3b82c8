"""A sparkline: power of the last minutes in the height of a line of text, with its lowest and highest shaded, and gaps left open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from joulemark.cards.buckets import Buckets
from joulemark.markup import Markup, tag

WIDTH: Final = 150.0
HEIGHT: Final = 28.0
EDGE: Final = 2.0
"""Above and below, for the width of the line."""


def sparkline(line: Buckets, begin_ns: int, end_ns: int, *, title: str, look: str = "gpu") -> Markup | None:
    """`line` from `begin_ns` to `end_ns`, from zero up; None where no power is known. `look`: class of its colour."""
    known: list[float] = [power for power in line.high_w.tolist() if not math.isnan(power)]
    if not known or end_ns <= begin_ns:
        return None
    top, bottom = max([0.0, *known]), min(0.0, float(np.nanmin(line.low_w)))
    span: float = (top - bottom) or 1.0

    def across(t_ns: int) -> float:
        return WIDTH * (t_ns - begin_ns) / (end_ns - begin_ns)

    def down(power_w: float) -> float:
        return EDGE + (HEIGHT - 2 * EDGE) * (top - power_w) / span

    bands, strokes = [], []
    for rows in pieces(line):
        x = [across(int(line.t_ns[row])) for row in rows]
        if len(rows) == 1:  # one bucket between two gaps would be a line of no length
            x = [x[0] - EDGE / 2, x[0] + EDGE / 2]
            rows = rows * 2
        middle, high, low = ([down(float(power[row])) for row in rows] for power in (line.mean_w, line.high_w, line.low_w))
        strokes.append(f"M{joined(x, middle)}")
        bands.append(f"M{joined(x, high)}L{joined(x[::-1], low[::-1])}Z")
    parts = [tag("path", d=Markup("".join(found)), class_=name) for found, name in ((bands, "band"), (strokes, "stroke"))]
    view = f"0 0 {WIDTH:g} {HEIGHT:g}"
    return tag(
        "svg", tag("title", title), parts, viewBox=view, width=f"{WIDTH:g}", height=f"{HEIGHT:g}", role="img", class_=f"spark {look}"
    )


def pieces(line: Buckets) -> Iterator[list[int]]:
    """The rows between gaps."""
    rows: list[int] = []
    for row, power in enumerate(line.mean_w.tolist()):
        if not math.isnan(power):
            rows.append(row)
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def joined(x: list[float], y: list[float]) -> str:
    """The points of a path."""
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
