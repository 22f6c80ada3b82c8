"""A quarter of a year in UTC, as trend reports name it: `2026Q4`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from joulemark import document
from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_ns

NAME: Final = re.compile(r"([0-9]{4})Q([1-4])")


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """`number` 1 to 4 of `year`."""

    year: int
    number: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """The quarter called `name`. Raises FormatError for what is none, and for a year before 1970 or after 2115."""
        found = NAME.fullmatch(name)
        if found is None or not 1970 <= int(found[1]) <= 2115:
            raise FormatError(f"{document.shown(name)} is no quarter", "write it as 2026Q4")
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        """As `parse` reads it."""
        return f"{self.year:04d}Q{self.number}"

    @property
    def begin_ns(self) -> int:
        """Its first moment."""
        return moment_ns(f"{self.year:04d}-{3 * self.number - 2:02d}-01", "begin of the quarter")

    @property
    def end_ns(self) -> int:
        """The first moment after it."""
        following = Quarter(self.year + self.number // 4, self.number % 4 + 1)
        return following.begin_ns
