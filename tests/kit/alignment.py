"""The alignment of the kit: the BMC held against the analyser at idle, mid and full load, a day before the run, and one run held out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from joulemark.calibration.align import align
from joulemark.calibration.alignment import Binding
from joulemark.calibration.plateaus import Span
from joulemark.cards.evidence import Aligned
from joulemark.energy.series import Series
from tests.kit.sensors import BMC, WALL, Sensors
from tests.kit.truth import Truth

NS: Final = 1_000_000_000
DAY_S: Final = 86_400
SETTLE_S, WINDOW_S, WINDOWS = 60.0, 60.0, 5
LEVELS: Final = (("idle", 0.0), ("mid", 0.5), ("full", 1.0))
PLATEAU_S: Final = SETTLE_S + WINDOWS * WINDOW_S
HELD_OUT_S: Final = 180.0


def made(seed: int, *, before_ns: int, reverse: bool = False) -> Aligned:
    """The record with its raw readings, made a day before `before_ns`; `reverse`: with a second pass in reverse order."""
    begin_ns = before_ns - DAY_S * NS
    lead_s = 20.0
    order = [(1, *level) for level in LEVELS] + [(2, *level) for level in reversed(LEVELS) if reverse]
    spans = [(name, lead_s + n * PLATEAU_S, level, turn) for n, (turn, name, level) in enumerate(order)]
    held_s = lead_s + len(order) * PLATEAU_S + 30.0
    load = [(begin_s, begin_s + PLATEAU_S, level) for _, begin_s, level, _ in spans if level] + [(held_s, held_s + HELD_OUT_S, 0.8)]
    sensors = Sensors(Truth(held_s + HELD_OUT_S + 30.0, load, seed + 1), begin_ns, seed)
    cords = [one for one in sensors.wall() if one.meter.quantity.measures_energy]
    sensor, reference = (replace(one, meter=replace(one.meter, simulated=True)) for one in (sensors.bmc(), total(cords)))
    at = partial(span, begin_ns)
    record = align(
        sensor,
        reference,
        [at(name, begin_s + SETTLE_S, begin_s + PLATEAU_S, turn) for name, begin_s, _, turn in spans],
        held_out=at("held-out", held_s + SETTLE_S, held_s + HELD_OUT_S),
        alignment_id=f"kit-{seed}",
        made_ns=begin_ns + round(sensors.truth.length_s) * NS,
        binding=Binding(BMC.serial, WALL.serial, "S900001", "01.05.06", "96.00.74.00.01", "560", ("PSU1", "PSU2"), 1.0),
    )
    return Aligned(record, sensor, reference)


def span(begin_ns: int, name: str, begin_s: float, end_s: float, turn: int = 1) -> Span:
    """The measured part of a plateau, on the axis of the kit."""
    return Span(name, begin_ns + round(begin_s * NS), begin_ns + round(end_s * NS), turn, SETTLE_S, "llama-3-8b")


def total(cords: list[Series]) -> Series:
    """The channels of the analyser added up, as its own sum channel shows them."""
    first = cords[0]
    n = min(len(one) for one in cords)
    meter = replace(first.meter, meter_id=f"{first.meter.device_id}:sum", covers=tuple(c for one in cords for c in one.meter.covers))
    accuracy = None if meter.accuracy is None else replace(meter.accuracy, range_w=meter.accuracy.range_w * len(cords))
    others = [np.interp(first.t_ns[:n], one.t_ns, one.value) for one in cords[1:]]
    value = first.value[:n] + np.round(sum(others)).astype(np.int64)
    return replace(first.rows(slice(0, n)), meter=replace(meter, accuracy=accuracy, rated_w=6000.0), value=value)
