"""Figures from one alignment to the next."""

from __future__ import annotations

from joulemark.collector.web.drawings.drift import Line, Point, drift
from joulemark.collector.web.drawings.scale import DAY_NS
from tests.collector.web.reading import read

GAIN = Line("gain", [Point(0, 1.00, 0.01), Point(90 * DAY_NS, 1.02, 0.01), Point(180 * DAY_NS, 1.04, 0.02)])
LIMITS = [(0.90, "ES1 0.9"), (0.95, "ES2 0.95"), (1.05, "ES2 1.05"), (1.10, "ES1 1.1")]


def test_every_alignment_is_a_dot_with_its_uncertainty() -> None:
    """As many dots as points, joined, each with a bar whose length goes with its U95; the later ones stand further right and higher."""
    page = read(drift([GAIN], unit="gain", said="it rises"))
    dots = [(float(one.attributes["cx"]), float(one.attributes["cy"])) for one in page.all("circle")]
    assert dots == sorted(dots, key=lambda at: (at[0], -at[1]))
    assert len(page.all("line", class_="bar")) == 2 + 3 * 3
    bars = [one for one in page.all("line", class_="bar") if one.attributes["x1"] == one.attributes["x2"]]
    lengths = [abs(float(one.attributes["y1"]) - float(one.attributes["y2"])) for one in bars]
    assert abs(lengths[2] - 2 * lengths[0]) < 0.3
    assert page.one("title").text == "it rises"


def test_the_nearest_limits_are_drawn_and_far_ones_not() -> None:
    """Both limits next to the values, above and below, so that neither the bound nor the drift is lost."""
    page = read(drift([GAIN], unit="gain", limits=LIMITS, said="it rises"))
    names = {one.text for one in page.all("text")}
    assert {"ES2 0.95", "ES1 1.1"} <= names
    assert "ES1 0.9" not in names


def test_a_second_line_has_another_mark_and_both_have_names() -> None:
    """Squares, not colour alone."""
    idle = Line("idle", [Point(0, 100.0), Point(DAY_NS, 101.0)])
    full = Line("full", [Point(0, 900.0), Point(DAY_NS, 901.0)])
    page = read(drift([full, idle], unit="W", said="levels"))
    assert (len(page.all("circle")), len(page.all("rect", class_="second"))) == (2, 2)
    assert {"idle", "full"} <= {one.text for one in page.all("text")}
