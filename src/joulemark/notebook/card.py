"""The energy card as a notebook shows it: a block of HTML without script or style sheet, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from joulemark.cards import figures, text
from joulemark.cards.figures import Place
from joulemark.cards.sections.layout import words
from joulemark.errors import UsageError
from joulemark.markup import Markup, joined, safe_link, tag

FRAME: Final = "max-width:60em;padding:.8em 1em;border:1px solid;border-radius:6px"
"""Everything is drawn in the colour of the text around it, so that it can be read on a light and on a dark page."""
FIGURE: Final = "margin:.2em 0;font-size:1.7em;font-weight:600;line-height:1.2"
CELL: Final = "padding:.25em .9em .25em 0;text-align:left;vertical-align:top"
NUMBER: Final = "padding:.25em .9em .25em 0;text-align:right;vertical-align:top;white-space:nowrap"
PHASES: Final = ("phase", "kind", "duration", "energy \N{PLUS-MINUS SIGN} U95", "mean power", "J per 1k output tokens")
MOST: Final = 50
"""Phases in the table; the card has all."""


class Card(Mapping[str, Any]):
    """A card, schema `joulemark.card/1`, by its keys; `to_json()` is the whole of it. It shows itself in a notebook and as text."""

    def __init__(self, card: Mapping[str, Any], *, link: str | None = None) -> None:
        """`link`: where the whole page of the card is served; one that no page may carry is left out."""
        self._card = card
        try:
            self.link = None if link is None else safe_link(link)
        except UsageError:
            self.link = None

    def __getitem__(self, key: str) -> Any:
        return self._card[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._card)

    def __len__(self) -> int:
        return len(self._card)

    def to_json(self) -> dict[str, Any]:
        """The card as the collector gave it."""
        return dict(self._card)

    def __repr__(self) -> str:
        """The card in a few lines, as `joulemark report` prints it."""
        shown = text.render(self._card)
        return "".join(mark if mark.isprintable() or mark == "\n" else mark.encode("unicode_escape", "replace").decode() for mark in shown)

    def _repr_html_(self) -> str:
        """What a notebook shows. Every text of the card is escaped, and every number says where in the card it stands."""
        card = Place(self._card)
        return tag(
            "div",
            tag("p", "Energy card, run ", tag("code", card["run_id"].value or "(no id)"), style="margin:0"),
            figure(card),
            tag("p", said(card), style="margin:.2em 0 .6em"),
            phases(card),
            remarks(card),
            below(self.link),
            style=FRAME,
            role="group",
            aria_label="Energy card",
        )


def figure(card: Place) -> Markup:
    """The figure of the run with its uncertainty, or that it is not known."""
    shown = figures.headline(card)
    if shown is None:
        return tag("p", figures.absent("no energy per 1k output tokens"), style=FIGURE)
    return tag("p", figures.printed(shown), " ", tag("span", shown["unit"].value, style="font-size:.6em;font-weight:400"), style=FIGURE)


def said(card: Place) -> Markup:
    """What must not be overlooked, and where it was measured."""
    marks = [
        "Simulated: the path was measured, not a machine. " if card["simulated"].value else None,
        None if card["complete"].value else "Not complete, for the reasons below. ",
    ]
    head, score = card["headline"], card["score"]
    of = None if score.value is None else [f"{score['method'].value} of ".capitalize(), figures.count(head["phases"]), " repetitions. "]
    missing = head["uncertainty_missing"].value
    where = f"Scope {card['scope'].value or 'undefined'}, at {words(head['boundary'].value)}; idle is not subtracted; no level was judged."
    lacks = f" Not in the uncertainty, because not known: {', '.join(missing)}." if missing else None
    return joined([[tag("strong", mark) for mark in marks if mark], of, where, lacks])


def phases(card: Place) -> Markup:
    """A row for each phase, those that count in bold."""
    numbers, told = (2, 3, 4, 5), frozenset(card["headline"]["phases"].value)
    every = list(card["phases"])[:MOST]
    rows = [
        (
            phase["name"].value,
            words(phase["kind"].value),
            figures.rounded(phase["duration_s"], ".6g", "s"),
            figures.expanded(phase["energy_j"], phase["u95_j"], "J"),
            figures.rounded(phase["mean_power_w"], ".1f", "W"),
            ratio(phase),
        )
        for phase in every
    ]

    def line(kind: str, cells: tuple[object, ...], look: str = "", **more: str) -> Markup:
        return tag("tr", [tag(kind, cell, style=(NUMBER if at in numbers else CELL) + look, **more) for at, cell in enumerate(cells)])

    head = tag("thead", line("th", PHASES, scope="col"))
    looks = [";font-weight:600" if phase["name"].value in told else "" for phase in every]
    body = tag("tbody", [line("td", row, look) for row, look in zip(rows, looks, strict=True)])
    whole = tag("table", head, body, style="border-collapse:collapse;margin:0")
    more = tag("p", "The first of ", figures.count(card["phases"]), " phases.") if len(card["phases"]) > MOST else None
    return joined([tag("div", whole, style="overflow-x:auto", tabindex="0", role="region", aria_label="Phases"), more])


def ratio(phase: Place) -> Markup:
    """J per 1k output tokens of a phase that has them, or why there is no such figure."""
    shown = phase.value.get("display", {})
    if "joules_per_1k_output_tokens" not in shown:
        return figures.absent() if phase["tokens"]["output"].value else joined(["no tokens counted"])
    return figures.printed(phase["display"]["joules_per_1k_output_tokens"])


def remarks(card: Place) -> Markup | None:
    """Why it is not complete, and findings, one in a line."""
    told = [*card["incomplete_because"], *card["findings"]]
    if not told:
        return None
    lines = [tag("li", one.value) for one in told[:MOST]]
    return tag("details", tag("summary", "Remarks"), tag("ul", lines, style="margin:.3em 0"), style="margin-top:.6em")


def below(link: str | None) -> Markup:
    """Where the whole card is."""
    whole = None if link is None else [tag("a", "The whole card, judged by every rule", href=link, rel="noopener"), ". "]
    return tag("p", whole, "Each number is in this object under the path in its data-from.", style="margin:.6em 0 0;font-size:.85em")
