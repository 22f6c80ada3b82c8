"""Cords: what a host draws is the sum over all its power cords, so a sum that lacks one is no energy of the host.

The operator names the cords (`MeterInfo.cords`), and each meter says which of them it measures (`MeterInfo.covers`). Where nobody
named them nothing is known to be missing, and nothing is proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from joulemark.energy.series import Series
from joulemark.readings import Boundary, MeterInfo

SINGLE: Final = frozenset({Boundary.PSU_INPUT, Boundary.OUTLET, Boundary.WALL_ANALYZER})
"""Where a meter may see one cord of several."""

WHOLE: Final = Boundary.SERVER_INPUT
"""A meter here that names no cord sees all of the host that reads it."""


def named(series: Iterable[Series]) -> tuple[str, ...]:
    """Every cord that an operator named, in order."""
    return tuple(sorted({cord for one in series for cord in one.meter.cords}))


def host_of(cord: str) -> str:
    """The host of a cord."""
    return cord.partition("/")[0]


def seen(meter: MeterInfo, cords: Sequence[str]) -> frozenset[str]:
    """Which of `cords` the meter measures."""
    covered = frozenset(meter.covers) & frozenset(cords)
    if not covered and meter.boundary is WHOLE:
        return frozenset(cord for cord in cords if host_of(cord) == meter.host)
    return covered


def hosts(group: Iterable[Series], cords: Sequence[str]) -> frozenset[str]:
    """The hosts that the meters of `group` see: those of their cords, else the one that reads them."""
    return frozenset(host for one in group for host in {host_of(cord) for cord in seen(one.meter, cords)} or {one.meter.host})


def counting(group: Sequence[Series], cords: Sequence[str]) -> list[Series]:
    """The meters of one boundary whose sum is asked for: those of named cords, where there is one at all.

    The other outlets of a rack's power strip feed other machines.
    """
    of_cords = [one for one in group if seen(one.meter, cords)]
    return of_cords if of_cords and group[0].meter.boundary in SINGLE else list(group)


def uncovered(group: Sequence[Series], cords: Sequence[str]) -> tuple[str, ...]:
    """The cords that no meter of one boundary measures, although its meters see single cords."""
    if not group or group[0].meter.boundary not in SINGLE | {WHOLE}:
        return ()
    return tuple(sorted(frozenset(cords) - frozenset().union(*(seen(one.meter, cords) for one in group))))


def whole_of(group: Sequence[Series], cords: Sequence[str]) -> bool:
    """Whether the meters of `group`, all of one boundary, are known to see all of `cords`, and there is one."""
    return bool(cords) and frozenset(cords) == frozenset().union(*(seen(one.meter, cords) for one in group))


def proven(group: Sequence[Series], everything: Sequence[Series]) -> tuple[str, ...]:
    """The hosts of `everything`, where each cord of each of them is known and measured by `group`; none where that is not so."""
    cords = named(everything)
    read = {one.meter.host for one in everything if one.meter.boundary not in SINGLE}
    if not cords or uncovered(group, cords) or not read <= {host_of(cord) for cord in cords}:
        return ()
    return tuple(sorted({host_of(cord) for cord in cords}))
