"""Rows of one meter: what is printed is kept exactly, what is not a power is a gap with a reason."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.readings import Boundary, MeterInfo, Quality, Quantity
from joulemark.traces.rows import Rows, joules, watts


@given(st.lists(st.decimals(min_value="0.001", max_value="99999", places=6), min_size=1, max_size=20))
def test_printed_watts_survive_exactly(values: list[Decimal]) -> None:
    """Integers at the chosen exponent are the printed decimals, none rounded."""
    rows = Rows()
    for number, value in enumerate(values):
        rows.add(number, value)
    meter = MeterInfo("csv:file:x:power", "csv", Quantity.POWER, -3, Boundary.OUTLET)
    series = rows.series(meter)
    assert [Decimal(int(v)).scaleb(series.meter.exponent) for v in series.value] == values


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("[N/A]", "not available"),
        ("", "not available"),
        ("-1.000000", "not available (-1)"),
        ("0.000000", "not positive"),
        ("-1163.5", "not positive"),
        ("9.91E+37", "overflow"),
        ("inf", "not a number"),
        ("12,5", "not a number"),
        ("1_0", "not a number"),
        ("\u0661\u0662", "not a number"),
        ("1e308", "overflow"),
    ],
)
def test_what_is_no_power_is_a_gap(printed: str, reason: str) -> None:
    """Each way a recorder prints that it has no value gives None and its reason."""
    assert watts(printed) == (None, reason)


def test_power_and_counter_are_read_as_printed() -> None:
    """A unit after the number is taken off; a counter may be zero and is converted exactly."""
    assert watts(" 56.12 W") == (Decimal("56.12"), "")
    assert joules("0") == (Decimal(0), "")
    assert joules("1.006491516", unit_j=Decimal(10**6)) == (Decimal("1006491.516"), "")
    assert joules("-1")[0] is None
    assert joules("1e300")[0] is None


def test_update_period_is_the_median_spacing() -> None:
    """The period as seen is the median distance of rows, which one long gap does not move."""
    rows = Rows()
    for t_s in (0, 1, 2, 3, 60):
        rows.add(t_s * 10**9, Decimal(5))
    series = rows.series(MeterInfo("csv:file:x:power", "csv", Quantity.POWER, -3, Boundary.OUTLET))
    assert series.meter.update_period_measured_s == 1.0
    assert series.quality.tolist() == [Quality.OK] * 5
