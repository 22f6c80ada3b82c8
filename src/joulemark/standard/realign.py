"""An alignment made again from the raw readings in the bundle, and how far the record is from that (CAL-1)."""

from __future__ import annotations

import math
from dataclasses import replace

from joulemark.calibration.align import fitted, resolution_w, u_rel_of
from joulemark.calibration.alignment import Alignment, HeldOut, PlateauRecord
from joulemark.calibration.fit import Fit
from joulemark.calibration.lag import lag_of
from joulemark.calibration.plateaus import mean_w
from joulemark.cards.evidence import Aligned
from joulemark.energy.series import Series
from joulemark.readings import MeterInfo
from joulemark.standard.accuracy import formula
from joulemark.standard.verdict import GRADES
from joulemark.units import NS_PER_S


def differences(one: Aligned) -> dict[str, float]:
    """By how much the record differs from what its readings give, by name: means of windows and energies of the run held out relative,
    gain and span relative, offset in shares of the highest plateau, uncertainties of the line relative, lag in seconds. Of what was
    stated as a bound, how far it falls short: what may be left of the lag and the uncertainty of the reference relative, edges in number.

    Raises InsufficientData where the readings do not give one of them, UsageError for a method that is none.
    """
    record = one.record
    sensor = replace(one.sensor, t_ns=one.sensor.t_ns - round(record.lag_s * NS_PER_S))
    again = [window_means(sensor, one.reference, plateau) for plateau in record.plateaus]
    made = [
        replace(plateau, windows=tuple(replace(w, sensor_w=s, reference_w=r) for w, (s, r) in zip(plateau.windows, means, strict=True)))
        for plateau, means in zip(record.plateaus, again, strict=True)
    ]
    fit = fitted(made, method=record.method, resolution_w=resolution_w(one.sensor.meter))
    lag = lag_of(one.sensor, one.reference, edges_ns(record.plateaus, record.held_out))
    stated = [mean for plateau in record.plateaus for w in plateau.windows for mean in (w.sensor_w, w.reference_w)]
    found = {
        "windows_rel": max(apart(x, y) for x, y in zip(stated, [mean for means in again for pair in means for mean in pair], strict=True)),
        "gain_rel": apart(record.gain, fit.gain),
        "offset_share": abs(record.offset_w - fit.offset_w) / max(abs(w) for w in fit.span_w),
        "span_rel": max(map(apart, record.span_w, fit.span_w)) if len(record.span_w) == len(fit.span_w) else math.inf,
        "u_rel": max(map(apart, *zip(*uncertain(record, fit), strict=True))),
        "lag_apart_s": abs(record.lag_s - lag.lag_s),
        "lag_residual_short_rel": short(record.lag_residual_s, lag.residual_s),
        "lag_edges_short": max(0.0, float(record.lag_edges - lag.edges)),
        "reference_short_rel": short(record.reference_u_rel, reference_u_rel(one.reference.meter, again)),
    }
    if record.held_out is not None:
        held, length_s = record.held_out, (record.held_out.end_ns - record.held_out.begin_ns) / NS_PER_S
        sensor_j, reference_j = (mean_w(series, held.begin_ns, held.end_ns) * length_s for series in (sensor, one.reference))
        found["held_out_apart_rel"] = max(apart(held.sensor_j, sensor_j), apart(held.reference_j, reference_j))
    return found


def uncertain(record: Alignment, fit: Fit) -> tuple[tuple[float, float], ...]:
    """(as recorded, as it comes out) of all that says how well the line is known."""
    stated_dof, dof = (math.inf if found is None else found for found in (record.dof, fit.dof))
    return (record.u_gain, fit.u_gain), (record.u_offset_w, fit.u_offset_w), (record.cov_w, fit.cov_w), (stated_dof, dof)


def reference_u_rel(meter: MeterInfo, means: list[list[tuple[float, float]]]) -> float:
    """What the uncertainty of the reference is at least, by what it states, at its lowest window; 0.0 where it states nothing, which is a
    matter of CAL-7.
    """
    stated = formula(meter, GRADES[0])
    lowest_w = min(reference_w for pairs in means for _, reference_w in pairs)
    return 0.0 if stated is None else u_rel_of(replace(meter, accuracy=stated), lowest_w)


def short(stated: float, again: float) -> float:
    """How far a bound stays below what it has to be, relative; 0 where it does not."""
    return max(0.0, 1.0 - stated / again) if again > 0.0 else 0.0


def window_means(sensor: Series, reference: Series, plateau: PlateauRecord) -> list[tuple[float, float]]:
    """(sensor, reference) mean of each window of a plateau, from the readings."""
    return [(mean_w(sensor, w.begin_ns, w.end_ns), mean_w(reference, w.begin_ns, w.end_ns)) for w in plateau.windows]


def edges_ns(plateaus: tuple[PlateauRecord, ...], held_out: HeldOut | None) -> list[int]:
    """Where the load may have stepped: before each plateau settled, and where each ended."""
    edges = {w[0].begin_ns - round(plateau.settle_s * NS_PER_S) for plateau in plateaus if (w := plateau.windows)}
    edges |= {w[-1].end_ns for plateau in plateaus if (w := plateau.windows)}
    return sorted(edges if held_out is None else edges | {held_out.end_ns})


def apart(stated: float, again: float) -> float:
    """Relative difference; 0 where both are 0."""
    return 0.0 if stated == again else abs(stated - again) / max(abs(stated), abs(again))
