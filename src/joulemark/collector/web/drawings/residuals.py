"""How far each plateau of an alignment lies from its line, relative to the reference, and the bounds of the standard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.collector.web.drawings.scale import Scale, drawing, line, text
from joulemark.markup import Markup, tag

WIDTH: Final = 900.0
HEIGHT: Final = 260.0
LEFT: Final = 84.0
RIGHT: Final = 120.0
BELOW: Final = 44.0
TOP: Final = 20.0
LARGEST: Final = 1e3
"""In percent; what lies further away is drawn at the edge."""


@dataclass(frozen=True, slots=True)
class Plateau:
    """A plateau: mean of the sensor in W, its distance from the line and that of each window in percent of the reference.

    `below`: its name stands below the dot.
    """

    name: str
    sensor_w: float
    mean: float
    windows: Sequence[float]
    below: bool = False


def residuals(plateaus: Sequence[Plateau], *, limits: Sequence[tuple[float, str]], said: str) -> Markup:
    """Means as dots, windows as small rings. `limits`: percent on either side, with a name; `said`: the conclusion, in words."""
    shown = [min(max(value, -LARGEST), LARGEST) for one in plateaus for value in (one.mean, *one.windows)]
    x = Scale.around([one.sensor_w for one in plateaus], LEFT, WIDTH - RIGHT)
    y = Scale.around([*shown, *(side * value for value, _ in limits for side in (1, -1))], HEIGHT - BELOW, TOP)
    parts: list[object] = [text("% of the reference", LEFT, 12), text("sensor, W", x.end, HEIGHT - 6, anchor="end")]
    for value in y.marks(6):
        parts += [
            line(LEFT, y.at(value), x.end, y.at(value), "zero" if value == 0 else "grid"),
            text(f"{value:g}", LEFT - 8, y.at(value) + 4, anchor="end"),
        ]
    for value in x.marks(6):
        parts.append(text(f"{value:g}", x.at(value), HEIGHT - BELOW + 18, anchor="middle"))
    for value, name in limits:
        for side in (1, -1):
            at = y.at(side * value)
            parts += [line(LEFT, at, x.end, at, "limit"), text(f"{name} {side * value:+g} %", x.end + 6, at + 4)]
    for one in plateaus:
        across = x.at(one.sensor_w)
        parts += [tag("circle", cx=f"{across:.1f}", cy=f"{y.at(value):.1f}", r=3, class_="ring") for value in one.windows]
        parts.append(tag("circle", cx=f"{across:.1f}", cy=f"{y.at(one.mean):.1f}", r=5, class_="dot"))
        late = across > (x.begin + x.end) / 2.0
        aside = 18 if one.below else -8
        parts.append(text(one.name, across - 9 if late else across + 9, y.at(one.mean) + aside, anchor="end" if late else "start"))
    return drawing(said, WIDTH, HEIGHT, parts)
