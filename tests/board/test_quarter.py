"""Quarters: three months in UTC that follow each other without a gap."""

from __future__ import annotations

import pytest

from joulemark.board.quarter import Quarter
from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_text


def test_a_quarter_has_three_months() -> None:
    """2026Q4 goes from October until New Year."""
    found = Quarter.parse("2026Q4")
    assert (moment_text(found.begin_ns), moment_text(found.end_ns)) == ("2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z")
    assert found.name == "2026Q4"


def test_quarters_follow_each_other() -> None:
    """The end of each is the begin of the next."""
    names = [f"{year}Q{number}" for year in (2027, 2028) for number in (1, 2, 3, 4)]
    found = [Quarter.parse(name) for name in names]
    assert [one.end_ns for one in found[:-1]] == [one.begin_ns for one in found[1:]]
    assert [(one.end_ns - one.begin_ns) // 86_400_000_000_000 for one in found] == [90, 91, 92, 92, 91, 91, 92, 92]


@pytest.mark.parametrize(
    "name", ["", "2026", "2026Q5", "2026Q0", "2026q4", "26Q4", "1969Q4", "2116Q1", "2026Q4 ", "\u0662\u0660\u0662\u0666Q4"]
)
def test_what_is_no_quarter_is_refused(name: str) -> None:
    """Only one spelling is a quarter."""
    with pytest.raises(FormatError, match="no quarter"):
        Quarter.parse(name)
