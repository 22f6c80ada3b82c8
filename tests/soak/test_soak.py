"""The soak as a test: a few simulated hours for real, the same with a leak, and the line that it judges by."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tests.soak.__main__ import execute
from tests.soak.slope import slope

HOURS = 3.0
SHORT_LIMIT_MB_PER_H = 3.0
"""Caches still fill in so short a time; the leak below is far above it."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_hours_leave_no_trace(tmp_path: Path) -> None:
    """Agent and collector neither grow nor keep descriptors over three simulated hours of readings, runs, queries and lost links."""
    line, red = asyncio.run(execute(tmp_path, HOURS, limit_mb_per_h=SHORT_LIMIT_MB_PER_H))
    assert red == []
    assert min(line["fds_start"], line["fds_end"]) > 0
    assert line["samples"] > 0
    assert line["runs"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_leak_is_seen(tmp_path: Path) -> None:
    """An agent that keeps a little memory and a socket five times a second turns the soak red for both."""
    _, red = asyncio.run(execute(tmp_path, HOURS / 2, limit_mb_per_h=SHORT_LIMIT_MB_PER_H, leak=True))
    assert any(text.startswith("the agent process grows") for text in red)
    assert any(text.startswith("descriptors went from") and "agent socket" in text for text in red)


def test_slope_of_a_line() -> None:
    """A straight line has its slope, exactly and without uncertainty."""
    x = np.arange(20.0)
    found = slope(x, 3.0 + 0.5 * x)
    assert found.per_x == pytest.approx(0.5)
    assert found.u == pytest.approx(0.0, abs=1e-9)


def test_slope_of_steps_is_less_certain_than_of_noise() -> None:
    """Residuals that last count as fewer values than residuals that do not, so a step of the allocator is no leak."""
    x = np.arange(200.0)
    noise = np.random.default_rng(1).normal(0.0, 1.0, 200)
    steps = np.repeat(noise[:10], 20)
    assert slope(x, steps).u > 2.0 * slope(x, noise).u
    assert abs(slope(x, noise).per_x) < 3.0 * slope(x, noise).u


def test_too_few_points_have_no_slope() -> None:
    """Less than eight points are refused."""
    with pytest.raises(ValueError, match="too few"):
        slope([1.0, 2.0], [1.0, 2.0])
