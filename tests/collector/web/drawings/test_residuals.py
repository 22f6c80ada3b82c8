"""Distances of plateaus from the line."""

from __future__ import annotations

from joulemark.collector.web.drawings.residuals import Plateau, residuals
from tests.collector.web.reading import read

LIMITS = [(2.0, "ES1"), (1.0, "ES2")]


def test_each_plateau_is_a_dot_among_its_windows() -> None:
    """Dots and rings as many as there are, further right with more power, above the line where the reference shows more."""
    plateaus = [Plateau("idle", 100.0, 0.5, [0.4, 0.6]), Plateau("full", 900.0, -0.5, [-0.5])]
    page = read(residuals(plateaus, limits=LIMITS, said="near"))
    (x1, y1), (x2, y2) = ((float(one.attributes["cx"]), float(one.attributes["cy"])) for one in page.all("circle", class_="dot"))
    assert x1 < x2
    assert y1 < float(page.one("line", class_="zero").attributes["y1"]) < y2
    assert len(page.all("circle", class_="ring")) == 3
    assert {"idle", "full", "ES1 +2 %", "ES2 -1 %"} <= {one.text for one in page.all("text")}


def test_what_is_beyond_belief_stays_on_the_page() -> None:
    """A residual without bound is drawn at the edge, not outside."""
    page = read(residuals([Plateau("idle", 0.0, 1e300, [])], limits=LIMITS, said="far"))
    (dot,) = page.all("circle", class_="dot")
    assert 0.0 < float(dot.attributes["cy"]) < 260.0
