"""The card in a notebook: shown by IPython's own formatter, safe, readable on light and dark, and plain as text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

from joulemark.cards import text
from joulemark.notebook.card import Card
from tests.cards import reading
from tests.cards.pages import EVIDENCE
from tests.cards.test_page import POISON, poisoned

KINDS = ("ES1", "bare")


def card_of(kind: str) -> dict[str, Any]:
    """A card as it comes over the wire."""
    found: dict[str, Any] = json.loads(json.dumps(EVIDENCE[kind]().card))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_ipython_shows_the_card_as_html_and_as_text(kind: str) -> None:
    """The formatter of notebooks takes both; every number of the block is a rounding of the card's at its place, and there is no other."""
    card = Card(card_of(kind))
    formatter = DisplayFormatter()
    formatter.active_types = ["text/plain", "text/html"]
    data, _ = formatter.format(card)
    assert data["text/plain"] == text.render(card.to_json())
    found = reading.Page.of(data["text/html"])
    assert found.faults == []
    assert reading.untrue(found, card.to_json()) == []
    shown = card["score"]["display"] if card["score"] else card["headline"]["display"]["joules_per_1k_output_tokens"]
    figures = [given.get("data-from", "") for given, _ in found.figures]
    assert figures[0].endswith("display/value" if card["score"] else "display/joules_per_1k_output_tokens/value")
    assert shown["unit"] in found.words
    assert len(figures) >= 3 * len(card["phases"])


def test_the_block_is_drawn_in_the_colour_of_the_text_around_it() -> None:
    """No script, no style sheet, no colour and no background of its own, so that a dark notebook shows it too; one link leads out."""
    shown = Card(card_of("bare"), link="http://127.0.0.1:7471/v1/runs/r/card.html")._repr_html_()
    assert not re.search(r"<(script|style|link|img|iframe)\b", shown)
    styles = " ".join(re.findall(r'style="([^"]*)"', shown))
    assert len(styles) > 200
    assert not re.search(r"#[0-9a-f]{3}|rgb\(|url\(|background|(?<![-\w])color:", styles)
    assert re.findall(r'href="([^"]*)"', shown) == ["http://127.0.0.1:7471/v1/runs/r/card.html"]


@pytest.mark.parametrize("poison", POISON[:-1], ids=range(len(POISON) - 1))
def test_texts_of_strangers_stay_texts(poison: str) -> None:
    """Markup, addresses and control characters in every name: the block is whole and harmless, the plain text shows them spelled out."""
    bad = poisoned(card_of("bare"), poison)
    for phase in bad["phases"]:
        phase["name"] = poison
    card = Card(bad, link="javascript:alert(1)")
    assert card.link is None
    assert reading.Page.of(card._repr_html_()).faults == []
    assert all(mark.isprintable() or mark == "\n" for mark in repr(card))


def test_what_is_not_known_is_said() -> None:
    """Without tokens there is no figure but words; a card that is not complete says so before its table; of many phases the first."""
    data = card_of("bare")
    head = {**data["headline"], "display": {}, "uncertainty_missing": ["spec"]}
    phases = [{**data["phases"][0], "display": {}}] * 60
    bare = Card(
        {**data, "score": None, "headline": head, "complete": False, "incomplete_because": ["readings were lost"], "phases": phases}
    )
    found = reading.Page.of(bare._repr_html_())
    shown = " ".join(found.words)
    assert "not known: no energy per 1k output tokens" in shown
    assert shown.index("Not complete") < shown.index("duration")
    assert {"readings were lost", "spec"} <= set(re.findall("readings were lost|spec", shown))
    assert ({"value": "60", "data-count": "/phases"}, "60") in found.figures


def test_a_card_is_a_mapping() -> None:
    """Its keys are those of the JSON that the collector gave."""
    card = Card(card_of("bare"))
    assert dict(card) == card.to_json() == card_of("bare")
    assert (card["schema"], len(card)) == ("joulemark.card/1", len(card.to_json()))
