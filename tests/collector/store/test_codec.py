"""Columns as bytes: exact whatever the order of differences, and straight lines as two numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.collector.store.codec import best_order, drawn, line, packed, unpacked
from joulemark.errors import FormatError


@pytest.mark.parametrize("order", [0, 1, 2])
def test_any_order_comes_back(order: int) -> None:
    """Numbers at both edges of int64, differenced or not."""
    column = np.array([2**63 - 1, -(2**63), 0, 5, -1] * 7)
    assert unpacked(packed(column, order=order), len(column)).tolist() == column.tolist()


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_part_is_the_begin_of_the_whole(order: int) -> None:
    """As many entries as are asked for, of a column that has several blocks; more than there are is an error, not memory as it was."""
    column = np.cumsum(np.random.default_rng(2).integers(-(10**9), 10**9, 1000))
    data = packed(column, order=order)
    for count in (0, 1, 255, 256, 257, 999, 1000):
        assert unpacked(data, count).tolist() == column[:count].tolist()
    with pytest.raises(FormatError, match="has 1000 of 1001 entries"):
        unpacked(data, 1001)


def test_the_order_is_that_of_the_fewest_bytes() -> None:
    """Noise is coded as it is, a walk by its steps, the sum of a walk by the steps of its steps; one entry, and none, have an order too."""
    noise = np.random.default_rng(1).integers(0, 100_000, 3000)
    assert best_order(noise) == 0
    assert best_order(np.cumsum(noise)) == 1
    assert best_order(np.cumsum(np.cumsum(noise - 50_000))) == 2
    assert best_order(noise[:1]) in range(3)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(1, 9))
def test_a_straight_line_is_two_numbers(first: int, step: int, count: int) -> None:
    """Of any slope, also past the edge of int64; what bends is none."""
    column = drawn(first, step, count)
    assert column.dtype == np.int64
    found = line(column)
    assert found is not None
    assert drawn(*found, count).tolist() == column.tolist()
    assert line(np.append(np.append(column, column[-1]), column[-1] + 1)) is None
