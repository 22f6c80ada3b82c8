"""The shelf: what the board answers, as bytes that were made when the board last changed, so that reading it costs next to nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import cached_property
from typing import Any, Final, Self

from joulemark.board import croissant, feed, table
from joulemark.board.classes import Board, Comparison, Place
from joulemark.board.entry import Entry
from joulemark.board.site import Site
from joulemark.pricing.dates import moment_text
from joulemark.units import NS_PER_S

PAGE_SCHEMA: Final = "joulemark.board-page/1"
ENTRIES_SCHEMA: Final = "joulemark.board-entries/1"
PER_PAGE: Final = 100
MOST_KEPT: Final = 256
"""Answers to filtered questions, and entries, that are kept until the board changes."""

JSON: Final = "application/json"
PLAIN_LISTS: Final = ("informative", "incomparable", "simulated", "withdrawn")


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes with what a cache needs to know of them. `modified_ns`: of the newest change that is in them, None before the first;
    `last_modified`: the same as HTTP writes it.
    """

    body: bytes
    media_type: str
    modified_ns: int | None = None
    etag: str = ""
    last_modified: str | None = None

    @classmethod
    def of(cls, body: bytes, media_type: str, modified_ns: int | None) -> Self:
        """The answer with the tag that follows from its bytes."""
        last_modified = None if modified_ns is None else formatdate(modified_ns // NS_PER_S, usegmt=True)
        return cls(body, media_type, modified_ns, f'"{hashlib.sha256(body).hexdigest()[:32]}"', last_modified)


@dataclass(frozen=True, slots=True)
class Row:
    """An entry where it stands: in one of the lists, or with its rank in its class."""

    entry: Entry
    where: str
    place: Place | None = None
    comparison: Comparison | None = None

    def fits(self, *, class_id: str | None, level: str | None, model: str | None) -> bool:
        """Whether it is of a class (or of one whose id begins so), a level and a model."""
        return (
            (class_id is None or (self.entry.class_id or "").startswith(class_id))
            and level in (None, self.entry.level)
            and model in (None, self.entry.labels.get("model"))
        )


@dataclass(frozen=True)
class Shelf:
    """`entries` by the last part of their id; `rows` in the order of the list; pages of the list and of the feed; `files` by name.

    `kept`: answers to filtered questions; `singles`: entries that were asked for; `drawn`: what the pages for people made of it. All three
    end with the shelf.
    """

    site: Site
    entries: Mapping[str, Entry] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    pages: Sequence[Answer] = ()
    feed: Sequence[Answer] = ()
    files: Mapping[str, Answer] = field(default_factory=dict)
    items: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    modified_ns: int | None = None
    kept: dict[tuple[Any, ...], Answer | None] = field(default_factory=dict)
    singles: dict[str, Answer] = field(default_factory=dict)
    drawn: dict[tuple[Any, ...], Answer] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Sequence[Entry], site: Site, before: Shelf | None = None) -> Self:
        """The shelf of all entries; what has not changed since the one `before` is taken over from it."""
        modified_ns = max((entry.modified_ns for entry in entries), default=None)
        rows = tuple(flat(Board.of(entries)))
        known = before.items if before is not None and before.site == site else {}
        items = {entry.entry_id: item_of(entry, site, known) for entry in entries}
        made = cls(
            site,
            {entry.entry_id.rpartition(":")[2]: entry for entry in entries},
            rows,
            items=items,
            feed=fed(feed.newest_first(entries), site, items, modified_ns),
            files=files_of(entries, site, modified_ns),
            modified_ns=modified_ns,
        )
        return replace(made, pages=[made.page(rows, number) for number in range(1, count(rows) + 1)])

    @cached_property
    def models(self) -> list[str]:
        """The names of models that its entries have, sorted."""
        return sorted({entry.labels.get("model", "") for entry in self.entries.values()} - {""})

    def listed(self, number: int, *, class_id: str | None = None, level: str | None = None, model: str | None = None) -> Answer | None:
        """Page `number`, from 1, of the entries that fit; None beyond the last."""
        if class_id is level is model is None:
            return self.pages[number - 1] if number <= len(self.pages) else None
        asked = (number, class_id, level, model)
        if asked not in self.kept:
            rows = [row for row in self.rows if row.fits(class_id=class_id, level=level, model=model)]
            if len(self.kept) >= MOST_KEPT:
                self.kept.clear()
            named = {"class": class_id, "level": level, "model": model}
            self.kept[asked] = self.page(rows, number, **named) if number <= count(rows) else None
        return self.kept[asked]

    def whole(self, number: int) -> Answer | None:
        """Page `number` of all entries with everything that is stored of them, in the order of their ids; None beyond the last."""
        asked = ("whole", number)
        if asked not in self.kept and number <= count(self.rows):
            chosen = list(self.entries.values())[(number - 1) * PER_PAGE : number * PER_PAGE]
            told = {"schema": ENTRIES_SCHEMA, "page": number, "pages": count(self.rows), "entries": [one.to_json() for one in chosen]}
            self.kept[asked] = Answer.of(encoded(told), JSON, self.modified_ns)
        return self.kept.get(asked)

    def told(self, entry: Entry) -> Answer:
        """One of `entries` with everything that is stored of it."""
        if (made := self.singles.get(entry.entry_id)) is None:
            if len(self.singles) >= MOST_KEPT:
                self.singles.clear()
            made = self.singles[entry.entry_id] = Answer.of(encoded(entry.to_json()), JSON, entry.modified_ns)
        return made

    def page(self, rows: Sequence[Row], number: int, **named: str | None) -> Answer:
        """One page of `rows`."""
        shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
        told = {
            "schema": PAGE_SCHEMA,
            "page": number,
            "pages": count(rows),
            "total": len(rows),
            "asked": {name: value for name, value in named.items() if value is not None},
            "board": regrouped(shown).to_json(),
        }
        return Answer.of(encoded(told), JSON, self.modified_ns)


def count(rows: Sequence[Any]) -> int:
    """Pages of so many rows; an empty board has one."""
    return max(1, -(-len(rows) // PER_PAGE))


def flat(board: Board) -> Iterable[Row]:
    """Every entry of a board in the order of its list: classes first."""
    for one in board.classes:
        for place in one.places:
            yield Row(place.entry, "classes", place, one)
    for name in PLAIN_LISTS:
        for entry in getattr(board, name):
            yield Row(entry, name)


def regrouped(rows: Sequence[Row]) -> Board:
    """The part of a board that `rows` are, each with the rank that it has in its whole class."""
    classes: dict[str, tuple[Comparison, list[Place]]] = {}
    for row in rows:
        if row.place is not None and row.comparison is not None:
            classes.setdefault(row.comparison.class_id, (row.comparison, []))[1].append(row.place)
    parts = tuple(replace(one, places=tuple(places)) for one, places in classes.values())
    return Board(parts, **{name: tuple(row.entry for row in rows if row.where == name) for name in PLAIN_LISTS})


def item_of(entry: Entry, site: Site, known: Mapping[str, tuple[int, bytes]]) -> tuple[int, bytes]:
    """The item of an entry as bytes, with the time of its last change."""
    if (before := known.get(entry.entry_id)) is not None and before[0] == entry.modified_ns:
        return before
    return entry.modified_ns, encoded(feed.item(entry, site))


def fed(entries: Sequence[Entry], site: Site, items: Mapping[str, tuple[int, bytes]], modified_ns: int | None) -> list[Answer]:
    """The pages of the feed, each with the address of the next."""
    pages, first = count(entries), site.file(feed.NAME)
    made = []
    for number in range(1, pages + 1):
        address = first if number == 1 else f"{first}?page={number}"
        following = f"{first}?page={number + 1}" if number < pages else None
        head = encoded(feed.page([], site, address=address, next_url=following))
        shown = entries[(number - 1) * PER_PAGE : number * PER_PAGE]
        body = head.removesuffix(b"[]}") + b"[" + b",".join(items[entry.entry_id][1] for entry in shown) + b"]}"
        made.append(Answer.of(body, feed.MEDIA_TYPE, modified_ns))
    return made


def files_of(entries: Sequence[Entry], site: Site, modified_ns: int | None) -> dict[str, Answer]:
    """The table, and its description as a data set."""
    rows = table.written(entries)
    date = moment_text(modified_ns or 0)[: len("2026-12-31")]
    told = croissant.described({table.NAME: rows}, site, date=date, addresses={table.NAME: site.file(table.NAME)}, live=True)
    return {
        table.NAME: Answer.of(rows, table.MEDIA_TYPE, modified_ns),
        croissant.NAME: Answer.of(encoded(told), croissant.MEDIA_TYPE, modified_ns),
    }


def encoded(data: Any) -> bytes:
    """`data` as JSON in UTF-8."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
