"""The card as one page for a sceptic: self-contained HTML without script, every number with the place in the JSON it comes from.

The document is `joulemark.report/1`: the card, what it was measured on, and what the validator says of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from joulemark.cards import figures
from joulemark.cards.chart import chart
from joulemark.cards.figures import Place
from joulemark.cards.sections.layout import facts, section
from joulemark.cards.sections.measured import beside, phases, system, tokens
from joulemark.cards.sections.money import money
from joulemark.cards.sections.trust import clocks, meters, uncertainty
from joulemark.cards.sections.verdict import proof, verdict
from joulemark.cards.trace import Trace
from joulemark.markup import Markup, document, joined, tag

LOOKS: Final[Mapping[str, str]] = {"INVALID": "void bad", "ES0": "unranked", "ES1": "good", "ES2": "good"}
"""Class of the badge of a level: only one that was reached looks so, and one of the test kit proves nothing."""

METHODS: Final[Mapping[str, str]] = {"median": "Median", "olympic": "Olympic mean"}

TILES: Final[Mapping[str, str]] = {
    "energy_j": "Energy of the measured phases",
    "joules_per_1k_total_tokens": "Per 1k tokens, input and output",
    "joules_per_1k_input_tokens": "Per 1k input tokens",
    "joules_per_request": "Per request",
}


def page(report: Mapping[str, Any], lines: Sequence[Trace]) -> str:
    """The whole page of a document of schema `joulemark.report/1`; `lines` are drawn."""
    whole = Place(report)
    card = whole["card"]
    drawn = chart(card["phases"], lines)
    body = [
        top(whole),
        section("What was measured", system(whole["system"]), phases(card), beside(card)),
        section("Power over time", drawn or figures.absent("no meter shows power over time")),
        section("How well it is known", uncertainty(card)),
        section("Meters and their alignment", meters(card["meters"])),
        section("Clocks", clocks(card)),
        section("Cost and carbon", money(card["headline"])),
        section("Tokens", tokens(card)),
        section("Verdict", verdict(whole)),
        section("Check it yourself", proof(card)),
    ]
    return document(f"Energy card of run {card['run_id'].value or '(no id)'}", *body)


def top(whole: Place) -> Markup:
    """The figure, the level, and what must not be overlooked."""
    card = whole["card"]
    contradictions = ", ".join(whole["validation"]["contradictions"].value)
    banners = []
    if contradictions:
        said = f"Invalid by {contradictions}: the bundle contradicts itself, and its figure stands for nothing."
        banners.append(tag("p", said, class_="banner bad"))
    if card["simulated"].value:
        banners.append(tag("p", "Simulated: the path was measured, not a machine.", class_="banner"))
    if not card["complete"].value:
        said = "Not complete: readings were lost, or time is not covered. The reasons stand below the phases."
        banners.append(tag("p", said, class_="banner"))
    shown = figures.headline(card)
    if shown is None:
        big = [tag("span", "not known", class_="absent"), tag("span", "J per 1k output tokens", class_="unit")]
    else:
        plus = joined([" \N{PLUS-MINUS SIGN} ", figures.number(shown["u95"], shown["u95"].value)])
        big = [
            figures.number(shown["value"], shown["value"].value),
            tag("span", plus, class_="minor"),
            tag("span", shown["unit"].value, class_="unit"),
        ]
    return tag(
        "header",
        banners,
        tag(
            "div",
            tag(
                "div",
                tag("p", "Energy card, run ", tag("span", card["run_id"].value or "(no id)", class_="code"), class_="soft"),
                tag("h1", big, class_="figure void" if contradictions else "figure"),
                basis(card),
            ),
            badge(whole["validation"], whole["meaning"]),
            class_="top",
        ),
        tiles(card["headline"]),
    )


def basis(card: Place) -> Markup:
    """What the figure is: of how many repetitions, where it was measured, and that it is gross."""
    score, head = card["score"], card["headline"]
    if score.value is None:
        phases = head["phases"]
        together = ["Of ", figures.count(phases), " measured phases together"] if len(phases) > 1 else ["Of the phase ", phases[0].value]
        what = [*together, "; ", card["score_reason"].value]
    else:
        what = [
            METHODS.get(score["method"].value, "score"),
            " of ",
            figures.number(score["count"], str(score["count"].value)),
            " repetitions, \N{PLUS-MINUS SIGN} is U95 with k = ",
            figures.rounded(score["k"], ".3g"),
        ]
    where = f"Scope {card['scope'].value or 'undefined'}, at {head['boundary'].value.replace('_', ' ')}, gross: idle is not subtracted"
    lines = [tag("p", what), tag("p", where, " (", card["scope_reason"].value, ").")]
    if head["uncertainty_missing"].value:
        lines.append(
            tag("p", f"Not in the uncertainty, because not known: {', '.join(head['uncertainty_missing'].value)}.", class_="doubt")
        )
    return tag("div", lines, class_="note soft")


def badge(validation: Place, meaning: Place) -> Markup:
    """The level in a frame."""
    level = validation["level"].value
    level = "ES0" if validation["kit"].value and level != "INVALID" else level
    return tag(
        "div", tag("strong", validation["level_text"].value), tag("span", meaning.value), class_=f"level {LOOKS.get(level, 'unranked')}"
    )


def tiles(head: Place) -> Markup:
    """The other figures of the measured phases."""
    shown = head["display"]
    found = [(name, figures.printed(shown[key], "J")) for key, name in TILES.items() if key in shown.value]
    return facts(found, look="tiles")
