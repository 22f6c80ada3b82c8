"""What holds for every series, window and count: sums, shifts, scales, refinements, gaps, wraps and resets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from joulemark.energy.attribute import joules_per_1k
from joulemark.energy.counters import counter_energy, refreshes, unwrap
from joulemark.energy.idle import IdleKind, above_idle
from joulemark.energy.integrate import coverage, trapezoid_j
from joulemark.energy.phase import measure
from joulemark.energy.series import Float64, Int64, Series
from joulemark.energy.uncertainty import Component, combined, effective_dof
from joulemark.errors import InsufficientData
from joulemark.readings import Quality, Quantity
from tests.energy.waves import T0_NS, WALL, S, SquareWave, device, meter, polls_ns, window

SPACINGS = st.lists(st.integers(1, 5 * S), min_size=2, max_size=50)
SHARES = st.floats(0.0, 1.0)
SEEDS = st.integers(0, 2**32 - 1)
FACTORS = st.floats(1e-3, 1e3)


def axis(spacings: list[int]) -> Int64:
    return T0_NS + np.concatenate(([0], np.cumsum(spacings))).astype(np.int64)


def powers(seed: int, n: int) -> Float64:
    """Powers over six orders of magnitude, some of them 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.1, 0.0, 10.0 ** rng.uniform(-2.0, 4.0, n))


def place(t_ns: Int64, share: float) -> int:
    return int(t_ns[0]) + round(share * int(t_ns[-1] - t_ns[0]))


# --- power ------------------------------------------------------------------------------------------------------------


@given(SPACINGS, SEEDS, st.lists(SHARES, min_size=2, max_size=12))
def test_any_cuts_add_up(spacings: list[int], seed: int, shares: list[float]) -> None:
    """However a window is cut into phases, their energies and those between them are the energy of the whole, to 1e-12."""
    t_ns = axis(spacings)
    power = powers(seed, len(t_ns))
    cuts = sorted(place(t_ns, share) for share in shares)
    parts = math.fsum(trapezoid_j(t_ns, power, a, b) for a, b in pairwise(cuts))
    whole_j = trapezoid_j(t_ns, power, int(t_ns[0]), int(t_ns[-1]))
    assert parts == pytest.approx(trapezoid_j(t_ns, power, cuts[0], cuts[-1]), rel=1e-12, abs=1e-12 * whole_j)


@given(SPACINGS, SEEDS, SHARES, SHARES, st.sampled_from([-(2**60), 2**60]) | st.integers(-(2**60), 2**60))
def test_a_shift_changes_nothing(spacings: list[int], seed: int, one: float, other: float, shift: int) -> None:
    """Readings and window moved together by up to 36 years give the same joules to the last bit."""
    t_ns = axis(spacings)
    power = powers(seed, len(t_ns))
    a, b = sorted((place(t_ns, one), place(t_ns, other)))
    assert trapezoid_j(t_ns + shift, power, a + shift, b + shift) == trapezoid_j(t_ns, power, a, b)


@given(SPACINGS, SEEDS, SEEDS, FACTORS)
def test_linear_in_power(spacings: list[int], seed: int, other: int, factor: float) -> None:
    """The energy of a sum of powers is the sum of energies, and a multiple of a power has that multiple of its energy."""
    t_ns = axis(spacings)
    p, q = powers(seed, len(t_ns)), powers(other, len(t_ns))
    ends = int(t_ns[0]), int(t_ns[-1])
    e, f = trapezoid_j(t_ns, p, *ends), trapezoid_j(t_ns, q, *ends)
    assert trapezoid_j(t_ns, p + factor * q, *ends) == pytest.approx(e + factor * f, rel=1e-12)


@given(SPACINGS, SEEDS, st.lists(SHARES, min_size=1, max_size=10), SHARES, SHARES)
def test_readings_on_the_line_change_nothing(spacings: list[int], seed: int, shares: list[float], one: float, other: float) -> None:
    """Readings put in between others, on the straight line that joins them, leave every energy as it was."""
    t_ns = axis(spacings)
    power = powers(seed, len(t_ns))
    finer = np.unique(np.concatenate((t_ns, [place(t_ns, share) for share in shares])))
    between = np.interp((finer - t_ns[0]) / 1e9, (t_ns - t_ns[0]) / 1e9, power)
    a, b = sorted((place(t_ns, one), place(t_ns, other)))
    whole_j = trapezoid_j(t_ns, power, int(t_ns[0]), int(t_ns[-1]))
    assert trapezoid_j(finer, between, a, b) == pytest.approx(trapezoid_j(t_ns, power, a, b), rel=1e-6, abs=1e-9 * whole_j + 1e-6)


@given(SPACINGS, SEEDS, SHARES, SHARES)
def test_energy_lies_between_the_least_and_the_most(spacings: list[int], seed: int, one: float, other: float) -> None:
    """No energy is negative, below the least power times the time, or above the highest."""
    t_ns = axis(spacings)
    power = powers(seed, len(t_ns))
    a, b = sorted((place(t_ns, one), place(t_ns, other)))
    energy_j, seconds = trapezoid_j(t_ns, power, a, b), (b - a) / 1e9
    assert energy_j >= 0.0
    assert power.min() * seconds * (1 - 1e-12) - 1e-9 <= energy_j <= power.max() * seconds * (1 + 1e-12) + 1e-9


@given(SPACINGS, st.integers(1, 10**15), st.booleans())
def test_nothing_is_known_outside_of_the_readings(spacings: list[int], beyond: int, before: bool) -> None:
    """A window that reaches a nanosecond or years beyond the readings has no energy."""
    t_ns = axis(spacings)
    begin, end = (int(t_ns[0]) - beyond, int(t_ns[-1])) if before else (int(t_ns[0]), int(t_ns[-1]) + beyond)
    with pytest.raises(InsufficientData):
        trapezoid_j(t_ns, np.ones(len(t_ns)), begin, end)


@given(SPACINGS, st.data(), SHARES, SHARES, st.floats(0.001, 5.0))
def test_a_reading_less_never_covers_more(spacings: list[int], data: st.DataObject, one: float, other: float, interval_s: float) -> None:
    """With one reading taken away the covered share of a window never rises, and the largest gap never shrinks."""
    t_ns = axis(spacings)
    a, b = sorted((place(t_ns, one), place(t_ns, other)))
    assume(a < b)
    fewer = np.delete(t_ns, data.draw(st.integers(0, len(t_ns) - 1)))
    assume(fewer[0] <= a)
    assume(b <= fewer[-1])
    whole, less = (coverage(t, a, b, interval_s=interval_s) for t in (t_ns, fewer))
    assert less.share <= whole.share + 1e-12
    assert less.max_gap_s >= whole.max_gap_s


# --- counters ---------------------------------------------------------------------------------------------------------


def counter(values: list[int], *, modulus: int | None = None, rated_w: float | None = None) -> Series:
    info = meter("energy", Quantity.ENERGY_COUNTER, modulus=modulus, rated_w=rated_w)
    return Series.plain(info, T0_NS + np.arange(len(values), dtype=np.int64) * S, np.array(values))


@given(st.integers(10, 2**48), st.data())
def test_wraps_at_any_modulus_lose_nothing(modulus: int, data: st.DataObject) -> None:
    """Whatever its modulus, a counter that grows by less than half of it between reads gives last minus first of the true count."""
    steps = data.draw(st.lists(st.integers(0, (modulus - 1) // 2), min_size=1, max_size=40))
    true = np.cumsum([data.draw(st.integers(0, modulus - 1)), *steps])
    found = unwrap(counter([int(v) % modulus for v in true], modulus=modulus))
    assert int(found.count[-1] - found.count[0]) == sum(steps)
    assert not found.segment.any()


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=1, max_size=12), min_size=1, max_size=5), st.integers(1, 10**12))
def test_resets_at_any_place_add_no_energy(rises: list[list[int]], start: int) -> None:
    """Between two resets the count is last minus first; across one it neither grows nor falls; it never falls anywhere."""
    values: list[int] = []
    for part in rises:
        values += [int(v) for v in np.cumsum([start, *part])]
    found = unwrap(counter(values))
    assert np.all(np.diff(found.count) >= 0)
    assert int(found.count[-1] - found.count[0]) == sum(map(sum, rises))
    falls = sum(sum(part) > 0 for part in rises[:-1])
    assert int(found.segment[-1]) == falls


SHAPES = {
    "flat": lambda n, _: np.zeros(n),
    "rising": lambda n, rng: np.cumsum(rng.integers(1, 1000, n)),
    "falling": lambda n, rng: -np.cumsum(rng.integers(1, 1000, n)),
    "noisy": lambda n, rng: np.cumsum(rng.integers(1, 1000, n)) + rng.integers(-5000, 5000, n),
    "idle ramp flat": lambda n, rng: np.concatenate(
        (np.zeros(n // 3), np.cumsum(rng.integers(1, 1000, n // 3)), np.zeros(n - 2 * (n // 3)))
    ),
}


@given(st.sampled_from(list(SHAPES)), SEEDS, st.integers(6, 60), SHARES, SHARES)
def test_no_counter_gives_negative_or_invented_energy(shape: str, seed: int, n: int, one: float, other: float) -> None:
    """Flat, rising, falling, noisy, or idle with a ramp: a counter gives no energy at all, or one between 0 and what it showed."""
    series = counter((SHAPES[shape](n, np.random.default_rng(seed)) + 10**9).astype(np.int64).tolist())
    a, b = sorted((place(series.t_ns, one), place(series.t_ns, other)))
    assume(a < b)
    try:
        found = counter_energy(refreshes(series), a, b)
    except InsufficientData:
        return
    most_j = float(np.clip(np.diff(series.value), 0, None).sum()) / 1000
    assert -1e-9 <= found.energy_j <= most_j + 1e-9


@given(st.lists(st.integers(1, 10**7), min_size=6, max_size=40), st.lists(SHARES, min_size=2, max_size=8), st.integers(-(2**60), 2**60))
def test_counter_phases_add_up_and_shift(steps: list[int], shares: list[float], shift: int) -> None:
    """Phases cut anywhere add up to the whole, and all times moved together change nothing."""
    series = counter([int(v) for v in np.cumsum([0, *steps])])
    points, moved = refreshes(series), refreshes(replace(series, t_ns=series.t_ns + shift))
    cuts = sorted(place(points.t_ns, share) for share in shares)
    parts = [counter_energy(points, a, b).energy_j for a, b in pairwise(cuts)]
    assert math.fsum(parts) == pytest.approx(counter_energy(points, cuts[0], cuts[-1]).energy_j, abs=1e-9 * sum(steps))
    assert [counter_energy(moved, a + shift, b + shift).energy_j for a, b in pairwise(cuts)] == parts


# --- both, and what is said of them -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A seeded GPU under a square wave, polled with jitter, and a window that begins anywhere: the truth and what is said of it."""

    true_j: float
    counter_j: float
    trapezoid_j: float
    u95_j: float
    swing_w: float
    jumps: float
    spacing_s: float


def case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    low_w, swing_w, half_s = rng.uniform(60, 120), rng.uniform(0, 600), rng.uniform(0.3, 4.0)
    rate_hz, begin_s, length_s = float(rng.choice([5.0, 10.0, 20.0])), rng.uniform(1.0, 9.0), rng.uniform(3.0, 25.0)
    wave = SquareWave(half_s, low_w=low_w, high_w=low_w + swing_w, phase_s=rng.uniform(0, 9))
    found = measure(window(begin_s, begin_s + length_s), device(wave, polls_ns(rng, 40.0, rate_hz=rate_hz)))
    assert found.energy_counter_j is not None
    assert found.energy_trapezoid_j is not None
    assert found.u95_j is not None
    true_j = float(np.diff(wave.energy_j(np.array([begin_s, begin_s + length_s])))[0])
    jumps = length_s / half_s + 1
    return Case(true_j, found.energy_counter_j, found.energy_trapezoid_j, found.u95_j, swing_w, jumps, 1 / rate_hz + 0.004)


def test_the_truth_lies_within_u95() -> None:
    """Of 200 windows over waves of known energy at least 95 in 100 lie within what is claimed of them."""
    inside = [abs(c.counter_j - c.true_j) <= c.u95_j for c in map(case, range(200))]
    assert sum(inside) >= 0.95 * len(inside)


def test_power_and_counter_agree() -> None:
    """Power gives the counter's energy within half a swing times the spacing of the polls for each jump, and a refresh at each edge."""
    for c in map(case, range(200)):
        assert abs(c.counter_j - c.trapezoid_j) <= c.swing_w * (c.jumps * c.spacing_s / 2 + 0.1) + 0.01


@given(SEEDS, st.integers(1, 30), st.integers(1, 10))
def test_a_gap_is_paid_for(seed: int, begin: int, length: int) -> None:
    """Readings missing in the middle of a phase move its energy by no more than the gap component says at k = 2."""
    rng = np.random.default_rng(seed)
    value = rng.integers(3000, 5000, 60) * 10
    whole = Series.plain(WALL, T0_NS + np.arange(60, dtype=np.int64) * S, value)
    quality = whole.quality.copy()
    quality[10 + begin : 10 + begin + length] = Quality.GAP
    phase = window(5, 55)
    full, holed = measure(phase, [whole]), measure(phase, [replace(whole, quality=quality)])
    assert full.budget is not None
    assert holed.budget is not None
    gap = holed.budget.component("gap").u_j
    assert gap is not None
    assert full.budget.component("gap").u_j == 0.0 < gap
    assert full.energy_j is not None
    assert holed.energy_j is not None
    assert abs(full.energy_j - holed.energy_j) <= 2 * gap + 2000.0
    assert holed.devices[0].headline is not None
    assert holed.devices[0].headline.coverage.share == pytest.approx(1 - length / 50)


U = st.floats(0.0, 1e6)


@given(st.lists(st.tuples(U, st.sampled_from(["", "a", "b"])), min_size=1, max_size=8), FACTORS)
def test_combined_uncertainty(lines: list[tuple[float, str]], factor: float) -> None:
    """Several meters together are no better than the worst, no worse than the plain sum, and scale with their lines."""
    components = [Component("spec", u, "", correlation_group=group) for u, group in lines]
    total = combined(components).u_j
    assert total is not None
    sum_j = math.fsum(u for u, _ in lines)
    assert max(u for u, _ in lines) * (1 - 1e-12) <= total <= sum_j * (1 + 1e-12)
    scaled = combined([replace(c, u_j=(c.u_j or 0.0) * factor) for c in components]).u_j
    assert scaled == pytest.approx(total * factor, rel=1e-9, abs=1e-12)


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.integers(1, 60)), min_size=1, max_size=6))
def test_effective_degrees_of_freedom(terms: list[tuple[float, int]]) -> None:
    """They lie between the fewest of one term and the sum of all."""
    nu = effective_dof([(u, float(dof)) for u, dof in terms])
    assert min(dof for _, dof in terms) <= nu <= sum(dof for _, dof in terms)


ENERGY = st.floats(1e-6, 1e12)


@given(ENERGY, st.integers(1, 10**12), st.integers(1, 1000), st.floats(0, 0.1), st.integers(0, 1000))
def test_joules_per_token_scale(energy_j: float, tokens: int, factor: int, u_rel: float, disagreement: int) -> None:
    """Ten times the tokens are a tenth of the joules per token, ten times the energy ten times; the relative uncertainty is finite."""
    one = joules_per_1k(energy_j, tokens, u_energy_j=u_rel * energy_j, disagreement=disagreement)
    more_tokens, more_energy = joules_per_1k(energy_j, tokens * factor), joules_per_1k(energy_j * factor, tokens)
    assert one is not None
    assert more_tokens is not None
    assert more_energy is not None
    assert one.value_j == pytest.approx(1000 * energy_j / tokens, rel=1e-12)
    assert more_tokens.value_j * factor == pytest.approx(one.value_j, rel=1e-12)
    assert more_energy.value_j == pytest.approx(one.value_j * factor, rel=1e-12)
    assert math.isfinite(one.u95_j)
    assert one.u_rel >= u_rel * (1 - 1e-12)


@given(st.floats(0, 1e12), st.sampled_from([0, None]))
def test_no_tokens_make_no_figure(energy_j: float, tokens: int | None) -> None:
    """No token, or an unknown number of them, is no joule per token: never infinite, never 0."""
    assert joules_per_1k(energy_j, tokens, u_energy_j=1.0, disagreement=3.0) is None


@given(ENERGY, st.floats(0.001, 1e6), st.floats(0, 1e5), st.floats(0, 1e5))
def test_idle_is_subtracted_in_proportion(energy_j: float, seconds: float, one_w: float, other_w: float) -> None:
    """Two idle powers taken away one after the other are their sum taken away; none leaves the gross energy."""
    both = above_idle(energy_j, seconds, idle_power_w=one_w + other_w, idle_kind=IdleKind.BARE).energy_dynamic_j
    once = above_idle(energy_j, seconds, idle_power_w=one_w, idle_kind=IdleKind.BARE).energy_dynamic_j
    assert above_idle(once, seconds, idle_power_w=other_w, idle_kind=IdleKind.BARE).energy_dynamic_j == pytest.approx(
        both, rel=1e-9, abs=1e-9 * (energy_j + (one_w + other_w) * seconds)
    )
    assert above_idle(energy_j, seconds, idle_power_w=0.0, idle_kind=IdleKind.READY).energy_dynamic_j == energy_j
