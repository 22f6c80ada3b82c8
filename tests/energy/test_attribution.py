"""Shared energy: parts come to the whole, whatever overlaps; and each part is what the definition says, in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.energy.attribution import UNITS, Claims, Shared, running, sums
from joulemark.energy.series import Float64, Int64

END = 1000
TIMES = st.integers(-200, END + 200)
WEIGHTS = st.one_of(st.just(math.nan), st.just(0.0), st.floats(1e-6, 1e9))
CLAIMS = st.lists(st.tuples(TIMES, st.integers(0, 600), WEIGHTS), max_size=12)
GAPS = st.lists(st.tuples(TIMES, st.integers(0, 300)), max_size=3)
CUTS = st.lists(st.integers(0, END), max_size=5)
SEEDS = st.integers(0, 2**32 - 1)


def course(seed: int) -> tuple[Float64, Float64]:
    """(times, energy): a growing energy with bends at random times."""
    rng = np.random.default_rng(seed)
    return np.arange(0, END + 1, 10), np.concatenate(([0.0], np.cumsum(10.0 ** rng.uniform(-3.0, 3.0, END // 10))))


def shared(
    rows: list[tuple[int, int, float]], gaps: list[tuple[int, int]], cuts: list[int], known: tuple[Float64, Float64]
) -> tuple[Claims, Shared]:
    begin, length, weight = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0), np.zeros(0), np.zeros(0))
    claims = Claims(begin.astype(np.int64), (begin + length).astype(np.int64), weight.astype(np.float64))
    gaps_ns = np.array([(at, at + length) for at, length in gaps], dtype=np.int64).reshape(-1, 2)
    return claims, Shared.of(
        lambda t_ns: np.interp(t_ns, *known), claims, begin_ns=0, end_ns=END, gaps_ns=gaps_ns, cuts_ns=np.array(cuts, dtype=np.int64)
    )


def by_definition(claims: Claims, gaps: list[tuple[int, int]], known: tuple[Float64, Float64]) -> tuple[list[Fraction], Fraction, Fraction]:
    """(of each claim, idle, unattributed) from the definition, interval by interval, in exact fractions."""
    rows = list(zip(claims.begin_ns.tolist(), claims.end_ns.tolist(), claims.weight.tolist(), strict=True))
    edges = sorted(
        {0, END}
        | {min(max(e, 0), END) for b, e_, _ in rows for e in (b, e_)}
        | {min(max(e, 0), END) for at, n in gaps for e in (at, at + n)}
    )
    least = Fraction(math.fsum(w for *_, w in rows if not math.isnan(w))) / Fraction(UNITS)
    got, idle, lost = [Fraction(0)] * len(rows), Fraction(0), Fraction(0)
    for a, b in pairwise(edges):
        energy = Fraction(float(np.interp(b, *known))) - Fraction(float(np.interp(a, *known)))
        active = [i for i, (begin, end, _) in enumerate(rows) if begin <= a and b <= end]
        if any(at <= a and b <= at + n for at, n in gaps):
            lost += energy
        elif not active:
            idle += energy
        else:
            weights = [rows[i][2] for i in active]
            even = any(math.isnan(w) for w in weights) or sum(weights) == 0.0
            parts = [Fraction(1)] * len(active) if even else [max(Fraction(w), least) for w in weights]
            for i, part in zip(active, parts, strict=True):
                got[i] += energy * part / sum(parts)
    return got, idle, lost


@given(CLAIMS, GAPS, CUTS, SEEDS)
def test_parts_come_to_the_whole(rows: list[tuple[int, int, float]], gaps: list[tuple[int, int]], cuts: list[int], seed: int) -> None:
    """Claims, idle and unattributed energy add up to the energy of the window, whatever overlaps, to 1e-12."""
    known = course(seed)
    _, found = shared(rows, gaps, cuts, known)
    parts, whole_j = found.parts(), float(known[1][-1])
    assert math.fsum(found.claims_j()) + parts.idle_j + parts.unattributed_j == pytest.approx(whole_j, rel=1e-12)
    assert math.fsum(found.claims_j()) == pytest.approx(parts.claimed_j, rel=1e-12, abs=1e-12 * whole_j)
    assert bool(np.all(found.claims_j() >= 0.0))


@given(CLAIMS, GAPS, CUTS, SEEDS)
def test_each_part_is_what_the_definition_says(
    rows: list[tuple[int, int, float]], gaps: list[tuple[int, int]], cuts: list[int], seed: int
) -> None:
    """Every claim has in each interval its weight's part of the energy, evenly where a weight is not known, and none in a gap."""
    known = course(seed)
    claims, found = shared(rows, gaps, cuts, known)
    got, idle, lost = by_definition(claims, gaps, known)
    whole_j = float(known[1][-1])
    assert found.claims_j().tolist() == pytest.approx([float(part) for part in got], rel=1e-9, abs=1e-12 * whole_j)
    parts = found.parts()
    assert (parts.idle_j, parts.unattributed_j) == pytest.approx((float(idle), float(lost)), rel=1e-9, abs=1e-12 * whole_j)


@given(CLAIMS, GAPS, CUTS, SEEDS)
def test_slices_come_to_the_whole(rows: list[tuple[int, int, float]], gaps: list[tuple[int, int]], cuts: list[int], seed: int) -> None:
    """What the window is cut into adds up again: each claim, idle, and what is not attributed."""
    known = course(seed)
    _, found = shared(rows, gaps, cuts, known)
    spans = [found.rows(*span) for span in pairwise(sorted({0, END, *cuts}))]
    whole_j = float(known[1][-1])
    one_by_one = np.eye(len(rows), dtype=bool)
    by_slice = [math.fsum(math.fsum(found.taken_j(which)[span]) for span in spans) for which in one_by_one]
    assert by_slice == pytest.approx(found.claims_j().tolist(), rel=1e-9, abs=1e-12 * whole_j)
    for name in ("energy_j", "claimed_j", "idle_j", "unattributed_j", "idle_s", "unattributed_s", "evenly_s"):
        total = math.fsum(getattr(found.parts(span), name) for span in spans)
        assert total == pytest.approx(getattr(found.parts(), name), rel=1e-12, abs=1e-12 * whole_j), name


def test_two_requests_that_overlap() -> None:
    """At 1 W over [0, 600] and [400, 1000] each has its own 400 and half of the 200 together; alone are 400."""
    known = (np.array([0.0, 1000.0]), np.array([0.0, 1000.0]))
    _, found = shared([(0, 600, math.nan), (400, 600, math.nan)], [], [], known)
    assert found.claims_j().tolist() == [500.0, 500.0]
    assert found.claims_alone_j().tolist() == [400.0, 400.0]
    assert found.parts().evenly_s == pytest.approx(200e-9)


def test_a_weight_decides_only_where_all_are_known() -> None:
    """Weights 3 and 1 part the common 200 as 150 and 50; beside one that is not known they part evenly."""
    known = (np.array([0.0, 1000.0]), np.array([0.0, 1000.0]))
    _, found = shared([(0, 600, 3.0), (400, 600, 1.0)], [], [], known)
    assert found.claims_j().tolist() == pytest.approx([550.0, 450.0], rel=1e-15)
    _, found = shared([(0, 600, 3.0), (400, 600, math.nan)], [], [], known)
    assert found.claims_j().tolist() == [500.0, 500.0]


def test_a_light_claim_beside_heavy_ones_keeps_its_figure() -> None:
    """A weight a billionth of the others' gets its billionth, right to 1e-6: nothing is lost to rounding."""
    known = (np.array([0.0, 1000.0]), np.array([0.0, 1e6]))
    _, found = shared([(0, 1000, 1e9), (0, 1000, 1.0)], [], [], known)
    assert found.claims_j()[1] == pytest.approx(1e6 / (1e9 + 1), rel=1e-6)


def test_a_gap_is_nobodys() -> None:
    """Energy inside a gap is not attributed, though a request was in flight; the rest of it is."""
    known = (np.array([0.0, 1000.0]), np.array([0.0, 1000.0]))
    _, found = shared([(0, 1000, math.nan)], [(300, 100)], [], known)
    assert found.claims_j().tolist() == [900.0]
    assert (found.parts().unattributed_j, found.parts().idle_j) == (100.0, 0.0)
    assert found.claims_lost_s().tolist() == pytest.approx([100e-9])


def test_cuts_are_cut() -> None:
    """A part of the window is exact at its edges, although no request begins or ends there."""
    known = (np.array([0.0, 1000.0]), np.array([0.0, 1000.0]))
    _, found = shared([(0, 1000, math.nan)], [], [300, 450], known)
    assert found.parts(found.rows(300, 450)).claimed_j == 150.0
    assert math.fsum(found.taken_j(np.array([True]))[found.rows(300, 450)]) == 150.0


def test_no_claim_at_all_is_idle() -> None:
    """Without requests all energy is that of a time without requests."""
    _, found = shared([], [], [], course(1))
    assert found.parts().idle_j == pytest.approx(float(course(1)[1][-1]), rel=1e-12)
    assert len(found.claims_j()) == 0


@pytest.mark.parametrize(
    ("begin", "end", "weight", "said"),
    [([0], [1, 2], [1.0], "length"), ([5], [4], [1.0], "before"), ([0], [1], [-1.0], "negative"), ([0], [1], [math.inf], "infinite")],
)
def test_claims_that_are_none(begin: list[int], end: list[int], weight: list[float], said: str) -> None:
    """Columns of different lengths, an end before the begin and weights that are no weights are refused."""
    with pytest.raises(ValueError, match=said):
        Claims(np.array(begin), np.array(end), np.array(weight))


def test_sums_and_running_by_hand() -> None:
    """Sums of stretches in any order, empty ones among them; amounts that begin and end at one edge cancel."""
    values: Float64 = np.array([1.0, 2.0, 4.0, 8.0])
    assert sums(values, np.array([2, 0, 1, 3]), np.array([4, 4, 1, 4])).tolist() == [12.0, 15.0, 0.0, 8.0]
    first: Int64 = np.array([0, 1, 1])
    assert running(3, first, np.array([2, 3, 1]), np.array([1, 10, 100])).tolist() == [1, 11, 10]
