"""Tables and facts of a page."""

from __future__ import annotations

from xml.etree import ElementTree

from joulemark.cards.figures import Place
from joulemark.cards.sections.layout import MOST, facts, notes, section, table


def test_a_table_has_heads_bounds_and_right_columns() -> None:
    """Each head has its scope, numbers stand right, bold rows are bold, and what is cut is said."""
    root = ElementTree.fromstring(f"<x>{table('c', ('a', 'b'), [(at, '<') for at in range(MOST + 5)], numbers=(1,), strong=(0,))}</x>")
    assert [one.get("scope") for one in root.iter("th")] == ["col", "col"]
    assert [one.get("class") for one in root.iter("td")][:2] == [None, "number"]
    rows = list(root.iter("tr"))
    assert (len(rows), rows[1].get("class")) == (MOST + 1, "strong")
    assert "more lines" in "".join(root.itertext())


def test_facts_notes_and_sections_are_lists_and_headings() -> None:
    """Names with values are a description list; no sentence gives no list."""
    assert facts([("a", "<")]) == '<dl class="facts"><div><dt>a</dt><dd>&lt;</dd></div></dl>'
    assert notes(Place({"f": []})["f"]) == ""
    assert notes(Place({"f": ["x"]})["f"]) == '<ul class="note soft"><li>x</li></ul>'
    assert section("T", "x") == "<section><h2>T</h2>x</section>"
