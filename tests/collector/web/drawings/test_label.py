"""The label of an entry claims no more than the entry."""

from __future__ import annotations

import pytest

from joulemark.cards.label import BAD, GOOD
from joulemark.collector.web.drawings.label import label
from tests.board.entries import entry, figures
from tests.collector.web.reading import read

ADDRESS = "https://board.example/board/1"


def test_a_ranked_entry_has_a_filled_level() -> None:
    """Level, figure with U95, scope, date, who and where to check it; it loads nothing and has no style of its own."""
    made = label(entry(1), ADDRESS)
    drawing = read(made)
    assert [one.text for one in drawing.all("text")] == [
        "Energy",
        "ES1",
        "reached",
        "250.0 ± 5.0",
        "J per 1k output tokens, ± is U95",
        "NODE_AC, 2026-10-25",
        "by Example Laboratory",
        "check: board.example/board/1",
    ]
    assert f'fill="{GOOD}"' in made
    assert "style" not in made


@pytest.mark.parametrize(
    ("changed", "note", "colour"),
    [({"level": "ES0"}, "not ranked", "#4b5563"), ({"simulated": True}, "simulated", "#4b5563"), ({}, "withdrawn", BAD)],
)
def test_what_has_no_rank_is_hollow(changed: dict[str, object], note: str, colour: str) -> None:
    """ES0, simulated and withdrawn: dashed, with the word, and never the colour of a level that was reached."""
    one = entry(1, **changed)
    made = label(one if changed else one.withdrawn("wrong", at_ns=one.published_ns + 1), ADDRESS)
    assert note in read(made).text
    assert f'stroke="{colour}"' in made
    assert GOOD not in made


def test_a_figure_that_is_not_known_is_a_word() -> None:
    """No number stands there."""
    texts = [one.text for one in read(label(entry(1, figures=figures(None, None)), ADDRESS)).all("text")]
    assert texts[3:5] == ["not known", "J per 1k output tokens"]
