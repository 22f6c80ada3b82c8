"""Energy per token and per request, and the score of repeated runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.energy.uncertainty import u_rep, u_tokens
from joulemark.errors import InsufficientData
from joulemark.units import J_PER_WH

MEDIAN_FACTOR: Final = {3: 1.16, 4: 1.09}
OLYMPIC_FACTOR: Final = 1.07
"""Standard deviation of the median (of 3, of 4) and of the Olympic mean, over that of the mean (Energy Standard v1, u_rep)."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Energy per unit of work in J, with its relative standard uncertainty."""

    value_j: float
    u_rel: float

    @property
    def u_j(self) -> float:
        """Standard uncertainty."""
        return self.u_rel * abs(self.value_j)

    @property
    def u95_j(self) -> float:
        """Expanded uncertainty at k = 2."""
        return 2.0 * self.u_j

    @property
    def value_wh(self) -> float:
        """The same in watt hours."""
        return self.value_j / J_PER_WH


def joules_per(energy_j: float, count: float, *, per: float = 1.0, u_energy_j: float = 0.0, u_count: float = 0.0) -> Ratio | None:
    """Energy per `per` pieces of work, (u_e/e)^2 = (u_E/E)^2 + (u_T/T)^2; None where nothing was done.

    Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError(f"a count of {count} cannot be divided by")
    if count == 0:
        return None
    u_rel = math.hypot(u_energy_j / energy_j if energy_j else 0.0, u_count / count)
    return Ratio(per * energy_j / count, u_rel)


def joules_per_1k(energy_j: float, tokens: float | None, *, u_energy_j: float = 0.0, disagreement: float = 0.0) -> Ratio | None:
    """Energy per 1000 tokens; None where the count is unknown or 0. `disagreement`: largest difference of two counts."""
    if tokens is None:
        return None
    return joules_per(energy_j, tokens, per=1000.0, u_energy_j=u_energy_j, u_count=u_tokens(disagreement))


@dataclass(frozen=True, slots=True)
class Score:
    """What repeated runs come to: `value` by `method` (`median` or `olympic`), in the unit of the values.

    `u_rep` is the standard uncertainty of the score from repeating; `cv` the standard deviation over the mean.
    """

    value: float
    method: str
    mean: float
    sd: float
    u_rep: float
    count: int

    @property
    def cv(self) -> float:
        """Coefficient of variation."""
        return self.sd / self.mean


def score(values: Sequence[float]) -> Score:
    """Median of 3 or 4 repetitions, Olympic mean (without the highest and the lowest) of 5 and more (REP-2).

    Raises InsufficientData for fewer than three: two runs have no score.
    """
    n = len(values)
    if n < 3:
        raise InsufficientData(f"{n} repetitions carry no score", "repeat the measured phase at least three times")
    sd, mean = statistics.stdev(values), statistics.fmean(values)
    if n in MEDIAN_FACTOR:
        return Score(statistics.median(values), "median", mean, sd, u_rep(sd, count=n, factor=MEDIAN_FACTOR[n]), n)
    kept = sorted(values)[1:-1]
    return Score(statistics.fmean(kept), "olympic", mean, sd, u_rep(sd, count=n, factor=OLYMPIC_FACTOR), n)
