"""A snapshot: the board as it stood at the end of a day, in files that never change and are the same bytes whenever they are made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from joulemark import document, foreign
from joulemark.board import croissant, feed, table
from joulemark.board.classes import Board, as_of
from joulemark.board.entry import BOARD, Entry
from joulemark.board.site import Site
from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_ns
from joulemark.units import NS_PER_S

SNAPSHOT_SCHEMA: Final = "joulemark.board-snapshot/1"
INDEX: Final = "snapshot.json"
RANKS: Final = "board.json"
DAY_NS: Final = 86_400 * NS_PER_S
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LARGEST_BYTES: Final = 2**30
MEDIA_TYPES: Final = {
    table.NAME: table.MEDIA_TYPE,
    feed.NAME: feed.MEDIA_TYPE,
    RANKS: "application/json",
    croissant.NAME: croissant.MEDIA_TYPE,
    INDEX: "application/json",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`files`: name -> bytes, the index `snapshot.json` among them, which has the SHA-256 of all the others."""

    date: str
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, entries: Iterable[Entry], date: str, site: Site) -> Self:
        """The snapshot of the day `date` (UTC), of entries in any order; what came or was withdrawn later is not in it.

        The day has to be over: before that it would not be the last word. Raises FormatError for what is no date.
        """
        listed = feed.newest_first(as_of(entries, end_ns(date) - 1))
        files = {
            table.NAME: table.written(listed),
            feed.NAME: encoded(feed.page(listed, site, address=site.snapshot(date, feed.NAME))),
            RANKS: encoded(Board.of(listed).to_json()),
        }
        told = {name: files[name] for name in croissant.FORMATS}
        files[croissant.NAME] = encoded(croissant.described(told, site, date=date, addresses={name: name for name in told}))
        index = {
            "schema": SNAPSHOT_SCHEMA,
            "board": BOARD,
            "date": date,
            "entries": len(listed),
            "files": [
                {
                    "name": name,
                    "media_type": MEDIA_TYPES[name],
                    "size_bytes": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(),
                }
                for name, data in sorted(files.items())
            ],
        }
        return cls(date, {**files, INDEX: encoded(index)})

    @property
    def sha256(self) -> str:
        """Of the index, and so of everything: one hash to cite the snapshot by."""
        return hashlib.sha256(self.files[INDEX]).hexdigest()

    def write(self, folder: Path) -> None:
        """Write the files into `folder`. Raises FormatError where another snapshot stands there; the same one is left as it is."""
        folder.mkdir(parents=True, exist_ok=True)
        there = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in self.files}
        if changed := [name for name, data in there.items() if data != self.files[name]]:
            raise FormatError(f"{folder / changed[0]} is another snapshot of {self.date}", "snapshots never change; write it elsewhere")
        for name in sorted(set(self.files) - set(there), key=lambda name: name == INDEX):  # the index last: it says that all are there
            (folder / name).write_bytes(self.files[name])


def faults(folder: Path) -> list[str]:
    """What is wrong with the snapshot in `folder`, by file; empty when each file has the hash in the index.

    Raises FormatError where there is no index that can be read.
    """
    index = document.load(folder / INDEX)
    if index.get("schema") != SNAPSHOT_SCHEMA or not isinstance(listed := index.get("files"), list):
        raise FormatError(f"{folder / INDEX} is no index of a snapshot", document.COMPARE)
    found = []
    for one in listed:
        name = one.get("name") if isinstance(one, dict) else None
        if name not in MEDIA_TYPES or name == INDEX:
            found.append(f"{document.shown(name)}: no file of a snapshot")
        elif not (folder / name).is_file():
            found.append(f"{name}: missing")
        elif hashlib.sha256(foreign.content(folder / name, max_bytes=LARGEST_BYTES)).hexdigest() != one.get("sha256"):
            found.append(f"{name}: not the bytes that the index names")
    names = [one.get("name") for one in listed if isinstance(one, dict)]
    return found + [f"{name}: not in the index" for name in MEDIA_TYPES if name not in (*names, INDEX)]


def end_ns(date: str) -> int:
    """The midnight after the day `date`, UTC nanoseconds. Raises FormatError for what is no date."""
    if not DATE.fullmatch(date):
        raise FormatError(f"{document.shown(date)} is no date", "write it as 2026-12-31")
    return moment_ns(date, "date of the snapshot") + DAY_NS


def encoded(data: Any) -> bytes:
    """`data` as JSON for people and machines: UTF-8, keys in the order in which they were written."""
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
