"""How late a sensor is: its steps of load held against those of a reference (Energy Standard v1, section 3, step 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from joulemark.energy.integrate import reading_interval_s
from joulemark.energy.series import Float64, Series
from joulemark.errors import InsufficientData
from joulemark.units import NS_PER_S

SEARCHED_S: Final = 10.0
"""A lag is looked for between minus and plus this."""
AROUND_S: Final = 10.0
"""So much of the reference on each side of an edge is compared."""
GRID_S: Final = 0.05
"""Distance of two lags that are tried; a parabola finds what lies between."""
LIKENESS: Final = 0.6
"""Correlation of both changes of power below which the sensor does not show the load of the reference (working value)."""

STEPPED: Final = 0.05
"""An edge at which the reference changes less than by this share (of the square) of its largest step is none, and is left out."""


@dataclass(frozen=True, slots=True)
class Lag:
    """`lag_s`: positive where the sensor is late. `residual_s`: standard uncertainty of it: the scatter over `edges` steps of the
    load, and the interval of the readings / sqrt(12 edges). `likeness`: correlation of both changes after the shift.
    """

    lag_s: float
    residual_s: float
    edges: int
    likeness: float


def lag_of(sensor: Series, reference: Series, edges_ns: Sequence[int]) -> Lag:
    """The lag of `sensor` behind `reference`, from the steps of the load near `edges_ns`, each known to a few seconds.

    Both series stand in the middle of their averaging windows. The lag is where the correlation of d/dt of both streams, summed over
    all edges, is largest. Raises InsufficientData for no edge with readings around it, for a lag beyond 10 s, and for a sensor
    that does not follow the reference.
    """
    sensor, reference = sensor.integrable(), reference.integrable()
    interval_s = max(reading_interval_s(sensor), reading_interval_s(reference))
    curves = [
        found
        for edge_ns in edges_ns
        if (found := _correlation(_changes(reference, edge_ns, AROUND_S), _changes(sensor, edge_ns, AROUND_S + SEARCHED_S))) is not None
    ]
    what = f"the lag of {sensor.meter.meter_id} behind {reference.meter.meter_id}"
    if not curves:
        reach_s = AROUND_S + SEARCHED_S
        raise InsufficientData(
            f"{what}: no edge of the load has readings of both for {reach_s:g} s around it", "step the load at least once"
        )
    curves = [found for found in curves if found[1] >= STEPPED * max(own for _, own, _ in curves)]
    together = np.asarray(sum(curve for curve, _, _ in curves))
    best = int(np.argmax(together))
    both = sum(own for _, own, _ in curves) * sum(float(other[best]) for _, _, other in curves)
    likeness = float(together[best]) / math.sqrt(both) if both else 0.0
    if best in (0, len(together) - 1) or likeness < LIKENESS:
        why = f"their changes of power are alike by {likeness:.2f} at most, {LIKENESS:g} is wanted, within {SEARCHED_S:g} s"
        raise InsufficientData(f"{what}: {why}", "check that both measure the same load, and that their clocks agree")
    lag_s = _peak_s(together)
    each_s = [_peak_s(curve) for curve, _, _ in curves]
    scatter_s = float(np.std(each_s, ddof=1)) / math.sqrt(len(each_s)) if len(each_s) > 1 else 0.0
    return Lag(lag_s, math.hypot(scatter_s, interval_s / math.sqrt(12.0 * len(each_s))), len(each_s), likeness)


def _changes(series: Series, edge_ns: int, reach_s: float) -> Float64 | None:
    """Change of power per second on the grid over +-`reach_s` around an edge, float64[m]; None where the readings do not reach so far.

    Taken over one interval of the readings, which evens out their steps.
    """
    over_s = max(reading_interval_s(series), GRID_S)
    t_s = (series.t_ns - edge_ns) / NS_PER_S
    grid_s = np.arange(-round(reach_s / GRID_S), round(reach_s / GRID_S) + 1) * GRID_S
    if not len(t_s) or t_s[0] > -reach_s or t_s[-1] < reach_s:
        return None
    late, early = np.interp(grid_s + over_s / 2.0, t_s, series.si()), np.interp(grid_s - over_s / 2.0, t_s, series.si())
    return np.asarray((late - early) / over_s)


def _correlation(reference: Float64 | None, sensor: Float64 | None) -> tuple[Float64, float, Float64] | None:
    """(product of both changes for each lag, square of the reference's, square of the sensor's for each lag); None without both."""
    if reference is None or sensor is None:
        return None
    shifted = np.lib.stride_tricks.sliding_window_view(sensor, len(reference))
    return shifted @ reference, float(reference @ reference), np.einsum("ij,ij->i", shifted, shifted)


def _peak_s(curve: Float64) -> float:
    """Where a curve over all lags is highest, between the tried ones by a parabola."""
    best = int(np.argmax(curve))
    shift = 0.0
    if 0 < best < len(curve) - 1:
        before, top, after = (float(value) for value in curve[best - 1 : best + 2])
        bend = before - 2.0 * top + after
        shift = 0.5 * (before - after) / bend if bend else 0.0
    return (best + shift) * GRID_S - SEARCHED_S
