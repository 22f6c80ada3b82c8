"""A dot on an interval."""

from __future__ import annotations

import re

import pytest

from joulemark.collector.web.drawings.interval import WIDTH, common, interval
from tests.collector.web.reading import read


def test_dot_and_bar_stand_where_value_and_u95_are() -> None:
    """The dot in the middle of its bar; a larger value further right; the bar as long as two U95 on the scale."""
    scale = common([(100.0, 10.0), (200.0, 5.0)])
    small, large = (read(interval(value, u95, scale, said="x")) for value, u95 in ((100.0, 10.0), (200.0, 5.0)))
    places = []
    for one, value, u95 in ((small, 100.0, 10.0), (large, 200.0, 5.0)):
        begin, end = (float(found) for found in re.match(r"M([\d.]+) .*H([\d.]+)m", one.one("path").attributes["d"]).groups())  # type: ignore[union-attr]  # a path that does not fit fails here
        places.append(float(one.one("circle").attributes["cx"]))
        assert places[-1] == pytest.approx((begin + end) / 2.0, abs=0.11)
        assert end - begin == pytest.approx(scale.at(value + u95) - scale.at(value - u95), abs=0.11)
    assert 0.0 < places[0] < places[1] < WIDTH


def test_it_is_told_in_words_and_others_are_marked() -> None:
    """The label is the sentence; each other value is a thin line."""
    made = read(interval(1.0, 0.1, common([(1.0, 0.1), (3.0, 0.1)]), said="1.00 ± 0.10, rank 1", others=[3.0, 2.0]))
    assert made.one("svg").attributes["aria-label"] == "1.00 ± 0.10, rank 1"
    assert made.one("path", class_="other").attributes["d"].count("M") == 2
