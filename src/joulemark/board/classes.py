"""Who is compared with whom: ranks stand inside one comparability class, and nowhere else (TOK-7, UNC-4)."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from joulemark.board.entry import BOARD, PUBLISHED, WITHDRAWN, Entry
from joulemark.standard import ranking
from joulemark.standard.comparability import Key

BOARD_SCHEMA: Final = "joulemark.board/1"
INFORMATIVE: Final = "ES0"
UNIT: Final = "J per 1k output tokens"


@dataclass(frozen=True, slots=True)
class Place:
    """An entry with its rank in its class."""

    entry: Entry
    rank: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparability class: the entries of one key, scope and level, best first. Entries that cannot be told apart share a rank."""

    class_id: str
    key: Key
    places: tuple[Place, ...]

    @property
    def load(self) -> str:
        """What was asked of the machine, so far as the key tells: `640 in, 480 out, 64 at once`."""
        at_once = None if self.key.concurrency is None else f"{self.key.concurrency} at once"
        rate = None if self.key.request_rate_per_s is None else f"{self.key.request_rate_per_s:g} per s"
        taken = None if self.key.input_length is None else f"{self.key.input_length:g} in"
        given = None if self.key.output_length is None else f"{self.key.output_length:g} out"
        return ", ".join(part for part in (taken, given, at_once, rate) if part)


@dataclass(frozen=True, slots=True)
class Board:
    """Every entry in exactly one list. `informative`: ES0. `incomparable`: what lacks a part of the key, or the figure that is ranked.

    Only `classes` have ranks. Lists are in the order of publication, newest first.
    """

    classes: tuple[Comparison, ...]
    informative: tuple[Entry, ...]
    incomparable: tuple[Entry, ...]
    simulated: tuple[Entry, ...]
    withdrawn: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """The board of `entries`, whatever their order."""
        lists: dict[str, list[Entry]] = defaultdict(list)
        classes: dict[str, list[Entry]] = defaultdict(list)
        for entry in sorted(entries, key=lambda one: (-one.published_ns, one.entry_id)):
            if (where := list_of(entry)) is None:
                classes[str(entry.class_id)].append(entry)
            else:
                lists[where].append(entry)
        return cls(
            tuple(compared(class_id, classes[class_id]) for class_id in sorted(classes)),
            **{name: tuple(lists[name]) for name in ("informative", "incomparable", "simulated", "withdrawn")},
        )

    @property
    def places(self) -> dict[str, tuple[Place, Comparison]]:
        """Id of each entry with a rank -> its place, and the class that it is in."""
        return {place.entry.entry_id: (place, one) for one in self.classes for place in one.places}

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.board/1`."""
        return {
            "schema": BOARD_SCHEMA,
            "board": BOARD,
            "unit": UNIT,
            "classes": [
                {
                    "class_id": one.class_id,
                    "key": {name: value for name, value in dataclasses.asdict(one.key).items() if value not in (None, "")},
                    "entries": [{"rank": place.rank, **row(place.entry)} for place in one.places],
                }
                for one in self.classes
            ],
            "informative": [row(entry) for entry in self.informative],
            "not_comparable": [{**row(entry), "missing": list(missing(entry))} for entry in self.incomparable],
            "simulated": [row(entry) for entry in self.simulated],
            "withdrawn": [{**row(entry), "withdrawn_reason": entry.withdrawn_reason} for entry in self.withdrawn],
        }


def list_of(entry: Entry) -> str | None:
    """The list that an entry stands in without rank; None where it is ranked in its class."""
    if entry.status == WITHDRAWN:
        return "withdrawn"
    if entry.simulated:
        return "simulated"
    if entry.level == INFORMATIVE:
        return "informative"
    return "incomparable" if missing(entry) else None


def missing(entry: Entry) -> tuple[str, ...]:
    """What an entry lacks for a comparison: parts of the key, and the figure with its uncertainty."""
    needed = ("joules_per_1k_output_tokens", "u95_j_per_1k_output_tokens")
    return (*entry.key.missing, *(name for name in needed if getattr(entry.figures, name) is None))


def compared(class_id: str, entries: list[Entry]) -> Comparison:
    """The class of `entries`, which share a key and have a figure; those with the same figure stay in their order."""
    values = [
        ranking.Entry(entry.figures.joules_per_1k_output_tokens or 0.0, entry.figures.u95_j_per_1k_output_tokens or 0.0)
        for entry in entries
    ]
    ranked = zip(ranking.ranks(values), values, entries, strict=True)
    order = sorted(ranked, key=lambda one: (one[0], one[1].value))
    return Comparison(class_id, entries[0].key, tuple(Place(entry, rank) for rank, _, entry in order))


def as_of(entries: Iterable[Entry], at_ns: int) -> list[Entry]:
    """The entries as they stood at `at_ns`: those published until then, and not yet withdrawn where that came later."""
    return [
        entry
        if entry.modified_ns <= at_ns
        else dataclasses.replace(entry, status=PUBLISHED, withdrawn_reason="", modified_ns=entry.published_ns)
        for entry in entries
        if entry.published_ns <= at_ns
    ]


def row(entry: Entry) -> dict[str, Any]:
    """An entry in a list: who, what, and the figure that is compared, null where it is not known."""
    return {
        "entry_id": entry.entry_id,
        "title": entry.title,
        "submitter": entry.submitter,
        "level": entry.level,
        "scope": entry.scope,
        "joules_per_1k_output_tokens": entry.figures.joules_per_1k_output_tokens,
        "u95_j_per_1k_output_tokens": entry.figures.u95_j_per_1k_output_tokens,
        "published_ns": entry.published_ns,
    }
