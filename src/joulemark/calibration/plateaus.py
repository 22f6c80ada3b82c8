"""Plateaus: stretches of constant load cut into windows, each with the mean of the sensor and of the reference (CAL-2)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np

from joulemark.calibration.alignment import PlateauRecord, PlateauWindow
from joulemark.energy.integrate import coverage, trapezoid_j
from joulemark.energy.series import Float64, Series
from joulemark.errors import InsufficientData
from joulemark.units import NS_PER_S

LEAST_COVERAGE: Final = 0.9
"""A window of which less is covered by readings of either meter tells no mean (working value)."""
NEAR: Final = 0.2
"""In a recording without marks, what lies within this share of the way from one level to the other belongs to it (working value)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A plateau as it was driven: windows fill [begin_ns, end_ns], the load has stood since `settle_s` before. `turn`: 1, or 2 for the
    second pass, in reverse order.
    """

    name: str
    begin_ns: int
    end_ns: int
    turn: int = 1
    settle_s: float = 60.0
    workload: str = ""

    @property
    def step_ns(self) -> int:
        """When the load stepped to this level."""
        return self.begin_ns - round(self.settle_s * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Of power in a window: standard deviation and slope per minute, both relative to the mean."""

    cv: float
    slope_per_min: float


def mean_w(series: Series, begin_ns: int, end_ns: int) -> float:
    """Time-weighted mean power in W, linear between readings. Raises InsufficientData where readings cover too little of the window."""
    good = series.integrable()
    covered = coverage(good.t_ns, begin_ns, end_ns)
    if covered.share < LEAST_COVERAGE:
        what = f"{series.meter.meter_id}: readings cover {covered.share:.1%} of a window, {LEAST_COVERAGE:.0%} is wanted"
        raise InsufficientData(what, "measure this plateau again")
    return trapezoid_j(good.t_ns, good.si(), begin_ns, end_ns) * NS_PER_S / (end_ns - begin_ns)


def cut(sensor: Series, reference: Series, span: Span, *, window_s: float = 60.0) -> PlateauRecord:
    """The plateau of `span` in whole windows of `window_s`; `sensor` was moved by its lag before.

    Raises InsufficientData for a span shorter than one window, and for a window that the readings do not cover.
    """
    window_ns = round(window_s * NS_PER_S)
    count = (span.end_ns - span.begin_ns) // window_ns
    if count < 1:
        length_s = (span.end_ns - span.begin_ns) / NS_PER_S
        raise InsufficientData(
            f"plateau {span.name} lasts {length_s:g} s, less than one window of {window_s:g} s", "hold the load for longer"
        )
    edges = [span.begin_ns + n * window_ns for n in range(count + 1)]
    windows = tuple(
        PlateauWindow(begin, end, mean_w(sensor, begin, end), mean_w(reference, begin, end)) for begin, end in itertools.pairwise(edges)
    )
    return PlateauRecord(span.name, span.turn, span.settle_s, span.workload, windows)


def steadiness(series: Series, begin_ns: int, end_ns: int) -> Steadiness:
    """Scatter and slope of the readings in a window. Raises InsufficientData for fewer than three."""
    good = series.integrable()
    rows = (good.t_ns >= begin_ns) & (good.t_ns <= end_ns)
    power_w, minutes = good.si()[rows], (good.t_ns[rows] - begin_ns) / NS_PER_S / 60.0
    if len(power_w) < 3:
        raise InsufficientData(f"{series.meter.meter_id}: {len(power_w)} readings in a window", "read it more often, or for longer")
    mean = float(power_w.mean())
    centred = minutes - minutes.mean()
    return Steadiness(float(power_w.std(ddof=1)) / mean, float(centred @ (power_w - mean)) / float(centred @ centred) / mean)


def two_levels(sensor: Series, reference: Series) -> tuple[tuple[Float64, Float64], tuple[Float64, Float64]]:
    """(sensor, reference) powers of the low level and of the high one, in a recording without marks whose rows have common times.

    A row belongs to a level when the reference lies within a fifth of the way to the other. The extremes of the reference, but for
    one reading in a hundred, are taken for the levels. Raises InsufficientData for rows at different times, and without two levels.
    """
    a, b = sensor.integrable(), reference.integrable()
    times, rows_a, rows_b = np.intersect1d(a.t_ns, b.t_ns, return_indices=True)
    if len(times) < max(len(a), len(b)) * LEAST_COVERAGE:
        what = f"{sensor.meter.meter_id} and {reference.meter.meter_id} were not read at the same times"
        raise InsufficientData(what, "hold the load on marked plateaus instead")
    sensor_w, reference_w = a.si()[rows_a], b.si()[rows_b]
    low_w, high_w = (float(level) for level in np.quantile(reference_w, [0.01, 0.99]))
    low, high = reference_w < low_w + NEAR * (high_w - low_w), reference_w > high_w - NEAR * (high_w - low_w)
    if low.sum() < 2 or high.sum() < 2 or high_w <= low_w:
        raise InsufficientData(f"{reference.meter.meter_id} shows no two levels", "record idle and full load")
    return (sensor_w[low], reference_w[low]), (sensor_w[high], reference_w[high])
