"""The line between a sensor and a reference from plateaus of constant load (Energy Standard v1, CAL-2 to CAL-5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulemark.energy.uncertainty import SQRT3, u_cal
from joulemark.errors import InsufficientData


@dataclass(frozen=True, slots=True)
class Plateau:
    """A stretch of constant load: mean of the sensor and of the reference in W, with the standard deviations of both means."""

    sensor_w: float
    reference_w: float
    u_sensor_w: float = 0.0
    u_reference_w: float = 0.0

    def u_w(self, gain: float) -> float:
        """Random standard uncertainty of the plateau's point along the reference axis."""
        return math.hypot(self.u_reference_w, gain * self.u_sensor_w)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A sensor power moved to the reference, with the parts of its standard uncertainty in W."""

    power_w: float
    u_random_w: float
    u_reference_w: float
    u_residual_w: float

    @property
    def u_w(self) -> float:
        """Combined standard uncertainty."""
        return math.hypot(self.u_random_w, self.u_reference_w, self.u_residual_w)

    @property
    def u95_rel(self) -> float:
        """Expanded uncertainty at k = 2, relative."""
        return 2.0 * self.u_w / self.power_w


@dataclass(frozen=True, slots=True)
class Fit:
    """reference = gain * sensor + offset, with the covariance of both and the span of the sensor it was made on."""

    gain: float
    offset_w: float
    u_gain: float
    u_offset_w: float
    cov_w: float
    span_w: tuple[float, float]

    def residual_w(self, plateau: Plateau) -> float:
        """How far the reference of `plateau` lies above the line."""
        return plateau.reference_w - self.gain * plateau.sensor_w - self.offset_w

    def corrected(self, sensor_w: float, *, reference_rel: float = 0.0, residual_w: float = 0.0) -> Corrected:
        """The power that the reference would show at `sensor_w`.

        `reference_rel`: standard uncertainty of the reference, relative, common to all plateaus. `residual_w`: the largest
        distance of a plateau from the line.
        """
        power_w = self.gain * sensor_w + self.offset_w
        u_random_w = u_cal(sensor_w, 1.0, u_gain=self.u_gain, u_offset_w=self.u_offset_w, cov_w=self.cov_w)
        return Corrected(power_w, u_random_w, reference_rel * power_w, abs(residual_w) / SQRT3)

    def energy_j(self, raw_energy_j: float, duration_s: float) -> float:
        """The energy that the reference would show for the raw sensor energy of a phase."""
        return self.gain * raw_energy_j + self.offset_w * duration_s


def two_plateaus(low: Plateau, high: Plateau) -> Fit:
    """The exact line through two plateaus. Raises InsufficientData when the sensor does not tell them apart.

    Source: Energy Standard v1, section 5, two plateaus.
    """
    span_w = high.sensor_w - low.sensor_w
    if span_w <= 0.0:
        raise InsufficientData(f"plateaus at {low.sensor_w} W and {high.sensor_w} W do not span a line", "align at idle and at full load")
    gain = (high.reference_w - low.reference_w) / span_w
    v_low, v_high = low.u_w(gain) ** 2, high.u_w(gain) ** 2
    return Fit(
        gain,
        low.reference_w - gain * low.sensor_w,
        math.sqrt(v_low + v_high) / span_w,
        math.sqrt(high.sensor_w**2 * v_low + low.sensor_w**2 * v_high) / span_w,
        -(high.sensor_w * v_low + low.sensor_w * v_high) / span_w**2,
        (low.sensor_w, high.sensor_w),
    )
