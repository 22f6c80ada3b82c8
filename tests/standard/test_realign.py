from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.errors import UsageError
from joulemark.standard.realign import differences
from tests.kit import alignment
from tests.kit.lab import BEGIN_NS

MADE = alignment.made(1, before_ns=BEGIN_NS)


def test_a_record_comes_out_of_its_readings() -> None:
    """Windows, line and held-out energies to the last digit, the lag within a twentieth of a second."""
    found = differences(MADE)
    assert found.pop("lag_apart_s") < 0.1
    assert set(found.values()) == {0.0}


def test_a_polished_gain_differs_by_as_much_as_it_was_polished() -> None:
    """One in a thousand is seen as one in a thousand."""
    record = replace(MADE.record, gain=MADE.record.gain * 1.001)
    assert differences(replace(MADE, record=record))["gain_rel"] == pytest.approx(0.001, rel=0.01)


def test_a_method_that_is_none_is_refused() -> None:
    """A regression over pairs cannot be made again."""
    with pytest.raises(UsageError, match="no fit"):
        differences(replace(MADE, record=replace(MADE.record, method="ols")))
