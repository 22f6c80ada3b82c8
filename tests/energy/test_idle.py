from __future__ import annotations

from joulemark.energy.idle import IdleKind, above_idle


def test_idle_is_a_field_of_its_own_and_says_which_idle() -> None:
    """Energy above idle is gross less idle power times duration, typed, and negative where it is."""
    found = above_idle(3e6, 600.0, idle_power_w=2400.0, idle_kind=IdleKind.READY)
    assert (found.energy_dynamic_j, found.idle_kind) == (1_560_000.0, "idle_ready")
    assert above_idle(1.0, 1.0, idle_power_w=2.0, idle_kind=IdleKind.BARE).energy_dynamic_j == -1.0
