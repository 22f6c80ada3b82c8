"""Energy above idle: a field of its own beside the gross headline, never in its place (SCO-6)."""

from __future__ import annotations

from dataclasses import dataclass

from joulemark.runs import IdleKind


@dataclass(frozen=True, slots=True)
class DynamicEnergy:
    """Gross energy less idle power times duration."""

    energy_dynamic_j: float
    idle_power_w: float
    idle_kind: IdleKind


def above_idle(energy_j: float, duration_s: float, *, idle_power_w: float, idle_kind: IdleKind) -> DynamicEnergy:
    """The part of `energy_j` above `idle_power_w`. Negative when the phase drew less than idle: shown, not clipped."""
    return DynamicEnergy(energy_j - idle_power_w * duration_s, idle_power_w, idle_kind)
