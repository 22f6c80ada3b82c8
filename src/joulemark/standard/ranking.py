"""Ranks of a table: entries that cannot be told apart within their uncertainties share one (Energy Standard v1, UNC-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

RANKS_SCHEMA: Final = "joulemark.ranks/1"
"""A table that is published with its bundles, `ranks.json` beside `energy`.

`entries[]`: each with `id`, `value`, `u95`, `unit` and `rank`; less is better.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A figure of a table with its expanded uncertainty, in one unit."""

    value: float
    u95: float


def ranks(entries: Sequence[Entry]) -> list[int]:
    """The rank of each entry: 1 + the number of entries of the same table that it is larger than by more than the uncertainty of their
    difference.

    All entries have to be of one scope and one comparability key. A rank may be left out, and neighbours that differ by less than their
    uncertainty may still have different ranks when only one of them is worse than a third.
    """
    values, u95s = np.array([one.value for one in entries]), np.array([one.u95 for one in entries])
    with np.errstate(over="ignore", invalid="ignore"):  # a hostile table may claim any number
        return [1 + int(np.count_nonzero(one.value - values > np.hypot(one.u95, u95s))) for one in entries]
