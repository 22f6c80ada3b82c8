"""Readings of an edge: values are decoded as far as they are needed, and what is not plain is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from joulemark.collector.store.columns import double_integral
from joulemark.collector.store.points import Points, points_of, undated
from joulemark.energy.series import Int64

T_NS = np.arange(10, dtype=np.int64) * 7 + 100
VALUE = np.arange(10, dtype=np.int64) + 1


class Counted:
    """A column that keeps how much of it was asked for."""

    def __init__(self, column: Int64) -> None:
        self.column, self.asked = column, list[int]()

    def __call__(self, count: int) -> Int64:
        self.asked.append(count)
        return self.column[:count]


def test_values_are_decoded_twice_at_most() -> None:
    """As many as the first question needs; who asks for more gets all, and nothing is decoded after that."""
    column = Counted(VALUE)
    points = undated(T_NS, column, counted=10)
    assert points is not None
    assert column.asked == []
    assert points.until(2) == double_integral(T_NS[:3], VALUE[:3])
    assert points.until(1) == double_integral(T_NS[:2], VALUE[:2])
    assert column.asked == [3]
    for row in (4, 9, 0):
        assert points.until(row) == double_integral(T_NS[: row + 1], VALUE[: row + 1])
    assert column.asked == [3, 10]


@pytest.mark.parametrize(
    ("t_ns", "value", "counted"),
    [
        (T_NS[::-1].copy(), VALUE, 10),
        (np.sort(T_NS // 20), VALUE, 10),
        (T_NS, VALUE - 1, 9),
        (T_NS, VALUE - 1, None),
    ],
    ids=["times fall", "times repeat", "a sum counts fewer", "no sum counts"],
)
def test_what_is_not_plain_is_not_taken_for_it(t_ns: Int64, value: Int64, counted: int | None) -> None:
    """Times that do not rise, and a power of 0 W, which no sum counts."""
    assert undated(t_ns, Counted(value), counted=counted) is None


def test_no_sum_is_needed_where_all_values_are_seen() -> None:
    """Without a count, or with one that is short for another reason, every value is looked at."""
    for counted in (None, 9):
        column = Counted(VALUE)
        assert undated(T_NS, column, counted=counted) is not None
        assert column.asked == [10]


def test_what_64_bits_do_not_hold_is_added_up_in_python() -> None:
    """Whether it fits is told by what was decoded: a large value behind it does not matter before it is reached."""
    value = np.array([1, 2, 2**61, 3], dtype=np.int64)
    points = points_of(T_NS[:4], value)
    assert points.until(3) == 7 * 3 + 7 * (2**61 + 2) + 7 * (2**61 + 3)
    lazy = Points(T_NS[:4], np.diff(T_NS[:4]), Counted(value))
    assert [lazy.until(1), lazy.until(3)] == [21, points.until(3)]


def test_a_row_is_what_the_points_come_to() -> None:
    """First and last reading, how many, twice the integral, the longest gap; one reading alone has none."""
    row = points_of(T_NS, VALUE).summed()
    assert row[1:8] == (100, 163, 10, 1, 10, double_integral(T_NS, VALUE), 7)
    assert points_of(T_NS[:1], VALUE[:1]).summed()[1:8] == (100, 100, 1, 1, 1, 0, 0)
