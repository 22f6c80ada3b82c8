"""Scores of laboratories."""

from __future__ import annotations

from joulemark.collector.web.drawings.zscores import MOST, Score, zscores
from tests.collector.web.reading import read


def test_within_the_band_is_within_the_bound() -> None:
    """A score up to the bound lies in the band, one beyond it outside; filled and hollow say which is good."""
    scores = [Score("a", 1.9, good=True), Score("<b>", -2.1, good=False)]
    page = read(zscores(scores, name="z", within=2.0, stop=3.0, said="two"))
    band = page.one("rect", class_="within")
    left, right = float(band.attributes["x"]), float(band.attributes["x"]) + float(band.attributes["width"])
    good, bad = page.all("circle")
    assert left < float(good.attributes["cx"]) < right
    assert float(bad.attributes["cx"]) < left
    assert (good.attributes["class"], bad.attributes["class"]) == ("dot", "hollow")
    assert {"<b>", "+1.90", "-2.10", "-2", "+3"} <= {one.text for one in page.all("text")}


def test_of_many_laboratories_the_first_are_drawn() -> None:
    """The drawing is bounded, and an En has no second bound."""
    page = read(zscores([Score(f"{n}", 0.1 * n, good=True) for n in range(MOST + 5)], name="En", within=1.0, said="many"))
    assert len(page.all("circle")) == MOST
    assert not page.all("line", class_="stop")
