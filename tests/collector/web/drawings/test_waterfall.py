"""A waterfall of costs: each family from zero, stretches one after the other, no bar of two families."""

from __future__ import annotations

import pytest

from joulemark.collector.web.drawings.waterfall import Step, cascade, waterfall
from tests.collector.web.reading import read


def test_stretches_stand_one_after_the_other() -> None:
    """Two prices in one run give two parts and their whole; one price gives the whole alone."""
    steps = list(cascade("Rent", "gpu", [("first", 2.0, "2 USD"), ("second", 3.0, "3 USD")], (5.0, "5 USD")))
    assert [(one.begin, one.end, one.whole) for one in steps] == [(0.0, 2.0, False), (2.0, 5.0, False), (0.0, 5.0, True)]
    assert len(list(cascade("Rent", "gpu", [("only", 5.0, "5 USD")], (5.0, "5 USD")))) == 1


def test_families_share_a_scale_and_no_bar() -> None:
    """The longest bar has the whole width, each begins at zero, and there are as many bars as steps."""
    drawing = waterfall([Step("Rent", 0.0, 10.0, "10 USD", "gpu"), Step("Energy", 0.0, 1.0, "1 USD", "other")], title="t")
    assert drawing is not None
    rent, energy = read(drawing).all("rect")
    assert (rent.attributes["x"], rent.attributes["width"]) == ("0.000%", "100.000%")
    assert (energy.attributes["x"], energy.attributes["width"]) == ("0.000%", "10.000%")
    assert [one.text for one in read(drawing).all("text")] == ["Rent: 10 USD", "Energy: 1 USD"]


@pytest.mark.parametrize(("end", "x"), [(-1.0, "0.000%"), (0.0, "0.000%"), (1e-9, "0.000%")])
def test_below_zero_and_next_to_nothing(end: float, x: str) -> None:
    """A bill below zero goes to the left of the axis; one too small to be seen keeps a sliver."""
    drawing = waterfall([Step("Energy", 0.0, end, "t", "other")], title="t")
    assert drawing is not None
    (bar,) = read(drawing).all("rect")
    assert bar.attributes["x"] == x
    assert float(bar.attributes["width"].rstrip("%")) > 0.1


def test_nothing_known_draws_nothing() -> None:
    """Without a cost there is no drawing."""
    assert waterfall([], title="t") is None
