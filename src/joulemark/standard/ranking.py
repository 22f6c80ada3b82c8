"""Ranks of a table: entries that cannot be told apart within their uncertainties share one (Energy Standard v1, UNC-4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RANKS_SCHEMA: Final = "joulemark.ranks/1"
"""A table that is published with its bundles, `ranks.json` beside `energy`.

`entries[]`: each with `id`, `value`, `u95`, `unit` and `rank`; less is better.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A figure of a table with its expanded uncertainty, in one unit."""

    value: float
    u95: float

    def worse_than(self, other: Entry) -> bool:
        """Whether it is larger than `other` by more than the uncertainty of their difference."""
        return self.value - other.value > math.hypot(self.u95, other.u95)


def ranks(entries: Sequence[Entry]) -> list[int]:
    """The rank of each entry: 1 + the number of entries of the same table that it is worse than.

    All entries have to be of one scope and one comparability key. A rank may be left out, and neighbours that differ by less than their
    uncertainty may still have different ranks when only one of them is worse than a third.
    """
    return [1 + sum(one.worse_than(other) for other in entries) for one in entries]
