"""The verdict rule by rule, as a page shows it: what stands in the way first, then what could not be told, and what passed folded away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joulemark.cards.figures import Place

WORDS: Final = {
    "pass": ("passed", "good"),
    "warn": ("recorded", "doubt"),
    "fail": ("failed", "bad"),
    "cannot_tell": ("cannot tell", "doubt"),
}
NONE: Final = ("does not apply", "soft")
LOOKS: Final = {"INVALID": "bad", "ES0": "soft", "ES1": "good", "ES2": "good"}
COLUMNS: Final = ("ES1", "ES2")
MOST_OPEN: Final = 12
"""Rules that cannot be told, one below the other; of more, their number."""


@dataclass(frozen=True, slots=True)
class Item:
    """A rule in the column that decides: `word` and `look` of its verdict; `found`: the outcome, in the document."""

    rule: str
    text: str
    word: str
    look: str
    found: Place


@dataclass(frozen=True, slots=True)
class Group:
    """Rules of one kind. `stand`: they are in the way of the level."""

    title: str
    items: tuple[Item, ...]
    stand: bool

    @property
    def folded(self) -> bool:
        """Whether a page shows only how many there are: nobody has to do anything about them, or it is a long list of what is missing."""
        told = all(one.found["verdict"].value == "cannot_tell" for one in self.items)
        return not self.stand or (told and len(self.items) > MOST_OPEN)


@dataclass(frozen=True, slots=True)
class Checklist:
    """`level`: as printed, `look`: its class; `column`: the level that `groups` are about; `contradictions`: ids of rules;
    `faults`: of files that could not be read; `hashes`: SHA-256 of the files, by path; `standing`: how many rules are in its way.
    """

    level: str
    look: str
    meaning: str
    edition: str
    column: str
    contradictions: tuple[str, ...]
    groups: tuple[Group, ...]
    faults: Mapping[str, str]
    hashes: Mapping[str, str]
    standing: int

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Checklist:
        """What a document of schema `joulemark.report/1` says: of the column ES1 until that is reached, then of ES2."""
        whole = Place(document)
        validation = whole["validation"]
        level = validation["level"].value
        column = COLUMNS[0] if level in ("INVALID", "ES0") else COLUMNS[1]
        contradictions = tuple(validation["contradictions"].value)
        every = [item(rule, column, document["rules"]) for rule in validation["rules"] if rule["id"].value not in contradictions]
        worst = [item(rule, against(rule), document["rules"]) for rule in validation["rules"] if rule["id"].value in contradictions]
        told = {word: tuple(one for one in every if one.found["verdict"].value == word) for word in (*WORDS, "n/a")}
        groups = (
            Group("The run contradicts itself", tuple(worst), stand=True),
            Group(f"Failed, in the way of {column}", told["fail"], stand=True),
            Group("Cannot be told, since evidence is missing: counts as failed", told["cannot_tell"], stand=True),
            Group("Recorded, in nobody's way", told["warn"], stand=False),
            Group("Passed", told["pass"], stand=False),
            Group("Do not apply to this run", told["n/a"], stand=False),
        )
        look = "soft" if validation["kit"].value and level != "INVALID" else LOOKS.get(level, "soft")
        return cls(
            validation["level_text"].value,
            look,
            document["meaning"],
            validation["edition"].value,
            column,
            contradictions,
            tuple(group for group in groups if group.items),
            validation["faults"].value,
            document["card"]["hashes"],
            len(validation["failing"][column].value),
        )


def against(rule: Place) -> str:
    """The column in which a rule says that the run contradicts itself."""
    return next((column for column in COLUMNS if rule[column]["contradiction"].value), COLUMNS[0])


def item(rule: Place, column: str, texts: Mapping[str, str]) -> Item:
    """One rule."""
    found = rule[column]
    word, look = WORDS.get(found["verdict"].value, NONE)
    return Item(rule["id"].value, texts.get(rule["id"].value, ""), word, look, found)
