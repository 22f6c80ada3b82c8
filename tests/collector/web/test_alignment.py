"""What the page of one alignment tells, held against the acceptance that decides."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from joulemark.calibration.acceptance import LIMITS, faults
from joulemark.calibration.alignment import Alignment
from joulemark.collector.web.alignment import checks, drawn, gates, plateaus, told
from tests.kit import alignment

RECORD = alignment.made(1, before_ns=1_790_000_000_000_000_000).record
ONE_TURN = tuple(plateau for plateau in RECORD.plateaus if plateau.turn == 1)


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        replace(RECORD, gain=1.3),
        replace(RECORD, method="ols"),
        replace(RECORD, held_out=None),
        replace(RECORD, plateaus=tuple(replace(one, settle_s=1.0) for one in ONE_TURN)),
        replace(RECORD, plateaus=tuple(replace(one, windows=one.windows[:2]) for one in ONE_TURN)),
        replace(RECORD, plateaus=ONE_TURN[:1]),
    ],
)
def test_a_figure_is_kept_where_acceptance_finds_no_fault(record: Alignment) -> None:
    """All figures are kept at a level exactly where that level accepts the alignment."""
    for grade, limits in LIMITS.items():
        kept = all(good for one in checks(record) for name, _, good in one["limits"] if name == grade)
        assert kept == (not faults(record, limits)), (grade, faults(record, limits))


def test_plateaus_are_told_with_their_distance_from_the_line() -> None:
    """Means of both meters, and what is left; one that shows no power has no share and is not drawn."""
    for one in plateaus(RECORD):
        assert one["distance_w"] == pytest.approx(one["reference_w"] - RECORD.gain * one["sensor_w"] - RECORD.offset_w)
        assert one["rel"] == pytest.approx(one["distance_w"] / one["reference_w"])
    dark = replace(ONE_TURN[0], windows=tuple(replace(w, reference_w=0.0) for w in ONE_TURN[0].windows))
    assert plateaus(replace(RECORD, plateaus=(dark,)))[0]["rel"] is None
    assert drawn(replace(RECORD, plateaus=(dark,))) is None


def test_gates_are_those_of_the_procedure_and_nothing_else() -> None:
    """What the procedure recorded; a file that is none, or gates of another form, are left out."""
    path = f"calibration/{RECORD.alignment_id}/procedure.json"
    good = {"gate": "clocks", "passed": None, "saw": "<x>", "next_step": "", "accepted": True}
    assert gates(RECORD, {path: json.dumps({"gates": [good, {"gate": "odd"}, 3]})}) == [good]
    for wrong in ("", "{", "[]", '{"gates": 3}'):
        assert gates(RECORD, {path: wrong}) == []
    assert told(RECORD, {"b": "xx", "a": "y"})["files"] == [("a", 1), ("b", 2)]
