"""Numbers as files print them: exact, or unknown."""

from __future__ import annotations

from typing import Any

import pytest

from joulemark.benchmarks import printed
from joulemark.errors import FormatError


@pytest.mark.parametrize(("value", "expected"), [(0, 0.0), ("5.286083491053432", 5.286083491053432), (" 1e-3 ", 0.001), (2.5, 2.5)])
def test_figures(value: Any, expected: float) -> None:
    """A number is one whether it was printed as a number or as text; zero is one."""
    assert printed.figure(value) == expected


@pytest.mark.parametrize("value", [None, True, "", "-1", -0.5, "nan", "inf", float("nan"), "1_0", "\u0661", "1e999", 10**15, [1]])
def test_what_is_no_figure_is_unknown(value: Any) -> None:
    """A negative number, a flag, damage: None, never zero."""
    assert printed.figure(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1763283464.529182, 1_763_283_464_529_182_000), ("1700000000.1234567", 1_700_000_000_123_456_700), (0, 0), ("0.5", 500_000_000)],
)
def test_seconds_keep_every_printed_digit(value: Any, expected: int) -> None:
    """A Unix time becomes nanoseconds by its printed digits, which a product of doubles would blur."""
    assert printed.seconds_ns(value, where="f") == expected


@pytest.mark.parametrize("value", [None, -1, "soon", 5e9, float("inf"), "1e900"])
def test_what_is_no_time_is_refused(value: Any) -> None:
    """A time before 1970 or after 2116, or none at all, is refused with its place."""
    with pytest.raises(FormatError, match=r"f: .* no time in seconds"):
        printed.seconds_ns(value, where="f")
