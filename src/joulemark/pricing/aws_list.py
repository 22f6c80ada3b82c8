"""Price lists of AWS as files: five lines about the list, a header, and up to a million rows, of which a few are wanted.

A list has 300 MB, so it is read in blocks, and only the lines in which a wanted word stands are taken apart. AWS quotes every value, so
`"p5.48xlarge"` with its quotes is that machine and nothing else.
Reference: AWS Billing user guide, "Reading the service price list file" (docs.aws.amazon.com/awsaccountbilling).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_ns

BLOCK_BYTES: Final = 1 << 20
LONGEST_LINE: Final = 1 << 16
HEADER_LINES: Final = 6
VERSION: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
STEP: Final = "AWS may have changed its lists; report it with the address"

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Head:
    """What a list says of itself: `version`, `published_at_ns`, and its `columns` in the spelling of `plain`."""

    version: str
    published_at_ns: int
    columns: tuple[str, ...]


def plain(name: str) -> str:
    """The name of a column or an attribute in one spelling: `Pre Installed S/W` and `preInstalledSw` are the same."""
    return "".join(char for char in name.lower() if char.isalnum())


def version_ns(version: str) -> int:
    """When a list was published: its version is that second, UTC. Raises FormatError for what is no version."""
    found = VERSION.fullmatch(version)
    if not found:
        raise FormatError(f"{version[:40]!r} is not the version of a list, which is the second of its publication", STEP)
    return moment_ns("{}-{}-{}T{}:{}:{}Z".format(*found.groups()), f"version {version}")


def head(path: Path, *, where: str, needed: Iterable[str]) -> Head:
    """What stands above the rows of the list in `path`. Raises FormatError, naming `where`, without a version or a `needed` column."""
    with foreign.opened(path) as file:
        lines = [file.readline(LONGEST_LINE) for _ in range(HEADER_LINES)]
    *about, columns = [values(line, where) for line in lines]
    said = {plain(line[0]): line[1] for line in about if len(line) == 2}
    names = tuple(plain(name) for name in columns)
    if missing := sorted(set(needed) - set(names)):
        raise FormatError(f"{where} is no price list: no column {', '.join(missing)} in its line {HEADER_LINES}", STEP)
    version = said.get("version", "")
    return Head(version, version_ns(version), names)


def rows(path: Path, columns: tuple[str, ...], words: Iterable[str], *, where: str) -> Iterator[tuple[str, Row]]:
    """Place and values of the rows in which one of `words` stands; one that is no CSV, or of another length than the header, is empty.

    Raises FormatError, naming `where`, for a line that does not end.
    """
    with foreign.opened(path) as file:
        for place, line in lines_with(file, [word.encode() for word in words], where=where):
            try:
                found = values(line, where)
            except FormatError:
                found = []
            yield f"byte {place}", dict(zip(columns, found, strict=True)) if len(found) == len(columns) else {}


def values(line: bytes, where: str) -> list[str]:
    """The values of one line. Raises FormatError for what is no line of CSV."""
    try:
        return next(csv.reader([line.decode("utf-8").rstrip("\r\n")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{where} is not valid CSV: {error}", "it may be damaged; it is read again at the next interval") from error


def lines_with(file: BufferedReader, words: list[bytes], *, where: str) -> Iterator[tuple[int, bytes]]:
    """Place and bytes of each line of `file` in which one of `words` stands, in their order."""
    rest, place = b"", 0
    while block := file.read(BLOCK_BYTES):
        block = rest + block
        end = block.rfind(b"\n") + 1
        if not end and len(block) > LONGEST_LINE:
            raise FormatError(f"{where} has a line of more than {LONGEST_LINE} bytes", STEP)
        yield from ((place + start, block[start:stop]) for start, stop in spans(block, words, end))
        rest, place = block[end:], place + end
    if any(word in rest for word in words):
        yield place, rest


def spans(block: bytes, words: list[bytes], end: int) -> list[tuple[int, int]]:
    """Begin and end of the lines before `end` in which one of `words` stands."""
    found: set[tuple[int, int]] = set()
    for word in words:
        at = block.find(word, 0, end)
        while at >= 0:
            start, stop = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at) + 1
            found.add((start, stop))
            at = block.find(word, stop, end)
    return sorted(found)
