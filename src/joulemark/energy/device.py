"""The energy of one device: all its meters read, the best of them made the headline, the others kept beside it."""

from __future__ import annotations

import math
import types
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

import numpy as np

from joulemark.energy.alignment import NOT_ALIGNED, Applied
from joulemark.energy.cords import WHOLE, seen
from joulemark.energy.estimate import Estimate, PowerSource, Source, blur_s, source_of
from joulemark.energy.local import Level, PowerTrace, level
from joulemark.energy.series import INTEGRABLE, Series
from joulemark.energy.specification import components
from joulemark.energy.uncertainty import Component, u_spec
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Accuracy, MeterInfo, Quality, Quantity
from joulemark.runs import Window
from joulemark.units import NS_PER_S

TAKEN_FOR_UNKNOWN: Final = Accuracy(pct_reading=5.0)
"""What a meter of unknown accuracy is taken for when alternatives are ranked, and nowhere else: the usual figure of sensors on boards and
in power supplies. No budget holds it; there the unknown stays unknown."""


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """Energy of one device over one window. Where `energy_j` is None, `findings` say why.

    `headline`: the estimate that was chosen. `components`: lines of the budget that belong to this device. `edge_level`: power
    around the marks. `delta_s`: how far its time axis may be off.
    """

    device_id: str
    headline: Estimate | None
    energy_counter_j: float | None
    energy_trapezoid_j: float | None
    mean_of_samples_w: float | None
    components: tuple[Component, ...]
    edge_level: Level | None
    delta_s: float
    findings: tuple[str, ...]

    @property
    def energy_j(self) -> float | None:
        """The headline."""
        return None if self.headline is None else self.headline.energy_j

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; null where unknown."""
        best = self.headline
        return {
            "device_id": self.device_id,
            "meter_id": None if best is None else best.meter.meter_id,
            "alignment_id": None if best is None or best.alignment is None else best.alignment.alignment_id,
            "energy_j": self.energy_j,
            "energy_method": None if best is None else best.method,
            "energy_counter_j": self.energy_counter_j,
            "energy_trapezoid_j": self.energy_trapezoid_j,
            "disagreement_rel": disagreement_rel(self.energy_counter_j, self.energy_trapezoid_j),
            "mean_of_samples_w": self.mean_of_samples_w,
            "sample_count": None if best is None else best.sample_count,
            "coverage": None if best is None else best.coverage.share,
            "max_gap_s": None if best is None else best.coverage.max_gap_s,
            "findings": list(self.findings),
        }


def disagreement_rel(counter_j: float | None, trapezoid_j: float | None) -> float | None:
    """Counter over trapezoid, minus 1 (SMP-9); None where either is unknown."""
    return None if counter_j is None or not trapezoid_j else counter_j / trapezoid_j - 1.0


def devices(series: Sequence[Series]) -> dict[str, tuple[Series, ...]]:
    """Series by what they watch: those that cover the same things are alternatives to each other and never summed.

    Series that say what they cover are grouped by it, across devices; else by device, but for the meters of a whole server (see
    `extent`, `of_one_server`). A meter of the whole stands for the meters of its parts, which are left out. Channels of one device
    that show one quantity in one way, and do not say what they cover, stand side by side: each is a device of its own. Raises
    UsageError where that leaves open which counter belongs to which power, or where two groups overlap in part.
    """
    groups: dict[tuple[str, ...], list[Series]] = defaultdict(list)
    for one in series:
        groups[extent(one.meter)].append(one)
    of_one_server(groups)
    extents = [frozenset(key[1:]) for key in groups if key[0] == "covers"]
    found: dict[str, tuple[Series, ...]] = {}
    for key, group in groups.items():
        if key[0] == "covers" and not _is_whole(frozenset(key[1:]), extents):
            continue
        for part in _channels(group):
            meters = {one.meter.device_id: one.meter for one in part}
            name = next(iter(meters))
            found[name if name not in found else part[0].meter.meter_id] = part
    return found


def extent(meter: MeterInfo) -> tuple[str, ...]:
    """What `meter` covers; of a server's input that names no cord those of the host that reads it (decision 20); else its device."""
    covered = (meter.boundary is WHOLE and seen(meter, meter.cords)) or meter.covers
    return ("covers", *sorted(covered)) if covered else ("device", meter.device_id)


def of_one_server(groups: dict[tuple[str, ...], list[Series]]) -> None:
    """Make alternatives of what two kinds of meters, as IPMI and Redfish, read of the one server that their host is.

    They say nothing of what they cover, so they would be added up. Raises UsageError where a kind reads several servers there.
    """
    kinds: dict[str, dict[str, list[tuple[str, ...]]]] = defaultdict(lambda: defaultdict(list))
    for key, group in groups.items():
        meter = group[0].meter
        if key[0] == "device" and meter.boundary is WHOLE:
            kinds[meter.host][meter.kind].append(key)
    for host, by_kind in kinds.items():
        if len(by_kind) < 2:
            continue
        if crowd := next((kind for kind, keys in by_kind.items() if len(keys) > 1), ""):
            others = ", ".join(kind for kind in by_kind if kind != crowd)
            what = f"{host} reads several servers by {crowd}, and by {others} perhaps the same"
            raise UsageError(what, "let `covers` of each meter name the cords that it measures")
        first, *rest = (keys[0] for keys in by_kind.values())
        for key in rest:
            groups[first] += groups.pop(key)


def _is_whole(extent: frozenset[str], extents: Sequence[frozenset[str]]) -> bool:
    """Whether no other extent holds `extent`. Raises UsageError for one that holds a part of it only."""
    for other in extents:
        if other & extent and not (other <= extent or extent <= other):
            raise UsageError(f"{sorted(other & extent)[0]} is covered by meters of different extent", "choose one set for this boundary")
    return not any(extent < other for other in extents)


def _channels(group: list[Series]) -> list[tuple[Series, ...]]:
    by_view: dict[tuple[object, ...], list[Series]] = defaultdict(list)
    for one in group:
        by_view[(one.meter.device_id, one.meter.quantity, one.meter.averaging, one.meter.averaging_window_s)].append(one)
    if all(len(same) == 1 for same in by_view.values()):
        return [tuple(group)]
    if len(by_view) == 1:
        return [(one,) for one in group]
    device = group[0].meter.device_id
    raise UsageError(f"{device} has several channels of power and of energy", "let `covers` of each meter say what it measures")


def measure_device(
    window: Window,
    name: str,
    series: Sequence[Series],
    *,
    accuracy: Accuracy | None = None,
    alignments: Mapping[str, Applied] = types.MappingProxyType({}),
    climate: Sequence[Series] = (),
) -> DeviceEnergy:
    """The energy of the device `name` over `window`, from its meters `series`: the one with the least uncertainty leads.

    A counter wins against power of equal merit (see `leading`). `accuracy` goes before what the meters say of themselves.
    `alignments`: by the id of the meter; they replace the meter's own specification. `climate`: thermometers around the meters.
    """
    findings: list[str] = []
    sources: list[Source] = []
    for one in sorted(series, key=lambda s: s.meter.quantity is Quantity.POWER):
        findings.extend(flagged(window, one))
        try:
            sources.append(source_of(one, alignment=alignments.get(one.meter.meter_id)))
        except InsufficientData as error:
            findings.append(error.what)
    traces = [trace for source in sources if (trace := source.trace) is not None]
    estimates: list[Estimate] = []
    for source in sources:
        try:
            estimates.append(source.estimate(window, traces))
        except InsufficientData as error:
            findings.append(error.what)
        if isinstance(source, PowerSource) and (lost := source.invalid_inside(window)):
            findings.append(f"{source.series.meter.meter_id}: {lost} readings of 0 W or less count as gaps")
    best = leading(estimates, window.duration_s)
    counter = _best(estimates, "counter")
    trapezoid = _best(estimates, "trapezoid")
    return DeviceEnergy(
        name,
        best,
        None if counter is None else counter.energy_j,
        None if trapezoid is None else trapezoid.energy_j,
        _mean_of_samples_w(window, sources, trapezoid),
        () if best is None else _components(best, window, accuracy, climate),
        None if best is None else _edge_level(window, best, traces),
        0.0 if best is None else _delta_s(series, best),
        tuple(findings),
    )


def leading(estimates: Sequence[Estimate], duration_s: float) -> Estimate | None:
    """The estimate that leads: the least uncertain one with the limit of its meter, but a power that does not see all the time gives way to
    a fine counter.

    Such a power may alias, and no component of its budget holds that (Energy Standard v1, section 5, sampling). The limits are compared
    at one energy, so that of two meters with the same limit the one that shows less does not win by that.
    """
    fine_counter = any(e.fine and e.method == "counter" for e in estimates)
    eligible = [e for e in estimates if e.fine or e.method == "counter"] if fine_counter else estimates
    energy_j = fmean(e.energy_j for e in eligible) if eligible else 0.0

    def merit(estimate: Estimate) -> tuple[float, float]:
        if estimate.alignment is None:
            u_limit_j = u_spec(energy_j, duration_s, accuracy=estimate.meter.accuracy or TAKEN_FOR_UNKNOWN)
        else:
            u_limit_j = math.hypot(*(c.u_j or 0.0 for c in estimate.alignment.limits(energy_j, duration_s)))
        return math.hypot(estimate.u_j, u_limit_j), estimate.u_j

    return min(eligible, key=merit, default=None)


def flagged(window: Window, series: Series) -> list[str]:
    """How many readings of `series` inside `window` have a quality that is not integrated, and why the first of them has."""
    first, last = np.searchsorted(series.t_ns, [window.begin_ns, window.end_ns + 1])
    inside = series.quality[first:last]
    said = []
    for code in np.unique(inside[~INTEGRABLE[inside]]).tolist():
        rows = np.flatnonzero(inside == code)
        reason = series.reasons.get(int(first + rows[0]), "")
        why = f" ({reason})" if reason else ""
        said.append(f"{series.meter.meter_id}: {len(rows)} readings are {Quality(code).name.lower()} and not integrated{why}")
    return said


def _best(estimates: Sequence[Estimate], method: str) -> Estimate | None:
    return min((e for e in estimates if e.method == method), key=lambda e: e.u_j, default=None)


def _mean_of_samples_w(window: Window, sources: Sequence[Source], trapezoid: Estimate | None) -> float | None:
    powers = [source for source in sources if isinstance(source, PowerSource)]
    if trapezoid is not None:
        powers = [source for source in powers if source.series.meter is trapezoid.meter]
    return powers[0].mean_w(window) if powers else None


def _components(best: Estimate, window: Window, accuracy: Accuracy | None, climate: Sequence[Series]) -> tuple[Component, ...]:
    if best.alignment is not None:
        return (*best.alignment.limits(best.energy_j, window.duration_s), *best.components)
    return (*components(best.meter, best.energy_j, window, accuracy=accuracy, climate=climate), *NOT_ALIGNED, *best.components)


def _edge_level(window: Window, best: Estimate, traces: Sequence[PowerTrace]) -> Level:
    """Power around both marks together with the mean, which is the load where the marks stand outside it."""
    mean_w = best.energy_j / window.duration_s
    reach_s = best.bracket_s + blur_s(best.meter)
    around = [found for at_ns in (window.begin_ns, window.end_ns) if (found := level(traces, at_ns, reach_s)) is not None]
    return Level(min([mean_w, *(one.low_w for one in around)]), max([mean_w, *(one.high_w for one in around)]))


def _delta_s(series: Sequence[Series], best: Estimate) -> float:
    bound_ns = next(one.clock_bound_ns for one in series if one.meter.meter_id == best.meter.meter_id)
    return bound_ns / NS_PER_S + best.t_unc_s
