"""Which alignments a run is corrected by: for each meter the last one made before the run, as long as it has not expired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from joulemark.calibration.alignment import Alignment, PlateauRecord
from joulemark.energy.alignment import Applied
from joulemark.units import NS_PER_S

DAY_NS: Final = 86_400 * NS_PER_S


def in_force(records: Sequence[Alignment], *, at_ns: int) -> tuple[dict[str, Applied], list[str]]:
    """(meter id -> the alignment that corrects it at `at_ns`, why others do not).

    An alignment that has expired, or was made later, corrects nothing. One that a change of the node has voided still does: the
    figure stands, and rule CAL-6 says what it is worth.
    """
    found: dict[str, Alignment] = {}
    findings = []
    for record in sorted(records, key=lambda r: r.made_ns):
        if record.made_ns > at_ns:
            findings.append(f"alignment {record.alignment_id} of {record.sensor} was made after the run began: not applied")
        elif record.expires_ns < at_ns:
            findings.append(f"alignment {record.alignment_id} of {record.sensor} had expired when the run began: not applied")
        else:
            found[record.sensor] = record
    return {sensor: applied(record, at_ns=at_ns) for sensor, record in found.items()}, findings


def applied(record: Alignment, *, at_ns: int) -> Applied:
    """`record` as it corrects a run that begins at `at_ns`."""
    return Applied(
        alignment_id=record.alignment_id,
        gain=record.gain,
        offset_w=record.offset_w,
        u_gain=record.u_gain,
        u_offset_w=record.u_offset_w,
        cov_w=record.cov_w,
        reference_u_rel=record.reference_u_rel,
        residual_w=residual_w(record),
        age_days=(at_ns - record.made_ns) / DAY_NS,
        dof=math.inf if record.dof is None else record.dof,
        held_out_rel=held_out_rel(record),
        lag_ns=round(record.lag_s * NS_PER_S),
        lag_residual_s=record.lag_residual_s,
        gain_change_per_90_d=record.gain_change_per_90_d,
        reference=record.reference,
    )


def means_w(plateau: PlateauRecord) -> tuple[float, float]:
    """(sensor, reference) mean of the windows of a plateau, W. Raises ValueError for a plateau without windows."""
    if not plateau.windows:
        raise ValueError(f"plateau {plateau.name} has no window")
    n = len(plateau.windows)
    return math.fsum(w.sensor_w for w in plateau.windows) / n, math.fsum(w.reference_w for w in plateau.windows) / n


def residual_w(record: Alignment) -> float:
    """Largest distance of a plateau from the line, W; 0 without plateaus."""
    points = [means_w(plateau) for plateau in record.plateaus if plateau.windows]
    return max((abs(reference - record.gain * sensor - record.offset_w) for sensor, reference in points), default=0.0)


def held_out_rel(record: Alignment) -> float | None:
    """Error of the aligned energy of the run that was not in the fit, relative to the reference; None without one."""
    held = record.held_out
    if held is None or not held.reference_j:
        return None
    duration_s = (held.end_ns - held.begin_ns) / NS_PER_S
    return (record.gain * held.sensor_j + record.offset_w * duration_s) / held.reference_j - 1.0
