from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.calibration.acceptance import faults
from joulemark.calibration.align import align, fitted, u_rel_of
from joulemark.calibration.alignment import Alignment, PlateauRecord, PlateauWindow
from joulemark.calibration.plateaus import Span
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Accuracy
from tests.kit import alignment
from tests.kit.lab import BEGIN_NS
from tests.kit.sensors import BMC_GAIN, BMC_LAG_S, BMC_OFFSET_W, WALL

MADE = alignment.made(1, before_ns=BEGIN_NS)


def again(**more: object) -> Alignment:
    """The alignment of the kit, made from its readings once more."""
    old = MADE.record
    spans = [Span(p.name, p.windows[0].begin_ns, p.windows[-1].end_ns, p.turn, p.settle_s, p.workload) for p in old.plateaus]
    given: dict[str, object] = {"alignment_id": old.alignment_id, "made_ns": old.made_ns, **more}
    return align(MADE.sensor, MADE.reference, spans, **given)  # type: ignore[arg-type]  # any of its keywords


def test_gain_offset_and_lag_of_the_kit_are_found() -> None:
    """The BMC of the kit is as its simulation made it, within what the record and its reference claim, and is accepted."""
    record = MADE.record
    assert record.gain == pytest.approx(BMC_GAIN, abs=2 * np.hypot(record.u_gain, record.reference_u_rel))
    lowest_w = record.plateaus[0].windows[0].reference_w
    assert record.offset_w == pytest.approx(BMC_OFFSET_W, abs=2 * np.hypot(record.u_offset_w, record.reference_u_rel * lowest_w))
    assert record.lag_s == pytest.approx(BMC_LAG_S, abs=2 * record.lag_residual_s)
    assert (record.method, record.dof, len(record.plateaus)) == ("deming", 13.0, 3)
    assert faults(record) == []


def test_the_drift_comes_from_the_alignment_before() -> None:
    """The change of the gain since the last alignment is kept, the largest of all."""
    before = replace(MADE.record, gain=MADE.record.gain * 1.004)
    assert again().gain_change_per_90_d is None
    assert again(before=before).gain_change_per_90_d == pytest.approx(0.004, abs=2e-4)
    assert again(before=replace(before, gain_change_per_90_d=0.009)).gain_change_per_90_d == 0.009


def test_a_reference_of_unknown_accuracy_is_refused_unless_stated() -> None:
    """No accuracy is assumed for a reference."""
    with pytest.raises(UsageError, match="accuracy of the reference"):
        u_rel_of(replace(WALL, accuracy=None), 500.0)
    assert again(reference_u_rel=0.002).reference_u_rel == 0.002
    exact = replace(WALL, accuracy=Accuracy(pct_reading=0.1), certificate=None)
    assert u_rel_of(exact, 500.0) == pytest.approx(0.001 / np.sqrt(3))


def test_passes_at_one_level_are_one_plateau_and_methods_have_names() -> None:
    """A second pass adds windows to its levels; an unknown method and a single level are refused."""

    def plateau(name: str, turn: int, watts: float) -> PlateauRecord:
        return PlateauRecord(name, turn, 60.0, "w", tuple(PlateauWindow(0, 1, watts + n, 1.1 * (watts + n)) for n in range(3)))

    levels = [plateau("idle", 1, 500.0), plateau("mid", 1, 1000.0), plateau("full", 1, 1500.0), plateau("full", 2, 1510.0)]
    for method in ("two_plateaus", "deming", "odr"):
        assert fitted(levels, method=method).gain == pytest.approx(1.1)
    assert fitted(levels, method="deming").dof == 10.0
    assert fitted(levels, method="two_plateaus", resolution_w=8.0).u_gain > fitted(levels, method="two_plateaus").u_gain
    with pytest.raises(UsageError, match="no fit 'ols'"):
        fitted(levels, method="ols")
    with pytest.raises(InsufficientData, match="spans no line"):
        fitted(levels[:1], method="two_plateaus")
