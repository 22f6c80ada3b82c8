"""A scale puts every value inside the drawing, whatever it is."""

from __future__ import annotations

import itertools
import math

import pytest

from joulemark.collector.web.drawings.scale import DAY_NS, Scale, days, drawing, grid
from tests.collector.web.reading import read


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [1.0, 1.0], [1e308, -1e308], [math.inf, math.nan, 3.0], [1.0, 2.0], [-1e-12, 1e-12]])
def test_every_value_has_a_place(values: list[float]) -> None:
    """One value, none, equal ones, huge and not finite ones: places lie between the ends, marks are few and lie there too."""
    scale = Scale.around(values, 200.0, 10.0)
    for value in (*values, 0.0, 1e300):
        if not math.isnan(value):
            assert 10.0 <= scale.at(value) <= 200.0
    assert len(scale.marks()) <= 7
    assert all(scale.holds(mark) for mark in scale.marks()[1:-1])


def test_places_keep_the_order_and_the_distances() -> None:
    """The lowest value begins, the highest ends, with some room; halfway is halfway."""
    scale = Scale.around([10.0, 20.0], 0.0, 100.0)
    assert 0.0 < scale.at(10.0) < scale.at(15.0) < scale.at(20.0) < 100.0
    assert scale.at(15.0) == pytest.approx(50.0)
    assert scale.marks(5) == [10.0, 15.0, 20.0]


@pytest.mark.parametrize("length_d", [0.4, 1, 7, 365, 4000])
def test_days_are_midnights_and_few(length_d: float) -> None:
    """Whole days in UTC, at most seven, at equal distances."""
    found = days(Scale(1.5 * DAY_NS, (1.5 + length_d) * DAY_NS, 0.0, 800.0))
    assert len(found) <= 7
    assert all(one % DAY_NS == 0 for one in found)
    assert len({after - before for before, after in itertools.pairwise(found)}) <= 1


def test_a_drawing_says_what_it_shows_and_its_texts_are_text() -> None:
    """Role, title and labels; markup in a name is none."""
    x, y = Scale(0.0, 3.0 * DAY_NS, 50.0, 400.0), Scale(0.0, 1.0, 200.0, 10.0)
    made = read(drawing("a < b", 500, 250, grid(x, y, [(0.5, "<half>")], [DAY_NS])))
    assert made.one("svg").attributes["role"] == "img"
    assert made.one("title").text == "a < b"
    assert [one.text for one in made.all("text")] == ["<half>", "1970-01-02"]
