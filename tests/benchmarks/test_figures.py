"""Figures of benchmark tools: whole, finite, positive, or unknown."""

from __future__ import annotations

from typing import Any

import pytest

from joulemark.benchmarks import figures


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (7, 7), (7.0, 7), ("131", 131)])
def test_counts(value: Any, expected: int) -> None:
    """A whole number is a count, however it was printed; zero is one."""
    assert figures.count(value) == expected


@pytest.mark.parametrize("value", [None, True, -1, 0.5, "1.5", "", "\u0661", "9" * 30, 2**63, float("nan"), float("inf"), [1]])
def test_what_is_no_count_is_unknown(value: Any) -> None:
    """A fraction, a negative number, a flag, text that is no number: None, never zero."""
    assert figures.count(value) is None


@pytest.mark.parametrize("value", [None, True, 0, -1.0, 1e8, float("nan"), float("inf"), "3"])
def test_what_is_no_duration_is_unknown(value: Any) -> None:
    """Nothing lasted no time, less than none, or for ever."""
    assert figures.seconds(value) is None


@pytest.mark.parametrize(
    ("mean", "number", "expected", "off"),
    [
        (259.78, 50, 12989, 0.25),
        (99.44, 50, 4972, 0.25),
        (64.0, 10, 640, 0.5),
        (0, 5, 0, 0.0),
        (1 / 3, 3, 1, 0.0),
        (None, 3, None, 0.0),
        (False, 3, None, 0.0),
        (2.5, None, None, 0.0),
        (float("nan"), 3, None, 0.0),
    ],
)
def test_a_mean_gives_its_total(mean: Any, number: int | None, expected: float | None, off: float) -> None:
    """Mean times number is the whole number it must be, with half the last printed digit as its doubt; no mean, no total."""
    value, doubt = figures.total(mean, number)
    assert value == expected
    assert doubt == pytest.approx(off, abs=1e-9)


def test_facts_are_flat() -> None:
    """Labels are what was told as text or number."""
    assert figures.facts({"model": "m", "rate": 8.0, "none": None, "empty": "", "nested": {}}) == {"model": "m", "rate": "8.0"}
