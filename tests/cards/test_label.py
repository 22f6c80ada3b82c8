"""The label: level, figure, uncertainty, date and link, in a drawing of fixed size that claims no more than the card."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest

from joulemark.cards.label import HEIGHT, WIDTH, label
from joulemark.errors import UsageError
from joulemark.standard.publication import Publication
from tests.cards.pages import EVIDENCE, LEVELS, publication, validation
from tests.cards.reading import at, drawing
from tests.cards.test_page import POISON, poisoned

SVG = "{http://www.w3.org/2000/svg}"


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("level", LEVELS)
def test_it_says_level_figure_uncertainty_date_and_where_to_verify(level: str) -> None:
    """All of it stands in the drawing as text, and in its title for those who hear it."""
    made = publication("ES1", level)
    shown = made.document["card"]["score"]["display"]
    root = drawing(made.label("https://board.example/c/1"))
    said = texts(root)
    assert {level, "verify: https://board.example/c/1", "NODE_AC, 2026-11-02", f"{shown['value']} \u00b1 {shown['u95']}"} <= set(said)
    title = root.findtext(f"{SVG}title")
    assert title is not None
    assert all(part in title for part in (shown["value"], shown["u95"], level, "2026-11-02"))
    assert root.find(f"{SVG}a").get("href") == "https://board.example/c/1"  # type: ignore[union-attr]  # it has one


def test_its_numbers_are_those_of_the_document() -> None:
    """The figure and its uncertainty are the card's printed ones, each with its place."""
    made = publication("ES2", "ES2")
    spans = [one for one in drawing(made.label()).iter(f"{SVG}tspan") if one.get("data-from")]
    assert len(spans) == 2
    for one in spans:
        assert Decimal((one.text or "").replace("\u202f", "")) == Decimal(at(made.document, one.attrib["data-from"]))


def test_only_a_reached_level_is_filled() -> None:
    """ES1 and ES2 stand in a filled field; ES0, INVALID and every level of the test kit in a dashed one on paper."""
    filled = {level: 'rx="5" fill="#1b7a43"' in publication("ES1", level).label() for level in LEVELS}
    assert filled == {"INVALID": False, "ES0": False, "ES1": True, "ES2": True}
    kit = Publication.made(EVIDENCE["ES1"](), replace(validation("ES2"), kit=True)).label()
    assert "stroke-dasharray" in kit
    assert "test kit" in kit
    assert "not ranked" in publication("ES1", "ES0").label()


def test_an_invalid_card_is_crossed_with_its_reason() -> None:
    """Two lines cross the figure, and the rule that was broken is named; no other level has them."""
    root = drawing(publication("ES1", "INVALID").label())
    assert len(list(root.iter(f"{SVG}line"))) == 2
    assert any(text.startswith("INT-1: a file was changed") for text in texts(root))
    assert not any("<line" in publication("ES1", level).label() for level in LEVELS[1:])


def test_what_is_not_known_and_what_is_simulated_is_said() -> None:
    """Without tokens there is no figure and no zero; simulated runs say so in words."""
    document = json.loads(json.dumps(publication("ES1", "ES0").document))
    document["card"] |= {"score": None}
    document["card"]["headline"]["display"] = {}
    said = texts(drawing(label(document)))
    assert "not known" in said
    assert any("SIMULATED" in text for text in said)


def test_an_uncertainty_that_lacks_parts_is_not_called_u95() -> None:
    """Where a component is not known the label says that the figure lacks parts, and names them for those who hear it."""
    document = json.loads(json.dumps(publication("ES1", "ES1").document))
    assert "J per 1k output tokens, \u00b1 is U95" in texts(drawing(label(document)))
    document["card"]["headline"]["uncertainty_missing"] = ["ambient", "alignment"]
    root = drawing(label(document))
    assert "J/1k output tokens, \u00b1 lacks parts" in texts(root)
    assert not any("U95" in text for text in texts(root))
    assert "because not known: ambient, alignment." in (root.findtext(f"{SVG}desc") or "")


def test_size_and_bytes_are_fixed() -> None:
    """320 by 120, the same bytes each time, a few kilobytes, no style and nothing loaded."""
    made = publication("ES1", "ES1")
    text = made.label("card.html")
    assert text == label(json.loads(json.dumps(made.document)), link="card.html")
    root = drawing(text)
    assert (root.get("width"), root.get("height")) == (str(WIDTH), str(HEIGHT)) == ("320", "120")
    assert len(text) < 4000
    assert re.findall(r"https?://[^\" ]+", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("link", ["javascript:alert(1)", "//evil.example", "data:,x"])
def test_a_link_that_runs_is_refused(link: str) -> None:
    """Only http, https and relative paths are linked."""
    with pytest.raises(UsageError):
        publication("ES1", "ES1").label(link)


@pytest.mark.parametrize("poison", POISON, ids=range(len(POISON)))
def test_hostile_text_stays_text(poison: str) -> None:
    """Whatever stands in the texts of a document, the label is well-formed, harmless and small."""
    document: Any = poisoned(json.loads(json.dumps(publication("ES1", "INVALID").document)), poison)
    document["validation"]["contradictions"] = [poison]
    document["validation"]["rules"][0]["id"] = poison
    for phase in document["card"]["phases"]:
        phase["name"] = document["card"]["headline"]["phases"][0]
    text = label(document)
    drawing(text)
    assert len(text) < 5000


@pytest.mark.parametrize(("value", "u95"), [("0.1", "0"), ("123456789012345", "12345678"), ("-5", "3"), ("1" * 200, "2" * 200)])
def test_long_figures_have_room(value: str, u95: str) -> None:
    """The longer the figure, the smaller it is drawn; what no meter can say is cut."""
    document = json.loads(json.dumps(publication("ES1", "ES1").document))
    document["card"]["score"]["display"] |= {"value": value, "u95": u95}
    root = drawing(label(document))
    (figure,) = [one for one in root.iter(f"{SVG}text") if list(one)]
    assert float(figure.attrib["font-size"]) * sum(len(text) for text in figure.itertext()) * 0.55 < WIDTH
