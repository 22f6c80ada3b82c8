"""Which streams of a case need an alignment, and which alignments they have (CAL-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from joulemark.cards.evidence import Aligned
from joulemark.energy.series import Series
from joulemark.readings import Boundary
from joulemark.standard import certificate
from joulemark.standard.accuracy import formula, limit_rel
from joulemark.standard.case import Case, means

IN_BAND: Final = (Boundary.SERVER_INPUT, Boundary.PSU_INPUT)
"""Sensors inside the node that see all of it: beside a meter outside they are its cross-check. Those of parts are not."""


@dataclass(frozen=True, slots=True)
class Held:
    """`sensors`: ids of the meters that need an alignment; `alignments`: of each the last before the run; `without`: which have none."""

    sensors: tuple[str, ...]
    alignments: tuple[Aligned, ...]
    without: tuple[str, ...]


def held(case: Case, *, own_limit_rel: float) -> Held:
    """The alignments of a case. A meter of the headline needs none where it has a certificate and states a limit of error of at most
    `own_limit_rel` at its mean power. An alignment made after the run does not count unless there is no other.
    """
    begin_ns = began_ns(case)
    needing = [one for one in case.headline if not certified(case, one, own_limit_rel)]
    needing += [one for one in case.series if one.meter.boundary in IN_BAND and one.meter.boundary is not case.boundary]
    sensors = tuple(dict.fromkeys(one.meter.meter_id for one in needing))
    found = {}
    every = () if case.evidence is None else case.evidence.alignments
    for one in sorted(every, key=lambda aligned: (aligned.record.made_ns <= begin_ns, aligned.record.made_ns)):
        found[one.record.sensor] = one
    chosen = tuple(found[sensor] for sensor in sensors if sensor in found)
    return Held(sensors, chosen, tuple(sensor for sensor in sensors if sensor not in found))


def began_ns(case: Case) -> int:
    """When the first phase of the run began, which decides what corrects it. Raises ValueError for a case without phases."""
    return min(window.begin_ns for window in (() if case.run is None else case.run.windows))


def certified(case: Case, one: Series, own_limit_rel: float) -> bool:
    """Whether a meter may stand for itself: MET-2 at ES1 by its certificate."""
    stated = formula(one.meter, "ES1")
    if stated is None or not certificate.names(one.meter):
        return False
    powers_w = [power for window in case.measured for power in means([one], window.begin_ns, window.end_ns) if power > 0.0]
    return bool(powers_w) and max(limit_rel([(stated, power_w)]) for power_w in powers_w) <= own_limit_rel


def in_use(case: Case, meter_id: str) -> Aligned | None:
    """The alignment that the energy of the measured phases was corrected by at a meter; None where none was in force."""
    applied = {d.get("alignment_id") for w in case.measured for d in case.figures(w).get("devices", ()) if d["meter_id"] == meter_id}
    every = () if case.evidence is None else case.evidence.alignments
    return next((one for one in every if one.record.alignment_id in applied and one.record.sensor == meter_id), None)
