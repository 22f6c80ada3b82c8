"""Ranks of a table: what cannot be told apart shares one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from joulemark.standard.ranking import Entry, ranks

ENTRIES = st.lists(st.builds(Entry, st.floats(1.0, 1e4), st.floats(0.0, 100.0)), max_size=12)


def test_the_limit_is_the_uncertainty_of_the_difference() -> None:
    """Two entries share a rank up to and at sqrt(U1^2 + U2^2), and no further."""
    apart = math.hypot(3.0, 4.0)
    assert ranks([Entry(250.0, 3.0), Entry(250.0 + apart, 4.0)]) == [1, 1]
    assert ranks([Entry(250.0, 3.0), Entry(math.nextafter(250.0 + apart, 300.0), 4.0)]) == [1, 2]


def test_less_is_better_and_ranks_are_left_out() -> None:
    """The entry with fewer joules comes first; after two that share the first rank comes the third."""
    assert ranks([Entry(261.8, 1.0), Entry(250.0, 4.0), Entry(251.0, 3.0)]) == [3, 1, 1]
    assert ranks([]) == []


def test_a_chain_of_neighbours_is_not_one_rank() -> None:
    """Each is like its neighbour, and the last is worse than the first: ties are not handed on."""
    assert ranks([Entry(100.0, 1.0), Entry(101.0, 1.0), Entry(102.0, 1.0)]) == [1, 1, 2]


@given(ENTRIES)
def test_ranks_keep_the_order_of_equal_uncertainties(entries: list[Entry]) -> None:
    """Where all are known equally well, a smaller value never ranks behind a larger one; somebody is always first."""
    alike = [Entry(entry.value, 5.0) for entry in entries]
    found = ranks(alike)
    assert all(a <= b for (x, a) in zip(alike, found, strict=True) for (y, b) in zip(alike, found, strict=True) if x.value <= y.value)
    assert not found or min(found) == 1


@given(ENTRIES)
def test_ranks_are_counted_as_the_rule_says(entries: list[Entry]) -> None:
    """Each rank is the count of UNC-4, written out entry by entry."""
    counted = [1 + sum(one.value - other.value > math.hypot(one.u95, other.u95) for other in entries) for one in entries]
    assert ranks(entries) == counted


def test_a_large_table_is_ranked_at_once() -> None:
    """Four thousand entries of one class take no minutes; numbers beyond belief end in a rank too."""
    found = ranks([Entry(200.0 + number % 97, 1.0 + number % 5) for number in range(4_000)])
    assert min(found) == 1
    assert ranks([Entry(1e308, 1.0), Entry(-1e308, 1e308)]) == [2, 1]
