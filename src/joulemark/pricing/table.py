"""Tables: the rows of a CSV text with a header, by the names of their columns, whatever their order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from joulemark.errors import FormatError

LONGEST_HEADER: Final = 4096
"""Characters of a text in which its first line must end to be taken for a header."""


def header(text: str) -> frozenset[str]:
    """The columns that the first line of `text` names; empty where that line is no header."""
    line, end, _ = text[:LONGEST_HEADER].lstrip("\ufeff").partition("\n")
    if not end and len(text) > LONGEST_HEADER:
        return frozenset()
    try:
        return frozenset(name.strip() for row in csv.reader([line.strip()], strict=True) for name in row)
    except csv.Error:
        return frozenset()


def rows(text: str, *, name: str, needed: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Pointer (`row 2` is the first below the header) and values of each row; a row of another length is empty, so that it is refused.

    Raises FormatError, naming `name`, where `text` is no CSV or lacks a column of `needed`.
    """
    if missing := sorted(set(needed) - header(text)):
        raise FormatError(f"{name} has no column {', '.join(missing)}", "check that it is the file it is named after")
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    try:
        columns = [column.strip() for column in next(reader)]
        for number, values in enumerate(reader, 2):
            if values:
                whole = len(values) == len(columns)
                yield f"row {number}", dict(zip(columns, map(str.strip, values), strict=True)) if whole else {}
    except csv.Error as error:
        raise FormatError(f"{name} is not valid CSV: {error}", "copy the file again; it may be cut off or damaged") from error


def filled(row: dict[str, str], column: str) -> str:
    """The value of a row that must have one. Raises FormatError for an empty one and for a row of another length than the header."""
    if not row:
        raise FormatError("the row has not as many values as the header", "copy the file again")
    if value := row.get(column, ""):
        return value
    raise FormatError(f"{column} is empty", "fill it in, or leave the row out")
