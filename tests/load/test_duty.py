"""A share of time."""

from __future__ import annotations

import pytest

from joulemark.load.duty import cycle


class Time:
    """A clock that moves by what is worked and slept."""

    def __init__(self) -> None:
        self.now_ns, self.slept_s = 0, 0.0

    def mono_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.now_ns += round(seconds * 1e9)


@pytest.mark.parametrize("step_s", [0.0001, 0.04, 0.3])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_the_share_holds_for_steps_of_any_length(level: float, step_s: float) -> None:
    """Also for a step that is longer than many periods."""
    time = Time()
    cycle(level, lambda: time.__setattr__("now_ns", time.now_ns + round(step_s * 1e9)), clock=time, sleep=time.sleep, periods=2000)
    assert 1.0 - time.slept_s / (time.now_ns / 1e9) == pytest.approx(level, abs=0.02)


def test_full_is_without_a_rest() -> None:
    """At level 1 nothing sleeps."""
    time = Time()
    cycle(1.0, lambda: time.__setattr__("now_ns", time.now_ns + 1_000_000), clock=time, sleep=time.sleep, periods=50)
    assert time.slept_s == 0.0
