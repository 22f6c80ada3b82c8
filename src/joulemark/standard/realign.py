"""An alignment made again from the raw readings in the bundle, and how far the record is from that (CAL-1)."""

from __future__ import annotations

from dataclasses import replace

from joulemark.calibration.align import fitted, resolution_w
from joulemark.calibration.alignment import HeldOut, PlateauRecord
from joulemark.calibration.lag import lag_of
from joulemark.calibration.plateaus import mean_w
from joulemark.cards.evidence import Aligned
from joulemark.energy.series import Series
from joulemark.units import NS_PER_S


def differences(one: Aligned) -> dict[str, float]:
    """By how much the record differs from what its readings give, by name: means of windows and energies of the run held out relative,
    gain relative, offset in shares of the highest plateau, both uncertainties relative, lag in seconds.

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
        "u_rel": max(apart(record.u_gain, fit.u_gain), apart(record.u_offset_w, fit.u_offset_w)),
        "lag_apart_s": abs(record.lag_s - lag.lag_s),
    }
    if record.held_out is not None:
        held, length_s = record.held_out, (record.held_out.end_ns - record.held_out.begin_ns) / NS_PER_S
        sensor_j, reference_j = (mean_w(series, held.begin_ns, held.end_ns) * length_s for series in (sensor, one.reference))
        found["held_out_apart_rel"] = max(apart(held.sensor_j, sensor_j), apart(held.reference_j, reference_j))
    return found


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
