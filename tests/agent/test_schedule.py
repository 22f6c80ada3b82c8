from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from joulemark.agent.schedule import Backoff, Grid


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
