"""Alignments that were handed in: each a folder with the files that a bundle has of it, as they came, so that their hashes hold.

Written by the REST process alone. A folder appears whole, by one rename, and is never changed afterwards.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from joulemark import document
from joulemark.calibration.alignment import Alignment, Record
from joulemark.cards.bundle import FOLDER
from joulemark.cards.evidence import Aligned
from joulemark.cards.opened import aligned_in
from joulemark.collector.catalog import Full
from joulemark.errors import FormatError

MAX_ALIGNMENTS: Final = 1000
LONGEST_ID: Final = 80
"""Of a meter: percent-encoded it is the name of a file."""
ID: Final = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,63}", re.ASCII)
RECORD: Final = "calibration.json"
NEXT: Final = "post what joulemark calibrate wrote"


class Alignments:
    """The alignments below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, files: Mapping[str, str]) -> Alignment:
        """Keep an alignment: `files` maps path below `energy/` to text. The same again changes nothing.

        Raises FormatError for what is no alignment with the readings that it was made from, and Full.
        """
        record = only(Record.from_json(document.json_object(files.get(RECORD, ""), where=RECORD)))
        require(record, files)
        final = self._folder / record.alignment_id
        if final.exists():
            if self.files(record.alignment_id) != dict(files):
                raise FormatError(f"another alignment has the id {record.alignment_id}", "give each a new id")
            return record
        if len(self._ids()) >= MAX_ALIGNMENTS:
            raise Full(f"{MAX_ALIGNMENTS} alignments are kept", "move old ones out of collector.data_dir")
        self._folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            for path, text in files.items():
                write(made / FOLDER / path, text)
            aligned(made, record)
            made.rename(final)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return record

    def _ids(self) -> list[str]:
        return [p.name for p in self._folder.iterdir() if ID.fullmatch(p.name)] if self._folder.is_dir() else []

    def records(self) -> list[Alignment]:
        """Every alignment, newest first. Raises FormatError for a damaged one."""
        found = [self.record(alignment_id) for alignment_id in self._ids()]
        return sorted((one for one in found if one is not None), key=lambda one: (-one.made_ns, one.alignment_id))

    def readable(self) -> tuple[list[Alignment], dict[str, str]]:
        """(Every alignment that can be read, newest first; id of each that cannot -> why)."""
        found, faults = [], {}
        for alignment_id in self._ids():
            try:
                if (one := self.record(alignment_id)) is not None:
                    found.append(one)
            except FormatError as error:
                faults[alignment_id] = error.what
        return sorted(found, key=lambda one: (-one.made_ns, one.alignment_id)), dict(sorted(faults.items()))

    def record(self, alignment_id: str) -> Alignment | None:
        """One alignment, None where there is none of that id. Raises FormatError."""
        path = self._folder / alignment_id / FOLDER / RECORD
        if not ID.fullmatch(alignment_id) or not path.is_file():
            return None
        return only(Record.from_json(document.load(path)))

    def text(self, alignment_id: str, path: str) -> str | None:
        """One file of an alignment as it was handed in, `path` below `energy/`; None where there is none."""
        top = self._folder / alignment_id / FOLDER
        file = top / path
        if self.record(alignment_id) is None or not file.resolve().is_relative_to(top.resolve()) or not file.is_file():
            return None
        return file.read_text(encoding="utf-8")

    def files(self, alignment_id: str) -> dict[str, str]:
        """The files of an alignment as they were handed in; empty where there is none of that id."""
        top = self._folder / alignment_id / FOLDER
        if self.record(alignment_id) is None:
            return {}
        return {p.relative_to(top).as_posix(): p.read_text(encoding="utf-8") for p in sorted(top.rglob("*")) if p.is_file()}

    def in_force(self, meter_ids: Collection[str], at_ns: int) -> tuple[Aligned, ...]:
        """For each meter the newest alignment made before `at_ns` that has not expired by then, with its readings. Raises FormatError."""
        newest: dict[str, Alignment] = {}
        for record in reversed(self.records()):
            if record.sensor in meter_ids and record.made_ns <= at_ns <= record.expires_ns:
                newest[record.sensor] = record
        return tuple(aligned(self._folder / record.alignment_id, record) for _, record in sorted(newest.items()))


def only(record: Record) -> Alignment:
    """The one alignment of a record. Raises FormatError."""
    if len(record.alignments) != 1:
        raise FormatError(f"{RECORD} holds {len(record.alignments)} alignments, not one", "post each by itself")
    return record.alignments[0]


def require(record: Alignment, files: Mapping[str, str]) -> None:
    """Raise FormatError unless `files` are those of `record`, by their paths and by their hashes."""
    for name, text in (("id", record.alignment_id), ("sensor", record.sensor), ("reference", record.reference)):
        if not 0 < len(text) <= LONGEST_ID or (name == "id" and not ID.fullmatch(text)):
            raise FormatError(f"the {name} {document.shown(text)} of the alignment is not one", NEXT)
    folder = f"calibration/{record.alignment_id}"
    readings = {f"{folder}/{quote(meter_id, safe='')}.csv" for meter_id in (record.sensor, record.reference)}
    wanted = {RECORD, "calibration/meters.json", *readings}
    if absent := sorted(wanted - set(files)):
        raise FormatError(f"the alignment lacks {absent[0]}", NEXT)
    if strange := sorted(set(files) - wanted - {f"{folder}/procedure.json"}):
        raise FormatError(f"{document.shown(strange[0])} is no file of an alignment", NEXT)
    for path in sorted(readings):
        if record.files.get(path) != hashlib.sha256(files[path].encode()).hexdigest():
            raise FormatError(f"{path} is not the file whose hash the alignment names", "align again; its readings were changed")


def aligned(folder: Path, record: Alignment) -> Aligned:
    """`record` with its readings, from its folder. Raises FormatError."""
    (found,) = aligned_in(folder, Record((record,)), lambda _, read: read())
    return found


def write(path: Path, text: str) -> None:
    """`text` in `path`, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.write(text.encode())
        out.flush()
        os.fsync(out.fileno())
