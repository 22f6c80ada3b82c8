from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.calibration.in_force import DAY_NS, in_force
from tests.kit import alignment
from tests.kit.lab import BEGIN_NS

RECORD = alignment.made(1, before_ns=BEGIN_NS).record


def test_the_last_alignment_before_the_run_corrects_it() -> None:
    """Of two alignments of a sensor the later one is applied, with its age and its lag."""
    older = replace(RECORD, alignment_id="older", made_ns=RECORD.made_ns - 5 * DAY_NS)
    found, said = in_force([RECORD, older], at_ns=RECORD.made_ns + 9 * DAY_NS)
    assert found[RECORD.sensor].alignment_id == RECORD.alignment_id
    assert found[RECORD.sensor].age_days == pytest.approx(9.0)
    assert found[RECORD.sensor].lag_ns == round(RECORD.lag_s * 1e9)
    assert said == []


def test_expired_and_later_alignments_correct_nothing_and_say_so() -> None:
    """An alignment of tomorrow, and one that has expired, are named among the findings."""
    found, said = in_force([RECORD], at_ns=RECORD.expires_ns + 1)
    assert (found, len(said)) == ({}, 1)
    assert "expired" in said[0]
    found, said = in_force([RECORD], at_ns=RECORD.made_ns - 1)
    assert (found, len(said)) == ({}, 1)
    assert "after the run began" in said[0]
    assert set(in_force([RECORD], at_ns=RECORD.expires_ns)[0]) == {RECORD.sensor}
