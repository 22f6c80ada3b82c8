"""What the validator says: the rules in the way of the next level, then all others, with measured value and limit; and how to check it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from joulemark.cards.figures import Place, number, value
from joulemark.cards.sections.layout import MOST, facts, table
from joulemark.markup import Markup, joined, tag

WORDS: Final = {
    "pass": ("\N{CHECK MARK} passed", "good"),
    "warn": ("! recorded", "doubt"),
    "fail": ("\N{MULTIPLICATION X} failed", "bad"),
    "cannot_tell": ("? cannot tell", "doubt"),
    "n/a": ("\N{EN DASH} does not apply", "soft"),
}
HARMLESS: Final = ("pass", "warn", "n/a")
COMMANDS: Final = (
    "joulemark validate BUNDLE          # every rule again, from the readings",
    "joulemark attach BUNDLE --verify   # every file against its hash",
    "joulemark compute --power BUNDLE/energy/readings/*.csv --benchmark BUNDLE",
    "sha256sum BUNDLE/energy/*.json     # against the hashes below",
)


def verdict(whole: Place) -> Markup:
    """Counts, contradictions, what stands in the way, and the rest."""
    validation = whole["validation"]
    column = "ES1" if validation["level"].value in ("INVALID", "ES0") else "ES2"
    contradicts = frozenset(validation["contradictions"].value)
    rules = list(validation["rules"])
    worst = [one for one in rules if one["id"].value in contradicts]
    stand = [one for one in rules if one not in worst and one[column]["verdict"].value not in HARMLESS]
    rest = [one for one in rules if one not in worst and one not in stand]
    parts: list[object] = [counts(whole["counts"], validation)]
    if worst:
        parts += [tag("h3", "The bundle contradicts itself"), listing(whole, worst, contradicting)]
    if stand:
        parts += [tag("h3", f"In the way of {column}, or not told"), listing(whole, stand, lambda _: column)]
    if len(validation["faults"]):
        parts += [tag("h3", "Files that could not be read"), facts((one.key, one.value) for one in validation["faults"])]
    others = tag("details", tag("summary", f"The other rules, in the column {column}"), listing(whole, rest, lambda _: column))
    return joined([*parts, others])


def contradicting(rule: Place) -> str:
    """The column in which a rule says that the bundle contradicts itself."""
    return next((column for column in ("ES1", "ES2") if rule[column]["contradiction"].value), "ES1")


def counts(found: Place, validation: Place) -> Markup:
    """How many rules came to what, in each column."""
    rows = [(column.key, *(number(column[name], str(column[name].value)) for name in WORDS)) for column in found]
    heads = ("column", *(word for word, _ in WORDS.values()))
    return table(
        f"Rules of edition {validation['edition'].value}; what cannot be told counts as failed for a level.",
        heads,
        rows,
        numbers=range(1, len(heads)),
    )


def listing(whole: Place, rules: Iterable[Place], column: Callable[[Place], str]) -> Markup:
    """Rules with their verdict, measured value, limit, reason and source."""
    rows = [row(rule, column(rule), text=whole["rules"].value.get(rule["id"].value, "")) for rule in rules]
    return table(None, ("rule", "verdict", "measured", "limit"), rows, look="rules")


def row(rule: Place, column: str, *, text: str) -> tuple[object, ...]:
    """One rule in one column."""
    outcome = rule[column]
    word, look = WORDS[outcome["verdict"].value]
    why = tag("div", outcome["detail"].value, class_="note") if outcome["detail"].value else None
    source = tag("div", outcome["source"].value, class_="note soft") if outcome["source"].value else None
    measured = None if outcome["measured"].value is None else tag("div", value(outcome["measured"]))
    name = joined([tag("strong", rule["id"].value), tag("div", text, class_="note soft")])
    return name, tag("span", word, class_=f"{look} line"), joined([measured, why, source]), outcome["limit"].value


def proof(card: Place) -> Markup:
    """The commands that check a bundle, and the hashes of its files."""
    made = ", ".join(f"{one.key} {one.value}" for one in card["produced_by"]) or "nobody who says so"
    said = f"BUNDLE is the folder or archive that holds energy/. Made by {made}; rule set {card['rule_set'].value or 'not named'}."
    lines = [(one.key, tag("code", one.value)) for one in list(card["hashes"])[:MOST]]
    hashes = tag("details", tag("summary", "SHA-256 of the files in energy/"), facts(lines))
    return joined([tag("pre", tag("code", [[line, Markup("\n")] for line in COMMANDS])), tag("p", said, class_="note soft"), hashes])
