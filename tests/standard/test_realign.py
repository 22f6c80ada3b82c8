from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from joulemark.errors import UsageError
from joulemark.standard.realign import differences
from tests.kit import alignment
from tests.kit.lab import BEGIN_NS

MADE = alignment.made(1, before_ns=BEGIN_NS)


def test_a_record_comes_out_of_its_readings() -> None:
    """Windows, line and held-out energies to the last digit; the lag, whose record leaves the last step out, within a tenth of a second."""
    found = differences(MADE)
    assert found.pop("lag_apart_s") < 0.1
    assert found.pop("lag_residual_short_rel") < 0.25
    assert found.pop("lag_edges_short") <= 1.0
    assert set(found.values()) == {0.0}


def test_a_polished_gain_differs_by_as_much_as_it_was_polished() -> None:
    """One in a thousand is seen as one in a thousand."""
    record = replace(MADE.record, gain=MADE.record.gain * 1.001)
    assert differences(replace(MADE, record=record))["gain_rel"] == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize(
    ("change", "name", "by"),
    [
        ({"reference_u_rel": MADE.record.reference_u_rel / 2}, "reference_short_rel", 0.5),
        ({"reference_u_rel": MADE.record.reference_u_rel * 2}, "reference_short_rel", 0.0),
        ({"lag_residual_s": 0.0}, "lag_residual_short_rel", 1.0),
        ({"cov_w": MADE.record.cov_w * 2}, "u_rel", 0.5),
        ({"dof": (MADE.record.dof or 0.0) * 2}, "u_rel", 0.5),
        ({"span_w": (MADE.record.span_w[0] / 2, MADE.record.span_w[1])}, "span_rel", 0.5),
        ({"span_w": ()}, "span_rel", float("inf")),
    ],
)
def test_no_bound_of_a_record_is_believed(change: dict[str, Any], name: str, by: float) -> None:
    """Whatever the uncertainty rests on comes out of the readings and of the reference's own words; more than that may be stated."""
    assert differences(replace(MADE, record=replace(MADE.record, **change)))[name] == pytest.approx(by)


def test_a_method_that_is_none_is_refused() -> None:
    """A regression over pairs cannot be made again."""
    with pytest.raises(UsageError, match="no fit"):
        differences(replace(MADE, record=replace(MADE.record, method="ols")))
