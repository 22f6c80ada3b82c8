"""What the product says of a pair: its alignment, whether it accepts it, and the energy of a later run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulemark.calibration.acceptance import faults
from joulemark.calibration.align import align
from joulemark.calibration.alignment import Alignment
from joulemark.calibration.in_force import in_force
from joulemark.calibration.plateaus import Span
from joulemark.energy.phase import measure
from joulemark.errors import JoulemarkError
from joulemark.runs import PhaseKind, Window
from tests.calibration_trials.pairs import SETTLE_S, Pair


@dataclass(frozen=True)
class Said:
    """`refused`: in words, empty where the alignment was accepted; then the record, the energy and its U95."""

    refused: str
    record: Alignment | None = None
    energy_j: float = 0.0
    u95_j: float = 0.0


def of(pair: Pair, *, mutate: str = "") -> Said:
    """Align, accept, apply. `mutate`: a fault put into the record, to see that the trials notice."""
    spans = [Span(name, begin_ns, end_ns, 1, SETTLE_S, "trial") for name, begin_ns, end_ns in pair.spans]
    held_out = Span("held-out", *pair.held_out, settle_s=SETTLE_S, workload="trial")
    made_ns = pair.held_out[1]
    try:
        record = align(pair.sensor, pair.reference, spans, held_out=held_out, alignment_id=f"trial-{pair.seed}", made_ns=made_ns)
    except JoulemarkError as error:
        return Said(str(error))
    if refused := faults(record):
        return Said("; ".join(refused))
    record = mutated(record, mutate)
    window = Window("later", PhaseKind.MEASURED, pair.later_begin_ns, pair.later_end_ns)
    applied, _ = in_force([record], at_ns=pair.later_begin_ns)
    phase = measure(window, [pair.later], alignments=applied)
    assert phase.energy_j is not None
    assert phase.u95_j is not None
    return Said("", record, phase.energy_j, phase.u95_j)


def mutated(record: Alignment, fault: str) -> Alignment:
    """`record` with a fault of the product: uncertainties halved, the lag ignored, or the offset lost."""
    if fault == "half_u":
        half = replace(record, u_gain=record.u_gain / 2, u_offset_w=record.u_offset_w / 2, cov_w=record.cov_w / 4)
        return replace(half, reference_u_rel=record.reference_u_rel / 2)
    if fault == "no_lag":
        return replace(record, lag_s=0.0)
    if fault == "no_offset":
        return replace(record, offset_w=0.0)
    if fault:
        raise ValueError(f"no mutation {fault!r}: half_u, no_lag or no_offset")
    return record
