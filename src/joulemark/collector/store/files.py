"""The files of readings in a data folder: readings.db of the first ingest process, readings-1.db of the second, and so on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

NUMBERED: Final = re.compile(r"readings-([1-9][0-9]*)\.db")


def path_of(folder: Path, number: int) -> Path:
    """The file of ingest process `number`; the first, 0, has the name that a collector of one process gives it."""
    return folder / (f"readings-{number}.db" if number else "readings.db")


def numbers(folder: Path) -> list[int]:
    """Which files are there, also those of processes that are no more; 0 is always among them."""
    found = (NUMBERED.fullmatch(path.name) for path in folder.iterdir())
    return [0, *sorted(int(match[1]) for match in found if match)]


def number_of(path: Path) -> int:
    """Which ingest process writes the file; 0 for any other name."""
    match = NUMBERED.fullmatch(path.name)
    return int(match[1]) if match else 0
