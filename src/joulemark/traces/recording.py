"""One recorded power log: its text, where it lies, and in which zone its bare times are."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Final, Self

from joulemark import foreign
from joulemark.errors import FormatError
from joulemark.readings import Accuracy, Boundary

MAX_LINE: Final = 1 << 24
MAX_COLUMNS: Final = 4096
"""Of a row: a rack of a hundred GPUs with every column of nvidia-smi has fewer."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a reader gets. `accuracy` and `boundary` are what the user says of a meter whose file does not."""

    path: Path
    text: str
    tz: tzinfo | None = None
    accuracy: Accuracy | None = None
    boundary: Boundary | None = None

    @classmethod
    def load(cls, path: Path, *, tz: tzinfo | None, accuracy: Accuracy | None, boundary: Boundary | None) -> Self:
        """The recording at `path`. Raises FormatError when it cannot be read."""
        return cls(path, foreign.text(path), tz, accuracy, boundary)

    @property
    def head(self) -> str:
        """First line that is not blank, by which its reader is chosen."""
        return next((line for _, line in self.lines()), "")

    def meter_id(self, kind: str, channel: str, *, host: str = "file", serial: str = "") -> str:
        """Id of a channel of this file: where the file names no device, its name and the hash of its text stand in."""
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        parts = (kind, host, serial or f"{self.path.name}-{digest}", channel)
        return ":".join(part.replace(":", "_") for part in parts)

    def lines(self) -> Iterator[tuple[str, str]]:
        """(`path:number`, line) of each line that is not blank.

        A last line without its newline is left out when it has fewer commas than the line above: the recorder was stopped
        in the middle of a row, and half a number is a wrong number. Raises FormatError for a line longer than MAX_LINE.
        """
        last = self.text.rfind("\n") + 1
        above = self.text.rfind("\n", 0, max(0, last - 1)) + 1
        torn = last > 0 and self.text.count(",", last) < self.text.count(",", above, last)
        number, at, end = 0, 0, last - 1 if torn else len(self.text)
        while at <= end:
            number, begin, newline = number + 1, at, self.text.find("\n", at, end)
            at = end + 1 if newline < 0 else newline + 1
            line = self.text[begin : at - 1].strip("\r \t\0")
            if len(line) > MAX_LINE:
                raise FormatError(f"{self.path}:{number}: a line of {len(line)} characters", "check that it is a power log")
            if line:
                yield f"{self.path}:{number}", line


def header(line: str, *, where: str, delimiter: str = ",") -> list[str]:
    """The stripped names of the columns. Raises FormatError, naming `where`, for a name that stands twice and for too many columns."""
    names = [name.strip() for name in line.split(delimiter)]
    if len(names) > MAX_COLUMNS:
        raise FormatError(f"{where}: {len(names)} columns, at most {MAX_COLUMNS} are read", "record fewer columns in one file")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(f"{where}: the column {twice[:40]!r} stands twice", "record each column once")
    return names


def fields(line: str, count: int, *, where: str, delimiter: str = ",") -> list[str]:
    """The `count` stripped fields of a CSV row. Raises FormatError, naming `where`, for a row that has not that many."""
    try:
        found = [field.strip() for field in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))]
    except csv.Error as error:
        raise FormatError(f"{where}: not a CSV row: {error}", "check that row of the file") from error
    if len(found) != count:
        raise FormatError(f"{where}: {len(found)} columns, the header has {count}", "check that row of the file")
    return found
