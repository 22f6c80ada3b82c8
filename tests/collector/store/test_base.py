"""What the store says of a host's clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.collector.store.base import UNKNOWN_BOUND_NS, HostState, Received
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto.messages import ClockState, Overhead
from tests.collector.store.conftest import METERS, SYNCED, T0, S, batch


@pytest.mark.parametrize(
    ("clock", "same_clock", "expected"),
    [
        (SYNCED, False, (1_500_000, 40_000)),
        (SYNCED, True, (1_500_000, 40_000)),
        (ClockState(), True, (0, 0)),
        (ClockState(offset_ns=7, bound_ns=9), False, (0, 16 * S)),
    ],
)
def test_an_offset_counts_only_when_it_was_measured(clock: ClockState, same_clock: bool, expected: tuple[int, int]) -> None:
    """Probes are believed, also over the kernel's identity, which makes offset and bound 0; without either the bound is 16 s."""
    state = HostState("h", T0, T0, same_clock, clock, Overhead())
    assert (state.offset_ns, state.bound_ns) == expected


def test_a_clock_nobody_compared_is_not_called_exact(store: SqliteStore) -> None:
    """Without a known offset the bound is 16 s; with agent and collector under one kernel it is 0."""
    store.append(batch(0, clock=ClockState())).result()
    assert store.series(METERS[:1], T0 - S, T0 + 60 * S)[0].clock_bound_ns == UNKNOWN_BOUND_NS
    local = batch(5, clock=ClockState(), epoch_ns=T0 + 5)
    store.append(Received("h", local.view, local.body, local.rx_ns, same_clock=True)).result()
    assert store.series(METERS[:1], T0 + 4 * S, T0 + 60 * S)[0].clock_bound_ns == 0


def test_a_false_clock_under_one_kernel_is_corrected(store: SqliteStore) -> None:
    """When the probes disagree with the boot id, every row moves by what they found, those before the first probe too."""
    fast = ClockState(offset_ns=-3600 * S, bound_ns=40_000, offset_known=True)
    for number, clock in enumerate((ClockState(), fast)):
        store.append(replace(batch(number, clock=clock), same_clock=True)).result()
    for _ in range(2):
        (series,) = store.series(METERS[1:], T0 - 3600 * S, T0 - 3590 * S)
        assert len(series) == 20
        assert 40_000 <= series.clock_bound_ns < S
        store.seal(T0, everything=True)
    (stream,) = store.streams()
    assert not stream.same_clock
    assert stream.last_ns < T0 - 3590 * S
    assert store.losses(T0 - 3600 * S, T0 - 3590 * S)
    assert not store.losses(T0, T0 + S)
