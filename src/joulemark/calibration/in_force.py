"""Which alignments a run is corrected by: for each meter the last one made before the run, as long as it has not expired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from joulemark.calibration.alignment import Alignment
from joulemark.calibration.figures import held_out_rel, residual_w
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
