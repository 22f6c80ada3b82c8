from __future__ import annotations

import random

import pytest

from joulemark.agent.clock_fit import Exchange, continued, estimate, exchange, least_delayed

S = 1_000_000_000


def probes(offset_ns: int, drift_ppb: float, times_s: range, seed: int) -> list[Exchange]:
    """What probing a clock of known offset and drift gives: bursts of eight over a path of uneven delay."""
    rng = random.Random(seed)
    found: list[Exchange] = []

    def remote(mono_ns: int) -> int:
        return mono_ns + offset_ns + round(mono_ns * drift_ppb * 1e-9)

    for second in times_s:
        burst = []
        for i in range(8):
            t1 = second * S + i * 2_000_000
            there, back, work = (rng.randrange(50_000, 900_000) for _ in range(3))
            burst.append(exchange(t1, remote(t1 + there), remote(t1 + there + work), t1 + there + work + back))
        found = continued(found, least_delayed(burst))
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("offset_ns", "drift_ppb"), [(123_456_789, 20_000.0), (-5 * S, -80_000.0), (1_790_000_000 * S, 300.0), (0, 0.0)])
def test_fit_recovers_offset_and_drift_within_bound(offset_ns: int, drift_ppb: float, seed: int) -> None:
    """Over two minutes of probes the injected offset lies within the bound, and the drift within 3 ppm."""
    found = probes(offset_ns, drift_ppb, range(0, 121, 10), seed)
    now = 125 * S
    got = estimate(found, now)
    assert got is not None
    truth = offset_ns + round(now * drift_ppb * 1e-9)
    assert abs(got.offset_ns - truth) <= got.bound_ns < 2_000_000
    assert got.drift_ppb == pytest.approx(drift_ppb, abs=3000)


@pytest.mark.parametrize("seed", range(20))
def test_short_history_bounds_without_a_drift(seed: int) -> None:
    """Before a minute has passed no drift is claimed, and the bound still holds for clocks that part by 80 ppm."""
    found = probes(42_000_000, 80_000.0, range(0, 31, 10), seed)
    got = estimate(found, 40 * S)
    assert got is not None
    assert got.drift_ppb == 0
    assert abs(got.offset_ns - (42_000_000 + 40 * 80_000)) <= got.bound_ns


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("until_s", "drift_ppb"), [(1, 100_000.0), (31, -100_000.0), (121, 100_000.0), (121, -20_000.0)])
def test_the_bound_holds_through_the_whole_batch(until_s: int, drift_ppb: float, seed: int) -> None:
    """Every moment of a batch of 10 s, also one that began before the first probe, lies within the bound of its state at 100 ppm."""
    found = probes(-12 * S, drift_ppb, range(0, until_s, 10), seed)
    now = until_s * S + 4 * S
    for since in (now - 10 * S, now - S):
        got = estimate(found, now, since_mono_ns=since)
        assert got is not None
        for at in range(since, now + 1, S // 2):
            truth = -12 * S + round(at * drift_ppb * 1e-9)
            assert abs(got.offset_ns + got.drift_ppb * (at - now) // S - truth) <= got.bound_ns < 3_000_000


def test_bound_grows_while_nobody_answers() -> None:
    """An hour after the last probe the bound is wider than just after it."""
    found = probes(0, 0.0, range(0, 121, 10), 1)
    soon, late = estimate(found, 121 * S), estimate(found, 3721 * S)
    assert soon is not None
    assert late is not None
    assert late.bound_ns > soon.bound_ns + 3_000_000


def test_step_of_the_other_clock_starts_anew() -> None:
    """Probes that contradict the fit are a stepped clock: what was known before is forgotten."""
    found = probes(0, 0.0, range(0, 121, 10), 1)
    stepped = Exchange(130 * S, 5 * S, 100_000)
    assert continued(found, stepped) == [stepped]


def test_nothing_known_is_no_estimate() -> None:
    """Without a probe there is no offset, not a zero."""
    assert estimate([], 0) is None
