"""The page of a card: what a sceptic reads, every number true, and nothing that runs or loads."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from joulemark.cards.evidence import Evidence
from joulemark.cards.measured import Measured
from joulemark.cards.page import page
from joulemark.markup import POLICY
from joulemark.standard.publication import Publication
from tests.cards import reading
from tests.cards.pages import EVIDENCE, LEVELS, publication, validation

POISON = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg><svg onload=alert(1)>",
    "javascript:alert(1)",
    "https://evil.example/x.js",
    "\x00\x1b[31m\u202etxt.exe\ud800\ufeff",
    "&lt;b&gt; &amp; ]]> <!-- -->",
    "x" * 10_000_000,
)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", EVIDENCE)
def test_every_number_stands_in_the_document(kind: str, level: str) -> None:
    """Read back by another program, each figure is a rounding of the value at its place, and no other number is on the page."""
    made = publication(kind, level)
    found = reading.Page.of(made.page)
    assert found.faults == []
    assert len(found.figures) > 60
    assert reading.untrue(found, json.loads(json.dumps(made.document))) == []


def test_the_reader_finds_what_is_not_true() -> None:
    """A digit changed on the page, a value changed in the document, and a number out of nowhere are each found."""
    made = publication("ES1", "ES1")
    document = json.loads(json.dumps(made.document))
    shown = document["card"]["score"]["display"]["value"]
    forged = made.page.replace(f">{shown}</data>", f">{int(shown) - 9}</data>", 1)
    assert len(reading.untrue(reading.Page.of(forged), document)) == 1
    other = copy.deepcopy(document)
    other["card"]["phases"][0]["energy_j"] += 1.0
    assert len(reading.untrue(reading.Page.of(made.page), other)) == 1
    assert reading.untrue(reading.Page.of(made.page.replace("Scope ", "Scope 4711 ", 1)), document) == ["4711 stands nowhere"]


def test_what_a_sceptic_reads_comes_in_order() -> None:
    """Headline, what was measured, power, uncertainty, meters, clocks, money, tokens, verdict and proof stand in this order."""
    text = publication("ES1", "ES1").page
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    assert heads == [
        "What was measured",
        "Power over time",
        "How well it is known",
        "Meters and their alignment",
        "Clocks",
        "Cost and carbon",
        "Tokens",
        "Verdict",
        "Check it yourself",
    ]
    assert text.index("Simulated: the path was measured") < text.index("<h1") < text.index("<h2>")


def test_only_a_level_that_was_reached_looks_like_one() -> None:
    """ES1 and ES2 are green; ES0 is gray and dashed, INVALID is struck out, and a level of the test kit is as gray as ES0."""
    looks = {level: re.findall(r'class="level ([a-z ]+)"', publication("ES1", level).page) for level in LEVELS}
    assert looks == {"INVALID": ["void bad"], "ES0": ["unranked"], "ES1": ["good"], "ES2": ["good"]}
    kit = Publication.made(EVIDENCE["ES1"](), replace(validation("ES2"), kit=True)).page
    assert 'class="level unranked"' in kit
    assert "ES2 (kit)" in kit


def test_what_is_missing_is_said_with_its_reason() -> None:
    """Without prices and without score the page says so in the words of the card, and shows no zero in their place."""
    made = publication("bare", "ES0")
    head = made.document["card"]["headline"]
    assert head["cost"]["market"]["reason"] in made.page
    assert head["cost"]["energy"]["reason"] in made.page
    assert made.document["card"]["score_reason"] in made.page
    assert "None" not in reading.Page.of(made.page).words


def test_the_page_fits_its_policy() -> None:
    """Nothing needs more than styles in the page; the policy that is sent with it allows nothing else."""
    text = publication("ES1", "ES1").page
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "<script" not in text
    assert not re.search(r"(src|href|action)=", text)


def test_equal_documents_give_equal_bytes_of_bounded_size() -> None:
    """The page is a function of document and readings, and stays below 300 kB."""
    made = publication("ES2", "ES2")
    again = page(json.loads(json.dumps(made.document)), made.lines)
    assert made.page == again
    assert len(again.encode()) < 300_000


def poisoned(data: Any, poison: str) -> Any:
    """A copy in which every text from outside is `poison`: names, notes, reasons, labels."""
    if isinstance(data, dict):
        return {key: value if key in KEPT else poisoned(value, poison) for key, value in data.items()}
    if isinstance(data, list):
        return [poisoned(one, poison) for one in data]
    return poison if isinstance(data, str) else data


KEPT = {"value", "u95", "amount", "pue", "per_1k_output_tokens", "g_co2e", "g_per_1k_output_tokens", "verdict", "phases"}
"""Decimal text, and words that decide what is drawn: the programs that read them refuse others. Phases' names are poisoned below."""


@pytest.mark.parametrize("poison", POISON, ids=range(len(POISON)))
def test_hostile_text_stays_text(poison: str) -> None:
    """Markup, addresses, control characters and ten megabytes in every name: the page is whole, runs nothing, and stays small."""
    made = publication("ES1", "ES1")
    document = poisoned(json.loads(json.dumps(made.document)), poison)
    for phase in document["card"]["phases"]:
        phase["name"] = poison
    text = page(document, made.lines)
    found = reading.Page.of(text)
    assert found.faults == []
    assert len(text) < 1_500_000
    assert all(mark.isprintable() or mark in "\n\u202f\u00a0" for mark in text)
    text.encode()


def numbers(data: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield (*way, key)
        yield from numbers(value, (*way, key))


@pytest.mark.parametrize("odd", [0, -1, 1e308, -1e308, 1e-300, 2**62, 0.5])
def test_odd_numbers_end_no_page(odd: float) -> None:
    """Huge, tiny, negative and zero figures: the page is whole and still says what stands in its document."""
    made = publication("ES1", "ES1")
    document = json.loads(json.dumps(made.document))
    for way in numbers(document["card"]):
        if str(way[-1]).endswith(("begin_ns", "end_ns")):
            continue
        place: Any = document["card"]
        for key in way[:-1]:
            place = place[key]
        place[way[-1]] = abs(odd) if "u95" in str(way[-1]) else odd
    found = reading.Page.of(page(document, made.lines))
    assert found.faults == []
    assert reading.untrue(found, document) == []


def test_a_run_of_one_phase_without_meters_beside(gather: Any) -> None:
    """The smallest card there is has a page."""
    evidence: Evidence = gather()
    made = Publication.made(Measured.of(evidence), validation("ES0"))
    assert reading.Page.of(made.page).faults == []
