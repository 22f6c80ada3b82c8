"""Claims of a card are read with care."""

from __future__ import annotations

from typing import Any

import pytest

from joulemark.standard.claims import number, part, phase


@pytest.mark.parametrize(
    ("value", "found"),
    [(1, 1.0), (0.5, 0.5), ("5.96", 5.96), (True, None), (None, None), ("nan", None), ("", None), ([1], None)],
)
def test_only_finite_numbers_are_numbers(value: Any, found: float | None) -> None:
    """Numbers and amounts of money as text count; true, null, NaN, infinity and lists do not."""
    assert number(value) == found
    assert number(10**400) is None


def test_parts_of_something_else_are_empty() -> None:
    """Whatever stands in the place of an object or of the list of phases reads as an empty object."""
    assert part({"a": {"b": 1}}, "a") == {"b": 1}
    assert part({"a": [1]}, "a") == part({}, "a") == part(None, "a") == {}
    card = {"phases": [7, {"name": "x", "begin_ns": 2}]}
    assert phase(card, "x", 2) == card["phases"][1]
    assert phase(card, "x", 3) == phase({"phases": 7}, "x", 2) == phase(None, "x", 2) == {}
