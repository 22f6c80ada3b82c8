"""The line between a sensor and a reference from plateaus of constant load (Energy Standard v1, CAL-2 to CAL-5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from joulemark.energy.uncertainty import SQRT3, effective_dof, u_cal
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
    """reference = gain * sensor + offset, with the covariance of both and the span of the sensor it was made on.

    `dof`: degrees of freedom of the covariance, None where it rests on uncertainties that were given.
    """

    gain: float
    offset_w: float
    u_gain: float
    u_offset_w: float
    cov_w: float
    span_w: tuple[float, float]
    dof: float | None = None

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


def plateau(points: ArrayLike, *, gain: float, common_w: float = 0.0) -> Plateau:
    """A plateau from its windows `points`, (sensor, reference) means in W, float64[n, 2].

    Its uncertainty is the scatter of R - `gain` S over its windows / sqrt n, so that a load that moves both adds nothing, and
    `common_w`, which all its windows share. Raises InsufficientData for fewer than two windows.
    """
    windows = np.asarray(points, dtype=np.float64)
    if len(windows) < 2:
        raise InsufficientData(f"a plateau of {len(windows)} windows has no scatter", "measure at least two windows, better five")
    scatter_w = float(np.std(windows[:, 1] - gain * windows[:, 0], ddof=1)) / math.sqrt(len(windows))
    sensor_w, reference_w = (float(mean) for mean in windows.mean(axis=0))
    return Plateau(sensor_w, reference_w, 0.0, math.hypot(scatter_w, common_w))


def exact(low: ArrayLike, high: ArrayLike, *, common_w: float = 0.0) -> Fit:
    """The line through two plateaus given by their windows, float64[n, 2] each: `two_plateaus` with the scatter of each.

    The degrees of freedom are those of both scatters together, by Welch and Satterthwaite.
    """
    points = [np.asarray(one, dtype=np.float64) for one in (low, high)]
    (low_s, low_r), (high_s, high_r) = (tuple(one.mean(axis=0)) for one in points)
    gain = (high_r - low_r) / (high_s - low_s) if high_s > low_s else 1.0
    ends = [plateau(one, gain=gain, common_w=common_w) for one in points]
    found = two_plateaus(*ends)
    return replace(found, dof=effective_dof((end.u_reference_w, len(one) - 1.0) for end, one in zip(ends, points, strict=True)))


def deming(plateaus: Sequence[ArrayLike], *, ratio: float | None = None, common_w: float = 0.0) -> Fit:
    """The Deming line through the windows of at least three plateaus, float64[n, 2] of (sensor, reference) means each.

    `ratio`: variance of the reference's errors over the sensor's, one for all; by default the squared gain of the lowest and the highest
    plateau, which lets both take the same share of every distance. `common_w`: what all windows of a plateau may be off together. The
    covariance is that of first order: scatter about the line over the spread of the sensor, n - 2 degrees of freedom. Raises
    InsufficientData for fewer than three plateaus, or loads that the sensor does not tell apart. Source: Energy Standard v1, section 3.
    """
    groups = sorted((np.asarray(one, dtype=np.float64) for one in plateaus), key=lambda one: float(one[:, 0].mean()))
    if len(groups) < 3:
        raise InsufficientData(f"{len(groups)} plateaus are too few for a fit", "measure idle, mid and full load")
    low, high = groups[0].mean(axis=0), groups[-1].mean(axis=0)
    if high[0] <= low[0]:
        raise InsufficientData(f"plateaus at {low[0]} W and {high[0]} W do not span a line", "align at idle and at full load")
    points = np.concatenate(groups)
    sensor_w, reference_w = points[:, 0], points[:, 1]
    mean_s, mean_r = float(sensor_w.mean()), float(reference_w.mean())
    s, r = sensor_w - mean_s, reference_w - mean_r
    weight = float((high[1] - low[1]) / (high[0] - low[0])) ** 2 if ratio is None else ratio
    across, along = float(r @ r) - weight * float(s @ s), float(s @ r)
    if along == 0.0:
        raise InsufficientData("the reference does not move with the sensor", "check that both measure the same load")
    gain = (across + math.copysign(math.hypot(across, 2.0 * math.sqrt(weight) * along), along)) / (2.0 * along)
    offset_w = mean_r - gain * mean_s
    lever = s / float(s @ s)
    scatter = float(np.sum((reference_w - gain * sensor_w - offset_w) ** 2)) / (len(points) - 2)
    pulls = np.split(lever, np.cumsum([len(one) for one in groups])[:-1])
    shares = [(float(pull.sum()), len(pull) / len(points)) for pull in pulls]
    v_gain = scatter / float(s @ s) + common_w**2 * sum(tilt**2 for tilt, _ in shares)
    v_mean = scatter / len(points) + common_w**2 * sum(share**2 for _, share in shares)
    cov_mean = common_w**2 * sum(tilt * share for tilt, share in shares)
    return Fit(
        gain,
        offset_w,
        math.sqrt(v_gain),
        math.sqrt(v_mean + mean_s**2 * v_gain - 2.0 * mean_s * cov_mean),
        cov_mean - mean_s * v_gain,
        (float(low[0]), float(high[0])),
        float(len(points) - 2),
    )


def weighted(plateaus: Sequence[ArrayLike], *, common_w: float = 0.0) -> Fit:
    """Orthogonal distance regression on plateau means: each plateau counts by the scatter of R - g S over its windows.

    That scatter already holds the errors of both meters, so that the line of least squares with these weights, made again with its own
    gain until that stands still, is the one of errors in both variables. Raises InsufficientData as `deming` does.
    """
    first = deming(plateaus)
    gain, found = first.gain, first
    for _ in range(20):
        means = [plateau(one, gain=gain, common_w=common_w) for one in plateaus]
        least_w = max(one.u_reference_w for one in means) * 1e-3 or 1e-9
        weights = np.array([1.0 / max(one.u_reference_w, least_w) ** 2 for one in means])
        design = np.array([[one.sensor_w, 1.0] for one in means])
        covariance = np.linalg.inv((design * weights[:, None]).T @ design)
        gain, offset_w = (float(x) for x in covariance @ (design.T @ (weights * np.array([one.reference_w for one in means]))))
        u_gain, u_offset_w = (float(x) for x in np.sqrt(np.diag(covariance)))
        found, last = Fit(gain, offset_w, u_gain, u_offset_w, float(covariance[0, 1]), first.span_w, first.dof), found
        if abs(found.gain - last.gain) <= 1e-12 * abs(gain):
            break
    return found
