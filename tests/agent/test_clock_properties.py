"""Clock estimates over generated exchanges: whatever the delays of the network, the truth lies within the bound."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from joulemark.agent.clock_fit import Exchange, continued, estimate, exchange, least_delayed

S = 1_000_000_000
T0 = 1_790_000_000 * S
DELAYS = st.integers(0, 5 * S)


def exchanged(mono_ns: int, offset_ns: int, out_ns: int, held_ns: int, back_ns: int) -> Exchange:
    """A probe sent at `mono_ns` to a collector whose clock is ahead by `offset_ns`."""
    arrived, left = mono_ns + out_ns, mono_ns + out_ns + held_ns
    return exchange(mono_ns, arrived + offset_ns, left + offset_ns, left + back_ns)


@given(st.integers(0, 10**18), st.integers(-(10**18), T0), DELAYS, DELAYS, DELAYS)
def test_the_true_offset_lies_within_half_a_round_trip(mono_ns: int, offset_ns: int, out_ns: int, held_ns: int, back_ns: int) -> None:
    """However unequal the two ways are, and however long the collector holds the probe, the error is at most half of what travelled."""
    found = exchanged(mono_ns, offset_ns, out_ns, held_ns, back_ns)
    assert abs(found.offset_ns - offset_ns) <= found.half_rtt_ns
    assert found.half_rtt_ns <= (out_ns + back_ns + 1) // 2


@given(st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=8))
def test_the_least_delayed_of_a_burst_is_kept(delays: list[tuple[int, int]]) -> None:
    """Of a burst the exchange with the narrowest bound counts, and its bound holds."""
    burst = [exchanged(i * S, T0, out_ns, 0, back_ns) for i, (out_ns, back_ns) in enumerate(delays)]
    found = least_delayed(burst)
    assert found.half_rtt_ns == min(e.half_rtt_ns for e in burst)
    assert abs(found.offset_ns - T0) <= found.half_rtt_ns


@given(
    st.integers(0, 2**32 - 1),
    st.integers(-50_000, 50_000),
    st.integers(2, 40),
    st.integers(5, 30),
    st.sampled_from([100_000, 1_000_000, 50_000_000]),
    st.integers(0, 120),
)
def test_the_true_offset_lies_within_the_bound(seed: int, drift_ppb: int, count: int, spacing_s: int, delay_ns: int, age_s: int) -> None:
    """For clocks that part by up to 50 ppm, probed over any network, the estimate is within its bound during and after the probes."""
    rng = random.Random(seed)

    def truth(mono_ns: int) -> int:
        return T0 + mono_ns * drift_ppb // S

    known: list[Exchange] = []
    for i in range(count):
        at_ns = i * spacing_s * S
        known = continued(known, exchanged(at_ns, truth(at_ns), rng.randrange(delay_ns), rng.randrange(10**6), rng.randrange(delay_ns)))
    now_ns = known[-1].mono_ns + age_s * S
    found = estimate(known, now_ns)
    assert found is not None
    slack_ns = 2 + 3 * (delay_ns + 10**6) * abs(drift_ppb) // S
    assert abs(found.offset_ns - truth(now_ns)) <= found.bound_ns + slack_ns
