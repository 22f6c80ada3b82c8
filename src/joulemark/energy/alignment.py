"""An alignment at work: what a sensor shows becomes what its reference would have shown, with the uncertainty that this brings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from joulemark.energy.counters import Refreshes
from joulemark.energy.series import Float64, Series
from joulemark.energy.uncertainty import Component, u_cal, u_drift, u_res
from joulemark.units import NS_PER_S

GAIN_CHANGE_PER_90_D = 0.01
"""Drift of a sensor of which there is only one alignment (Energy Standard v1, section 5, drift)."""

NOT_ALIGNED = (
    Component("gain_offset", 0.0, "no alignment was applied", "normal"),
    Component("drift", 0.0, "no alignment was applied"),
    Component("residual", 0.0, "no alignment was applied"),
)


@dataclass(frozen=True, slots=True)
class Applied:
    """reference = `gain` * sensor + `offset_w`, for one meter in one run; stamps become `lag_ns` earlier where the sensor is late.

    `u_gain`, `u_offset_w`, `cov_w`, `dof`: of the fit, `dof` infinite where it has none. `reference_u_rel`: standard uncertainty of
    the reference, common to every sensor that was held against `reference`. `residual_w`: largest distance of a plateau from the line.
    `held_out_rel`: error of the run that was not in the fit, None without one. `lag_residual_s`: what may be left of the lag.
    `age_days`: from the alignment to the run. `gain_change_per_90_d`: None until there are two alignments.
    """

    alignment_id: str
    gain: float
    offset_w: float
    u_gain: float
    u_offset_w: float
    cov_w: float
    reference_u_rel: float
    residual_w: float
    age_days: float
    dof: float = math.inf
    held_out_rel: float | None = None
    lag_ns: int = 0
    lag_residual_s: float = 0.0
    gain_change_per_90_d: float | None = None
    reference: str = ""

    def moved(self, series: Series) -> Series:
        """The readings at the times they are true for."""
        return series if self.lag_ns == 0 else replace(series, t_ns=series.t_ns - self.lag_ns)

    def power_w(self, sensor_w: Float64) -> Float64:
        """Power at the reference, float64[n]."""
        return self.gain * sensor_w + self.offset_w

    def counter(self, points: Refreshes) -> Refreshes:
        """A counter of energy at the reference: g C + o t, so that a difference is g (C(b) - C(a)) + o D."""
        elapsed_s = (points.t_ns - points.t_ns[0]) / NS_PER_S
        return replace(points, energy_j=self.gain * points.energy_j + self.offset_w * elapsed_s, step_j=self.gain * points.step_j)

    def limits(self, energy_j: float, duration_s: float) -> tuple[Component, ...]:
        """What stands in place of the meter's own specification, for the aligned energy `energy_j` of `duration_s`.

        The fit is the sensor's own; the reference moves all sensors that were held against it together. Source: section 5.
        """
        name = f"alignment {self.alignment_id}"
        raw_j = (energy_j - self.offset_w * duration_s) / self.gain
        fit_j = u_cal(raw_j, duration_s, u_gain=self.u_gain, u_offset_w=self.u_offset_w, cov_w=self.cov_w)
        change = GAIN_CHANGE_PER_90_D if self.gain_change_per_90_d is None else abs(self.gain_change_per_90_d)
        drift_j = u_drift(energy_j, age_days=abs(self.age_days), gain_change_per_90_d=change)
        held_out_j = (self.held_out_rel or 0.0) * energy_j
        residual_j = u_res(duration_s, plateau_residual_w=self.residual_w, held_out_j=held_out_j)
        held_out = "no run was held out" if self.held_out_rel is None else f"the run held out is off by {self.held_out_rel:.3%}"
        reference = self.reference or f"the reference of {name}"
        return (
            Component("spec", 0.0, f"{name} replaces the specification"),
            Component("cert", 0.0, f"{name}: that of the reference stands under gain_offset", "normal"),
            Component("temperature", 0.0, f"{name}: that of the reference stands under gain_offset"),
            Component("gain_offset", fit_j, f"{name}, fit", "normal", self.dof, name),
            Component("gain_offset", self.reference_u_rel * abs(energy_j), f"{name}, reference {reference}", "normal", math.inf, reference),
            Component("drift", drift_j, f"{name}, {self.age_days:.3g} d old, {change:.3g} in 90 d", correlation_group=name),
            Component("residual", residual_j, f"{name}, {self.residual_w:.3g} W, {held_out}", correlation_group=name),
        )

    def to_json(self) -> dict[str, Any]:
        """What a card says of it beside the meter."""
        return {
            "alignment_id": self.alignment_id,
            "gain": self.gain,
            "offset_w": self.offset_w,
            "lag_s": self.lag_ns / NS_PER_S,
            "age_days": self.age_days,
        }
