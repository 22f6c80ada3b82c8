"""The alignment of the kit: the BMC held against the analyser at idle, mid and full load, a day before the run, and one run held out."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Final

import numpy as np

from joulemark.calibration.alignment import Alignment, Binding, HeldOut, PlateauRecord, PlateauWindow
from joulemark.calibration.fit import Plateau, two_plateaus
from joulemark.cards.evidence import Aligned
from joulemark.energy.series import Series
from tests.kit.sensors import BMC, BMC_LAG_S, WALL, Sensors
from tests.kit.truth import Truth

NS: Final = 1_000_000_000
DAY_S: Final = 86_400
SETTLE_S, WINDOW_S, WINDOWS = 60.0, 60.0, 5
LEVELS: Final = (("idle", 0.0), ("mid", 0.5), ("full", 1.0))
PLATEAU_S: Final = SETTLE_S + WINDOWS * WINDOW_S
HELD_OUT_S: Final = 180.0


def made(seed: int, *, before_ns: int) -> Aligned:
    """The record with its raw readings, made a day before `before_ns`."""
    begin_ns = before_ns - DAY_S * NS
    lead_s = 20.0
    spans = [(name, lead_s + n * PLATEAU_S, level) for n, (name, level) in enumerate(LEVELS)]
    held_s = lead_s + len(LEVELS) * PLATEAU_S + 30.0
    load = [(begin_s, begin_s + PLATEAU_S, level) for _, begin_s, level in spans if level] + [(held_s, held_s + HELD_OUT_S, 0.8)]
    sensors = Sensors(Truth(held_s + HELD_OUT_S + 30.0, load, seed + 1), begin_ns, seed)
    sensor, cords = sensors.bmc(), [one for one in sensors.wall() if one.meter.quantity.measures_energy]
    reference = total(cords)
    moved = replace(sensor, t_ns=sensor.t_ns - round(BMC_LAG_S * NS))
    plateaus = []
    for name, begin_s, _ in spans:
        edges = [begin_ns + round((begin_s + SETTLE_S + n * WINDOW_S) * NS) for n in range(WINDOWS + 1)]
        windows = tuple(PlateauWindow(a, b, mean_w(moved, a, b), mean_w(reference, a, b)) for a, b in itertools.pairwise(edges))
        plateaus.append(PlateauRecord(name, 1, SETTLE_S, "llama-3-8b", windows))
    low, high = plateaus[0], plateaus[-1]
    fit = two_plateaus(plateau(low), plateau(high))
    held = (begin_ns + round((held_s + 10.0) * NS), begin_ns + round((held_s + HELD_OUT_S - 10.0) * NS))
    duration_s = (held[1] - held[0]) / NS
    record = Alignment(
        alignment_id=f"kit-{seed}",
        sensor=sensor.meter.meter_id,
        reference=reference.meter.meter_id,
        made_ns=begin_ns + round(sensors.truth.length_s) * NS,
        expires_ns=begin_ns + 90 * DAY_S * NS,
        method="two_plateaus",
        gain=fit.gain,
        offset_w=fit.offset_w,
        u_gain=fit.u_gain,
        u_offset_w=fit.u_offset_w,
        cov_w=fit.cov_w,
        dof=None,
        span_w=fit.span_w,
        lag_s=BMC_LAG_S,
        lag_residual_s=0.1,
        lag_edges=3,
        reference_u_rel=0.0015,
        plateaus=tuple(plateaus),
        held_out=HeldOut(*held, mean_w(moved, *held) * duration_s, mean_w(reference, *held) * duration_s, "llama-3-8b"),
        binding=Binding(BMC.serial, WALL.serial, "S900001", "01.05.06", "96.00.74.00.01", "560", ("PSU1", "PSU2"), 1.0),
    )
    return Aligned(record, sensor, reference)


def total(cords: list[Series]) -> Series:
    """The channels of the analyser added up, as its own sum channel shows them."""
    first = cords[0]
    n = min(len(one) for one in cords)
    meter = replace(first.meter, meter_id=f"{first.meter.device_id}:sum", covers=tuple(c for one in cords for c in one.meter.covers))
    accuracy = None if meter.accuracy is None else replace(meter.accuracy, range_w=meter.accuracy.range_w * len(cords))
    others = [np.interp(first.t_ns[:n], one.t_ns, one.value) for one in cords[1:]]
    value = first.value[:n] + np.round(sum(others)).astype(np.int64)
    return replace(first.rows(slice(0, n)), meter=replace(meter, accuracy=accuracy, rated_w=6000.0), value=value)


def mean_w(series: Series, begin_ns: int, end_ns: int) -> float:
    """Plain mean of the readings in a window."""
    inside = (series.t_ns >= begin_ns) & (series.t_ns < end_ns)
    return float(series.si()[inside].mean())


def plateau(record: PlateauRecord) -> Plateau:
    """Means of a plateau with the scatter of its windows."""
    sensor, reference = [w.sensor_w for w in record.windows], [w.reference_w for w in record.windows]
    scale = np.sqrt(len(sensor))
    return Plateau(float(np.mean(sensor)), float(np.mean(reference)), 0.0, float(np.std(np.subtract(reference, sensor), ddof=1) / scale))
