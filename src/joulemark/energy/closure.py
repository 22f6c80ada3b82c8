"""Closure: what flows into a server is at least what flows into its parts, within what the meters may be wrong (MET-7).

A sum that does not close means that a meter sits elsewhere than it says, reads another host, or that a cord has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

from joulemark.energy.phase import PhaseEnergy
from joulemark.readings import Boundary

TIERS: Final[tuple[tuple[tuple[Boundary, ...], ...], ...]] = (
    ((Boundary.RACK,),),
    ((Boundary.PDU_INLET,),),
    ((Boundary.WALL_ANALYZER,), (Boundary.OUTLET,)),
    ((Boundary.SERVER_INPUT,), (Boundary.PSU_INPUT,)),
    ((Boundary.MODULE,), (Boundary.GPU, Boundary.PACKAGE)),
)
"""From the outside inwards. What stands in one tier sees the same place in several ways; boundaries that stand together add up."""

TOLERATED: Final = 0.05
"""An excess up to this share may be the unknown accuracy of a meter; beyond it no meter is that wrong."""


@dataclass(frozen=True, slots=True)
class Side:
    """Energy of one place: a boundary, or the sum of several. `hosts`: whom its meters see; `missing`: unknown lines of its budget."""

    name: str
    energy_j: float
    u95_j: float
    hosts: frozenset[str]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Closure:
    """Whether the energy of `outer` holds that of `inner`; `holds` None where that cannot be told. `u95_j`: of their difference.

    `reason` is empty where it holds.
    """

    outer: str
    inner: str
    outer_j: float
    inner_j: float
    u95_j: float
    holds: bool | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)


def closures(measured: Mapping[Boundary, PhaseEnergy], hosts: Mapping[Boundary, frozenset[str]]) -> list[Closure]:
    """Every two neighbouring tiers of one phase of which the energy is known. `hosts`: whom the meters of a boundary see."""
    known = [found for tier in TIERS if (found := list(sides(tier, measured, hosts)))]
    return [closure(outer, inner) for above, below in pairwise(known) for outer in above for inner in below]


def sides(
    tier: Sequence[Sequence[Boundary]], measured: Mapping[Boundary, PhaseEnergy], hosts: Mapping[Boundary, frozenset[str]]
) -> Iterator[Side]:
    """The sides of one tier whose energy is known, as far as it is: what is known of a sum is still less than all outside of it."""
    for together in tier:
        parts = [side for boundary in together if (side := side_of(boundary, measured.get(boundary), hosts)) is not None]
        if parts:
            yield Side(
                "+".join(part.name for part in parts),
                math.fsum(part.energy_j for part in parts),
                math.hypot(*(part.u95_j for part in parts)),
                frozenset().union(*(part.hosts for part in parts)),
                tuple(dict.fromkeys(name for part in parts for name in part.missing)),
            )


def side_of(boundary: Boundary, phase: PhaseEnergy | None, hosts: Mapping[Boundary, frozenset[str]]) -> Side | None:
    """What the meters of one boundary saw; None where that is not known."""
    if phase is None or phase.metered_j is None or phase.budget is None:
        return None
    return Side(str(boundary), phase.metered_j, phase.budget.u95_j, hosts[boundary], phase.budget.missing)


def closure(outer: Side, inner: Side) -> Closure:
    """Whether `outer` holds `inner`."""
    excess_j, u95_j = inner.energy_j - outer.energy_j, math.hypot(outer.u95_j, inner.u95_j)
    told = Closure(outer.name, inner.name, outer.energy_j, inner.energy_j, u95_j, True, "")
    if not inner.hosts <= outer.hosts:
        who = f"{outer.name} sees {', '.join(sorted(outer.hosts))}, {inner.name} {', '.join(sorted(inner.hosts))}"
        return replace(told, holds=None, reason=f"{who}: say in covers which cords each meter measures")
    if excess_j <= u95_j:
        return told
    more = f"{inner.name} took {inner.energy_j:.6g} J, {excess_j:.4g} J more than {outer.name} around it"
    if (outer.missing or inner.missing) and excess_j <= TOLERATED * abs(outer.energy_j):
        return replace(told, holds=None, reason=f"{more}: their accuracy is not known, so that may be an error of the meters")
    causes = "a meter is wired to something else, reads another host, or a cord has no meter"
    return replace(told, holds=False, reason=f"{more}, which their uncertainty of {u95_j:.3g} J does not explain: {causes}")
