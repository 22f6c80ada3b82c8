"""A stacked bar: shares as widths, names where there is room, and nothing where nothing is known."""

from __future__ import annotations

from joulemark.collector.web.drawings.stacked import Part, stacked
from tests.collector.web.reading import read


def test_widths_are_shares() -> None:
    """Parts stand one after the other, and together fill the width."""
    drawing = stacked([Part("GPUs", "gpu", 75.0), Part("residual", "other", 25.0)], title="GPUs took most")
    assert drawing is not None
    first, second = read(drawing).all("rect")
    assert (first.attributes["x"], first.attributes["width"]) == ("0.000%", "75.000%")
    assert (second.attributes["x"], second.attributes["width"]) == ("75.000%", "25.000%")
    assert read(drawing).one("desc").text == "GPUs 75 %, residual 25 %"
    assert [one.text for one in read(drawing).all("text")] == ["GPUs 75 %", "residual 25 %"]


def test_a_thin_part_has_no_name_in_it() -> None:
    """A name that would not fit is left to the table; a long name needs more room."""
    drawing = stacked([Part("a", "gpu", 97.0), Part("b", "cpu", 3.0)], title="t")
    assert drawing is not None
    assert [one.text for one in read(drawing).all("text")] == ["a 97 %"]
    long = stacked([Part("n" * 60, "gpu", 50.0), Part("b", "cpu", 50.0)], title="t")
    assert long is not None
    assert [one.text for one in read(long).all("text")] == ["b 50 %"]


def test_nothing_to_draw() -> None:
    """Without a part above zero there is no bar; one below zero is left out."""
    assert stacked([], title="t") is None
    assert stacked([Part("a", "gpu", 0.0)], title="t") is None
    drawing = stacked([Part("a", "gpu", 1.0), Part("b", "cpu", -1.0)], title="t")
    assert drawing is not None
    assert len(read(drawing).all("rect")) == 1


def test_names_are_text() -> None:
    """A name with markup is characters."""
    drawing = stacked([Part("<b>", "gpu", 1.0)], title="<i>")
    assert drawing is not None
    assert not read(drawing).all("b")
