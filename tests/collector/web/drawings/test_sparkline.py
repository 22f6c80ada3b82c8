"""Sparklines: where the line stands, and where it does not."""

from __future__ import annotations

import numpy as np

from joulemark.cards.buckets import Buckets
from joulemark.collector.web.drawings.sparkline import HEIGHT, WIDTH, sparkline
from tests.collector.web.reading import Element, read

NAN = float("nan")


def drawn(mean_w: list[float], *, begin_ns: int = 0, end_ns: int = 100) -> Element | None:
    """A line of one reading each ten nanoseconds, give or take 10 W."""
    mean = np.array(mean_w)
    made = sparkline(Buckets(np.arange(len(mean_w)) * 10, mean - 10, mean, mean + 10), begin_ns, end_ns, title="<b> 5 W", look="wall")
    return None if made is None else read(made).one("svg")


def strokes(found: Element | None) -> list[str]:
    assert found is not None
    return found.one("path", class_="stroke").attributes["d"].split("M")[1:]


def test_power_stands_above_zero() -> None:
    """The highest reading touches the top, nothing leaves the picture, and the title says what it shows, as text."""
    found = drawn([100.0, 50.0])
    assert found is not None
    assert found.one("title").text == "<b> 5 W"
    assert found.attributes["class"] == "spark wall"
    (points,) = strokes(found)
    (x0, y0), (x1, y1) = (map(float, point.split()) for point in points.split("L"))
    assert (x0, x1) == (0.0, WIDTH / 10)
    assert 2 < y0 < y1 < HEIGHT / 2 + 2


def test_a_gap_is_open() -> None:
    """Where no power is known the line ends and begins again; one reading alone is still seen; nothing known is no drawing."""
    assert len(strokes(drawn([1.0, 2.0, NAN, 3.0, 4.0]))) == 2
    (before, alone) = strokes(drawn([1.0, 2.0, NAN, 3.0, NAN]))
    assert (before.count("L"), alone.count("L")) == (1, 1)
    assert drawn([NAN, NAN]) is None
    assert drawn([]) is None
    assert drawn([1.0], end_ns=0) is None


def test_power_that_does_not_change_is_a_line() -> None:
    """A constant power, zero too, is drawn."""
    assert strokes(drawn([0.0, 0.0]))
