from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.agent.schedule import NO_BURSTS, Backoff, Bursts, Grid, Pace


def test_on_time_moves_one_step() -> None:
    """A deadline that was served in time is followed by the next one, and none is late."""
    grid = Grid(1000, 100)
    assert grid.advance(1003) == 0
    assert grid.due_ns == 1100


def test_late_deadlines_are_counted_and_skipped() -> None:
    """Work that ends 350 late passes over three deadlines, counts them and goes on at the next point of the same grid."""
    grid = Grid(1000, 100)
    assert grid.advance(1350) == 3
    assert grid.due_ns == 1400


@given(start=st.integers(0, 10**12), period=st.integers(1, 10**10), delays=st.lists(st.integers(0, 10**11), min_size=1, max_size=20))
def test_grid_never_drifts(start: int, period: int, delays: list[int]) -> None:
    """Every deadline lies on the grid and in the future, and served plus late ones account for all of it."""
    grid, late = Grid(start, period), 0
    for delay in delays:
        now = grid.due_ns + delay
        late += grid.advance(now)
        assert now < grid.due_ns <= now + period
    assert (grid.due_ns - start) // period == len(delays) + late
    assert (grid.due_ns - start) % period == 0


def test_backoff_doubles_to_its_longest_wait() -> None:
    """Waits double from the first to the longest, and begin anew after a success."""
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.jittered_s() <= 0.5


def test_a_burst_divides_the_grid_and_ends() -> None:
    """After a mark each tenth of a period is due, points of the grid among them, for as long as bursts last; then the grid goes on."""
    pace = Pace(0, 1000, Bursts(hz=10e6, lasting_s=1500e-9))
    assert pace.advance(3) == 0
    pace.mark(420)
    seen = []
    while pace.due_ns <= 4000:
        seen.append((pace.due_ns, pace.is_extra))
        assert pace.advance(pace.due_ns + 3) == 0
    burst = [(due, due % 1000 != 0) for due in range(500, 2000, 100)]
    assert seen == [*burst, (2000, False), (3000, False), (4000, False)]


def test_a_mark_inside_a_burst_prolongs_it() -> None:
    """The burst of two marks is one, which ends after the second; what it passes over is counted on the finer grid."""
    pace = Pace(0, 1000, Bursts(hz=10e6, lasting_s=500e-9))
    pace.advance(0)
    pace.mark(0)
    assert pace.advance(100) == 0
    pace.mark(450)
    assert pace.advance(780) == 5
    assert (pace.due_ns, pace.is_extra) == (800, True)
    assert pace.advance(951) == 1
    assert (pace.due_ns, pace.is_extra) == (1000, False)


@pytest.mark.parametrize("bursts", [NO_BURSTS, Bursts(20.0, 0.0), Bursts(0.0, 2.0), Bursts(20.0, 2.0)])
def test_no_burst_where_none_is_wanted_or_the_grid_is_as_dense(bursts: Bursts) -> None:
    """Turned off by either number, and at 20 Hz of a grid of 50 ms: a mark changes nothing."""
    pace = Pace(0, 50_000_000, bursts)
    pace.advance(0)
    pace.mark(1000)
    assert (pace.due_ns, pace.is_extra) == (50_000_000, False)


@given(
    ticks=st.integers(2, 50),
    at=st.lists(st.integers(0, 10**10), min_size=1, max_size=5),
    delays=st.lists(st.integers(0, 10**9), min_size=1),
)
def test_a_burst_never_moves_the_grid(ticks: int, at: list[int], delays: list[int]) -> None:
    """Whatever marks come and however late reads are, every deadline that is not of a burst alone stands on the grid, in the future."""
    pace, now = Pace(0, 10**9, Bursts(ticks, 1.0)), 0
    marks = sorted(at)
    for delay in delays * 3:
        now = max(now, pace.due_ns) + delay
        pace.advance(now)
        if marks and marks[0] <= now:
            marks.pop(0)
            pace.mark(now)
        assert pace.due_ns > now
        assert pace.is_extra or abs(pace.due_ns - round(pace.due_ns, -9)) < 60 * ticks
