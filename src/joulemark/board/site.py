"""Where a board stands: its public address, and the addresses of what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from joulemark.board.entry import ADDRESS, Entry
from joulemark.errors import FormatError

PLACE: Final = "/v1/board"


@dataclass(frozen=True, slots=True)
class Site:
    """`base`: public address of the collector, without path of the board. `license_url`: of what is published here, empty where the
    operator names none. Raises FormatError for an address that is no plain http or https one.
    """

    base: str
    title: str = "Energy board"
    license_url: str = ""

    def __post_init__(self) -> None:
        if not ADDRESS.fullmatch(self.base):
            raise FormatError(f"{self.base!r} is no address of a board", "write for example https://board.example.org")

    @property
    def home(self) -> str:
        """The board."""
        return f"{self.base.rstrip('/')}{PLACE}"

    def file(self, name: str) -> str:
        """Address of a file of the board: `feed.json`, `energy.csv`, `croissant.json`."""
        return f"{self.home}/{name}"

    def entry(self, entry: Entry) -> str:
        """Address of one entry; `/card` and `/bundle` follow it."""
        return f"{self.home}/entries/{entry.entry_id.rpartition(':')[2]}"

    def snapshot(self, date: str, name: str) -> str:
        """Address of a file in the snapshot of `date`."""
        return f"{self.home}/snapshots/{date}/{name}"
