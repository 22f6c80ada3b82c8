"""Latency: how late each stream of the headline is, by the steps of the load within the run itself (CLK-4).

A reading shows a step of the load when the sensor does, so a late sensor moves energy from one phase to the next. What an alignment
corrects is not late any more; what nobody corrects stays in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from joulemark.calibration.in_force import in_force
from joulemark.calibration.lag import Lag, lag_of
from joulemark.energy.cords import named
from joulemark.energy.counters import refreshes
from joulemark.energy.frozen import follows
from joulemark.energy.integrate import reading_interval_s
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import MeterInfo, Quantity
from joulemark.runs import PhaseKind, Window
from joulemark.standard.aligned import began_ns
from joulemark.standard.case import Case, means
from joulemark.units import NS_PER_S

BESIDE_S: Final = 10.0
"""Power is compared so long before and after an edge, and moved by a step only if it differs."""
MARKED_W: Final = 1000
"""Level of the load that the marks tell of, where no stream shows it; its size does not matter."""
SHORTEST_S: Final = 0.1
"""Marks are not drawn finer."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the meter `meter_id`: seen to be `lag_s` late on `edges` steps, of which `corrected_s` is corrected by an alignment.

    `residual_s`: what may be left, that is what is not corrected and what is not known. `reference`: what it was held against.
    """

    meter_id: str
    lag_s: float
    corrected_s: float
    residual_s: float
    edges: int
    reference: str


def latencies(case: Case, *, least_edges: int, edge_share: float, edge_step: float) -> list[Latency | str]:
    """For each stream of the headline its latency, or why it cannot be told.

    By the run where that has `least_edges` steps, of at least `edge_share` of the largest and `edge_step` of the power, else by the
    alignment of the meter.
    """
    return [latency(case, one, least_edges=least_edges, edge_share=edge_share, edge_step=edge_step) for one in case.headline]


def latency(case: Case, one: Series, *, least_edges: int, edge_share: float, edge_step: float) -> Latency | str:
    """The same of one stream."""
    assert case.evidence is not None
    records = {held.record.alignment_id: held.record for held in case.evidence.alignments}
    applied = in_force(list(records.values()), at_ns=began_ns(case))[0].get(one.meter.meter_id)
    corrected_s = 0.0 if applied is None else applied.lag_ns / NS_PER_S
    own = None if applied is None else records.get(applied.alignment_id)
    found = seen(case, one, edge_share=edge_share, edge_step=edge_step)
    if isinstance(found, tuple) and (found[0].edges >= least_edges or own is None):
        lag, reference = found
        return Latency(
            one.meter.meter_id, lag.lag_s, corrected_s, abs(lag.lag_s - corrected_s) + lag.residual_s, lag.edges, reference.meter.meter_id
        )
    if own is not None:
        return Latency(one.meter.meter_id, own.lag_s, own.lag_s, own.lag_residual_s, own.lag_edges, f"alignment {own.alignment_id}")
    return str(found)


def seen(case: Case, one: Series, *, edge_share: float, edge_step: float) -> tuple[Lag, Series] | str:
    """The lag behind the stream of the run that it is most like, the marks where no stream shows the load; or why there is none."""
    try:
        sensor = as_power(one)
    except InsufficientData as error:
        return error.what
    cords = named(case.series)
    others = [other for other in case.series if other.meter.quantity is Quantity.POWER and follows(sensor, other, cords)]
    found: list[tuple[Lag, Series]] = []
    why = "no step of the load is marked"
    for reference in others or [marked_load(case, sensor)]:
        try:
            found.append((lag_of(sensor, reference, edges_ns(case, reference, share=edge_share, step=edge_step)), reference))
        except InsufficientData as error:
            why = error.what
    return max(found, key=lambda pair: pair[0].likeness) if found else why


def as_power(one: Series) -> Series:
    """Power over time, in mW: of a counter between its refreshes. Raises InsufficientData for one that never moves."""
    if one.meter.quantity is Quantity.POWER:
        return one
    points = refreshes(one)
    power = np.nan_to_num(points.slopes_w()) * 1000.0
    return Series.plain(power_meter(one.meter), points.t_ns[:-1] + np.diff(points.t_ns) // 2, np.round(power).astype(np.int64))


def power_meter(meter: MeterInfo) -> MeterInfo:
    """The description of a counter, as of a power in mW."""
    return replace(meter, quantity=Quantity.POWER, exponent=-3, modulus=None)


def loaded(case: Case) -> list[tuple[int, int]]:
    """(begin, end) of the load of each repetition as marked: from its warm-up, or from its own begin, to its end."""
    warmups = case.phases(PhaseKind.WARMUP)
    spans = []
    before_ns = 0
    for window in case.measured:
        own: Sequence[Window] = [one for one in warmups if before_ns <= one.begin_ns < window.begin_ns]
        spans.append((min((one.begin_ns for one in own), default=window.begin_ns), window.end_ns))
        before_ns = window.end_ns
    return spans


def marked_load(case: Case, sensor: Series) -> Series:
    """Full between the marks of each load, nothing outside: what to hold a stream against where no other shows the load.

    Drawn as `sensor` would show it, by means over its interval or its averaging window, whichever is longer.
    """
    spans = loaded(case)
    width_ns = round(max(reading_interval_s(sensor), sensor.meter.averaging_window_s or 0.0, SHORTEST_S) * NS_PER_S)
    t_ns = np.arange(spans[0][0] - 60 * NS_PER_S, spans[-1][1] + 60 * NS_PER_S, width_ns, dtype=np.int64)
    share = np.zeros(len(t_ns))
    for begin_ns, end_ns in spans:
        within = np.minimum(t_ns + width_ns // 2, end_ns) - np.maximum(t_ns - width_ns // 2, begin_ns)
        share += np.clip(within, 0, width_ns) / width_ns
    meter = replace(sensor.meter, meter_id="marks:run:load:power", exponent=0, averaging_window_s=0.0)
    return Series.plain(meter, t_ns, np.round(share * MARKED_W).astype(np.int64) + 1)


def edges_ns(case: Case, reference: Series, *, share: float, step: float) -> list[int]:
    """The marked edges of the load at which `reference` moves by at least `share` of its largest step, and by `step` of its power."""
    beside_ns = round(BESIDE_S * NS_PER_S)
    steps: dict[int, float] = {}
    for edge_ns in (edge for span in loaded(case) for edge in span):
        before, after = means([reference], edge_ns - beside_ns, edge_ns), means([reference], edge_ns, edge_ns + beside_ns)
        if before and after and abs(after[0] - before[0]) >= step * max(before[0], after[0]):
            steps[edge_ns] = abs(after[0] - before[0])
    largest = max(steps.values(), default=0.0)
    return [edge_ns for edge_ns, size in steps.items() if size >= share * largest]
