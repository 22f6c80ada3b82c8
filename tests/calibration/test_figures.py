from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.calibration import figures
from joulemark.calibration.alignment import HeldOut, PlateauRecord, PlateauWindow
from tests.kit import alignment
from tests.kit.lab import BEGIN_NS


def plateau(name: str, turn: int, begin: int, sensor_w: float, reference_w: float) -> PlateauRecord:
    return PlateauRecord(name, turn, 60.0, "w", (PlateauWindow(begin, begin + 1, sensor_w, reference_w),))


FIRST = (plateau("idle", 1, 0, 500.0, 570.0), plateau("mid", 1, 1, 1000.0, 1130.0), plateau("full", 1, 2, 1500.0, 1670.0))
SECOND = (plateau("full", 2, 3, 1500.0, 1670.0), plateau("mid", 2, 4, 1000.0, 1130.0), plateau("idle", 2, 5, 500.0, 570.0))
RECORD = replace(alignment.made(1, before_ns=BEGIN_NS).record, gain=1.1, offset_w=20.0, plateaus=FIRST)


def test_residuals_mid_and_held_out() -> None:
    """The mid plateau lies 10 W above the line 1.1 S + 20, halfway; the run held out is 1 % too high."""
    assert figures.residual_w(RECORD) == pytest.approx(10.0)
    assert figures.residual_rel(RECORD) == pytest.approx(10.0 / 1130.0)
    assert figures.mid_share(RECORD) == 0.5
    held = replace(RECORD, held_out=HeldOut(0, 10**9, 1000.0, 1120.0 / 1.01, "w"))
    assert figures.held_out_rel(held) == pytest.approx(0.01)


def test_absent_parts_are_none() -> None:
    """No plateau, no held-out run, no mid: no figure stands for them."""
    bare = replace(RECORD, plateaus=(), held_out=None)
    assert (figures.residual_rel(bare), figures.mid_share(bare), figures.held_out_rel(bare)) == (None, None, None)
    with pytest.raises(ValueError, match="no window"):
        figures.means_w(PlateauRecord("idle", 1, 60.0, "w", ()))


def test_a_second_pass_counts_only_in_reverse_order_and_afterwards() -> None:
    """Forward again, or before the first, is no reverse pass."""
    assert figures.reversed_pass(replace(RECORD, plateaus=FIRST + SECOND))
    again = tuple(replace(p, turn=2, windows=(replace(p.windows[0], begin_ns=3 + n),)) for n, p in enumerate(FIRST))
    assert not figures.reversed_pass(replace(RECORD, plateaus=FIRST + again))
    assert not figures.reversed_pass(RECORD)
