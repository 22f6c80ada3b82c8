"""The trend report as a page: complete in itself, to scale, and names stay names."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from joulemark.board.report_page import nice, page
from tests.board.entries import entry
from tests.board.test_report import KEY, OTHER, Q3, Q4, at, report

MOVED = [at(1, Q3, 200.0), at(2, Q4, 100.0), at(3, Q3, 100.0, key=OTHER), at(4, Q4, 130.0, key=OTHER)]


def drawing(html: str) -> ElementTree.Element:
    """The plot of a page."""
    found = re.search(r"<svg.*</svg>", html, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found.group())


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No script, address, font or picture; it refuses them itself; light, dark and print are thought of."""
    html = page(report())
    assert not re.search(r"<script|https?:|url\(|@import|<img|<link|\son\w+=", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_changes_stand_to_scale() -> None:
    """A fall lies left of zero and a rise right, in proportion; the label says how many fell."""
    svg = drawing(page(report(MOVED)))
    zero = float(svg.find("line[@class='assigned']").get("x1"))  # type: ignore[union-attr,arg-type]  # it is drawn
    dots = sorted(float(dot.get("cx")) - zero for dot in svg.iter("circle"))  # type: ignore[arg-type]  # each has one
    assert dots[0] < 0 < dots[1]
    assert -dots[0] / dots[1] == pytest.approx(0.25 / 0.15, rel=0.01)
    assert svg.get("aria-label") == "Of 2 classes the median fell in 1"
    assert [text.text for text in svg.iter("text") if (text.text or "").startswith("n =")] == ["n = 2", "n = 2"]


def test_without_a_quarter_before_there_is_no_plot() -> None:
    """Nothing to compare draws nothing; an empty quarter is said."""
    assert "<svg" not in page(report([entry(1)]))
    empty = page(report([]))
    assert "Nothing entered and nothing was withdrawn in this quarter." in empty
    assert "<table" not in empty


def test_names_are_text() -> None:
    """An entry called like a tag stays a name, in the table and in the plot."""
    spoilt = [at(n, quarter, 200.0 + n, title=f"<b onload=x>{n}&\"'", key=KEY) for n, quarter in ((1, Q3), (2, Q4))]
    html = page(report(spoilt))
    assert "<b onload" not in html
    drawing(html)


def test_every_class_is_in_the_table() -> None:
    """The plot has its twin in text."""
    html = page(report())
    assert html.count("<tr>") == 3 + len(report().trends) + len(report().entered) + len(report().withdrawn)


@pytest.mark.parametrize(("value", "above"), [(0.0, 1.0), (0.3, 0.5), (1.0, 1.0), (7.0, 10.0), (25.0, 50.0), (1234.0, 2000.0)])
def test_the_axis_is_round(value: float, above: float) -> None:
    """The axis ends at a round number at or above the largest change."""
    assert nice(value) == pytest.approx(above)
