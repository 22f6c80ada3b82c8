"""The alignment of the live BMC, made from readings of the kit's instruments with the same errors, a day before the session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from joulemark.calibration.acceptance import binding_of
from joulemark.calibration.align import align
from joulemark.cards.contents import alignment_files
from joulemark.cards.evidence import Aligned
from joulemark.energy.series import Series
from joulemark.node import Node
from joulemark.readings import MeterInfo, Quantity
from tests.kit.alignment import DAY_S, HELD_OUT_S, LEVELS, NS, PLATEAU_S, SETTLE_S, span, total
from tests.kit.sensors import Sensors
from tests.kit.truth import Truth
from tests.live_node.node import certified


def aligned(meters: Sequence[dict[str, Any]], seed: int, *, before_ns: int, reverse: bool, node: Node, lie: float = 1.0) -> dict[str, str]:
    """Files of the alignment of the BMC among `meters`, as text; `reverse`: with a second pass in reverse order, as ES2 wants it;
    `node`: what it is bound to; `lie`: factor on the reference.
    """
    live = next(MeterInfo.from_json(one) for one in meters if one["kind"] == "redfish" and one["quantity"] == Quantity.POWER)
    begin_ns = before_ns - DAY_S * NS
    order = [(1, *level) for level in LEVELS] + [(2, *level) for level in reversed(LEVELS) if reverse]
    spans = [(name, 20.0 + n * PLATEAU_S, level, turn) for n, (turn, name, level) in enumerate(order)]
    held_s = 20.0 + len(order) * PLATEAU_S + 30.0
    load = [(begin_s, begin_s + PLATEAU_S, level) for _, begin_s, level, _ in spans if level] + [(held_s, held_s + HELD_OUT_S, 0.8)]
    sensors = Sensors(Truth(held_s + HELD_OUT_S + 30.0, load, seed + 1), begin_ns, seed)
    sensor = of_meter(sensors.bmc(), live)
    shown = total([one for one in sensors.wall() if one.meter.quantity.measures_energy])
    paper = shown.meter.certificate and replace(shown.meter.certificate, date=certified(before_ns))
    meter = replace(shown.meter, certificate=paper, simulated=True)
    reference = replace(shown, meter=meter, value=np.round(shown.value * lie).astype(np.int64))
    at = partial(span, begin_ns)
    record = align(
        sensor,
        reference,
        [at(name, begin_s + SETTLE_S, begin_s + PLATEAU_S, turn) for name, begin_s, _, turn in spans],
        held_out=at("held-out", held_s + SETTLE_S, held_s + HELD_OUT_S),
        alignment_id=f"live-{seed}",
        made_ns=begin_ns + round(sensors.truth.length_s) * NS,
        binding=binding_of(node, sensor_serial=live.serial, reference_serial=reference.meter.serial, interval_s=1.0),
    )
    return {path: data.decode() for path, data in alignment_files((Aligned(record, sensor, reference),)).items()}


def of_meter(series: Series, meter: MeterInfo) -> Series:
    """The readings as if `meter` had shown them: its steps, and its own averaging taken off their times."""
    factor = 10.0 ** (series.meter.exponent - meter.exponent)
    t_ns = series.t_ns + series.meter.lag_ns - meter.lag_ns
    return replace(series, meter=meter, t_ns=t_ns, value=np.round(series.value * factor).astype(np.int64))
