"""What the store says of a host's clock."""

from __future__ import annotations

import pytest

from joulemark.collector.store.base import UNKNOWN_BOUND_NS, HostState, Received
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto.messages import ClockState, Overhead
from tests.collector.store.conftest import METERS, SYNCED, T0, S, batch


@pytest.mark.parametrize(
    ("clock", "same_clock", "expected"),
    [
        (SYNCED, False, (1_500_000, 40_000)),
        (SYNCED, True, (0, 0)),
        (ClockState(), True, (0, 0)),
        (ClockState(offset_ns=7, bound_ns=9), False, (0, 16 * S)),
    ],
)
def test_an_offset_counts_only_when_it_was_measured(clock: ClockState, same_clock: bool, expected: tuple[int, int]) -> None:
    """Under one kernel offset and bound are 0; an offset that no probe confirmed is not applied and its bound is 16 s."""
    state = HostState("h", T0, T0, same_clock, clock, Overhead())
    assert (state.offset_ns, state.bound_ns) == expected


def test_a_clock_nobody_compared_is_not_called_exact(store: SqliteStore) -> None:
    """Without a known offset the bound is 16 s; with agent and collector under one kernel it is 0."""
    store.append(batch(0, clock=ClockState())).result()
    assert store.series(METERS[:1], T0 - S, T0 + 60 * S)[0].clock_bound_ns == UNKNOWN_BOUND_NS
    local = batch(5, clock=ClockState(), epoch_ns=T0 + 5)
    store.append(Received("h", local.view, local.body, local.rx_ns, same_clock=True)).result()
    assert store.series(METERS[:1], T0 + 4 * S, T0 + 60 * S)[0].clock_bound_ns == 0
