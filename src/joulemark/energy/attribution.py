"""Attribution: the energy of a window shared out among all that was in flight, so that the parts come to the whole.

The window is cut at every edge of a claim. Inside such an interval nothing begins or ends, and its energy belongs to the claims that are
active there, in proportion to their weights; where none is active it is idle, where the readings have a gap it is not attributed. Every
joule has one place, and no claim is asked for more than once. How the weights come about is an assumption: from outside nobody can tell
which of two requests that share a device took how much of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from joulemark.energy.series import Float64, Int64

Bool = NDArray[np.bool_]
Energies = Callable[[Int64], Float64]
"""Energy in J from any zero until each of the times, float64[len(times)]."""

UNITS: Final = 2.0**60
"""What all weights together are rounded to, so that they are added up as integers, without an error: the smallest counts as 1."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Stretches of work that take part in the energy while they last.

    `begin_ns`, `end_ns`: int64[n]. `weight`: float64[n], at least 0, in any unit; NaN where it is not known: while such a claim is
    active all active ones count the same.
    """

    begin_ns: Int64
    end_ns: Int64
    weight: Float64

    def __post_init__(self) -> None:
        if not len(self.begin_ns) == len(self.end_ns) == len(self.weight):
            raise ValueError("columns of the claims differ in length")
        if bool(np.any(self.end_ns < self.begin_ns)):
            raise ValueError("a claim ends before it begins")
        if bool(np.any(self.weight < 0.0) or np.any(np.isinf(self.weight))):
            raise ValueError("a weight is negative or infinite")

    @property
    def units(self) -> Int64:
        """The weights as integers from 1 on, int64[n]; 1 where not known."""
        known = np.nan_to_num(self.weight, nan=0.0)
        total = float(known.sum())
        if total == 0.0:
            return np.ones(len(known), dtype=np.int64)
        return np.maximum(1, np.floor(known / total * UNITS)).astype(np.int64)


@dataclass(frozen=True)
class Shared:
    """A window cut into k intervals, and who has their energy.

    `edges_ns`: int64[k+1], rising. `energy_j`: float64[k]. `lost`: bool[k], inside a gap. `heads`: int64[k], claims that are active.
    `unweighed`: bool[k], one of them has no weight. `units`: int64[n] and `first`, `last`: int64[n], of each claim its weight and its
    intervals [first, last). `load`: int64[k], units of all active claims.
    """

    edges_ns: Int64
    energy_j: Float64
    lost: Bool
    heads: Int64
    unweighed: Bool
    load: Int64
    units: Int64
    first: Int64
    last: Int64

    @classmethod
    def of(cls, energy: Energies, claims: Claims, *, begin_ns: int, end_ns: int, gaps_ns: Int64, cuts_ns: Int64) -> Self:
        """`energy` over [begin, end] shared out among `claims`. `gaps_ns`: int64[m, 2], stretches without readings; `cuts_ns`: int64[c],
        further moments to cut at. What lies outside the window is left out.
        """
        inside = (np.clip(part, begin_ns, end_ns) for part in (claims.begin_ns, claims.end_ns, gaps_ns, cuts_ns))
        begins, ends, gaps, cuts = (np.asarray(part, dtype=np.int64) for part in inside)
        edges = np.unique(np.concatenate(([begin_ns, end_ns], begins, ends, gaps.ravel(), cuts)).astype(np.int64))
        first, last = np.searchsorted(edges, begins), np.searchsorted(edges, ends)
        units = claims.units
        unknown = np.isnan(claims.weight).astype(np.int64)
        holes = np.searchsorted(edges, gaps.reshape(-1, 2))
        size = len(edges) - 1
        return cls(
            edges,
            np.diff(energy(edges)),
            running(size, holes[:, 0], holes[:, 1], np.ones(len(holes), dtype=np.int64)) > 0,
            running(size, first, last, np.ones(len(first), dtype=np.int64)),
            running(size, first, last, unknown) > 0,
            running(size, first, last, units),
            units,
            first,
            last,
        )

    @cached_property
    def by_head_j(self) -> Float64:
        """What each active claim has of an interval that is divided by their number, float64[k]."""
        return divided(self.energy_j, self.heads, self.shared & self.unweighed)

    @cached_property
    def by_unit_j(self) -> Float64:
        """What each unit of weight has of an interval that is divided by weight, float64[k]."""
        return divided(self.energy_j, self.load, self.shared & ~self.unweighed)

    @property
    def shared(self) -> Bool:
        """Whether the energy of an interval belongs to claims, bool[k]."""
        return (self.heads > 0) & ~self.lost

    @cached_property
    def seconds(self) -> Float64:
        """Length of each interval, float64[k]."""
        return np.asarray(np.diff(self.edges_ns) / 1e9)

    def claims_j(self) -> Float64:
        """The energy of each claim, float64[n]."""
        return self.units * sums(self.by_unit_j, self.first, self.last) + sums(self.by_head_j, self.first, self.last)

    def taken_j(self, which: Bool) -> Float64:
        """What the claims `which`, bool[n], have of each interval together, float64[k]."""
        first, last, units = self.first[which], self.last[which], self.units[which]
        size = len(self.energy_j)
        heads = running(size, first, last, np.ones(len(first), dtype=np.int64))
        return self.by_unit_j * running(size, first, last, units) + self.by_head_j * heads

    def claims_alone_j(self) -> Float64:
        """What each claim had while it was the only one, float64[n]: no assumption shared that out."""
        return sums(np.where(self.shared & (self.heads == 1), self.energy_j, 0.0), self.first, self.last)

    def claims_lost_s(self) -> Float64:
        """How much of each claim lies in gaps, float64[n], s."""
        return sums(np.where(self.lost, self.seconds, 0.0), self.first, self.last)

    def rows(self, begin_ns: int, end_ns: int) -> slice:
        """The intervals between two edges."""
        return slice(*np.searchsorted(self.edges_ns, [begin_ns, end_ns]).tolist())

    def parts(self, rows: slice = slice(None)) -> Parts:
        """What the window, or some intervals of it, come to."""
        energy_j, seconds, lost, heads = self.energy_j[rows], self.seconds[rows], self.lost[rows], self.heads[rows]
        empty, even = ~lost & (heads == 0), ~lost & self.unweighed[rows] & (heads > 1)
        sums_of = (math.fsum(column[mask]) for mask in (empty, lost, even) for column in (energy_j, seconds))
        idle_j, idle_s, lost_j, lost_s, _, even_s = sums_of
        return Parts(math.fsum(energy_j), math.fsum(energy_j[~lost & (heads > 0)]), idle_j, idle_s, lost_j, lost_s, even_s)


@dataclass(frozen=True, slots=True)
class Parts:
    """`energy_j` = `claimed_j` + `idle_j` + `unattributed_j`. `evenly_s`: how long it was divided by heads among several."""

    energy_j: float
    claimed_j: float
    idle_j: float
    idle_s: float
    unattributed_j: float
    unattributed_s: float
    evenly_s: float


def running(size: int, first: Int64, last: Int64, amount: Int64) -> Int64:
    """Sum of the amounts that are there in each of `size` intervals, int64[size]: exact."""
    change = np.zeros(size + 1, dtype=np.int64)
    np.add.at(change, first, amount)
    np.subtract.at(change, last, amount)
    return np.cumsum(change)[:-1]


def divided(energy_j: Float64, by: Int64, where: Bool) -> Float64:
    """`energy_j / by` where that is asked for, else 0."""
    out = np.zeros(len(energy_j))
    np.divide(energy_j, by, out=out, where=where)
    return out


def sums(values: Float64, first: Int64, last: Int64) -> Float64:
    """Sum of `values[first:last]` for each pair, float64[n]: added up, since the difference of two running sums loses the small ones."""
    order = np.argsort(first, kind="stable")
    pairs = np.column_stack((first[order], last[order])).ravel()
    out = np.empty(len(first))
    out[order] = np.add.reduceat(np.append(values, 0.0), pairs)[::2] if len(pairs) else 0.0
    return np.where(last > first, out, 0.0)
