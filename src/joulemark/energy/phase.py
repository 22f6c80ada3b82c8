"""The energy of a phase: all devices of one boundary added up, with one budget, per token and per request."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulemark.energy.alignment import Applied
from joulemark.energy.attribute import Ratio, joules_per, joules_per_1k
from joulemark.energy.device import DeviceEnergy, devices, disagreement_rel, measure_device
from joulemark.energy.estimate import Estimate
from joulemark.energy.series import Series
from joulemark.energy.uncertainty import Budget, Component, combined, u_time
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Accuracy, Boundary
from joulemark.runs import Window
from joulemark.units import NS_PER_S

NOT_APPLIED = (
    Component("tokens", 0.0, "enters the joules per token, not the energy"),
    Component("repeat", 0.0, "one repetition; enters the score of several", "normal"),
)


@dataclass(frozen=True, slots=True)
class PhaseEnergy:
    """Energy of one window at one boundary, summed over its devices. None where unknown; `findings` say why.

    `upper_bounds_w`: of parts that no meter sees, by name; they count in full in `energy_j`, and in nothing else.
    """

    window: Window
    boundary: Boundary
    devices: tuple[DeviceEnergy, ...]
    budget: Budget | None
    findings: tuple[str, ...] = field(default=())
    upper_bounds_w: Mapping[str, float] = field(default_factory=dict)

    @property
    def energy_j(self) -> float | None:
        """The headline: gross energy of all devices, and the upper bound of what no meter sees."""
        return None if self.metered_j is None else self.metered_j + self.upper_bound_j

    @property
    def metered_j(self) -> float | None:
        """What the meters saw of it."""
        return _sum([d.energy_j for d in self.devices])

    @property
    def upper_bound_j(self) -> float:
        """What is added for parts that no meter sees."""
        return math.fsum(self.upper_bounds_w.values()) * self.window.duration_s

    @property
    def energy_method(self) -> str | None:
        """`counter` or `trapezoid`, `mixed` where devices differ, None without energy."""
        if self.energy_j is None:
            return None
        methods = {best.method for best in self._headlines}
        return methods.pop() if len(methods) == 1 else "mixed"

    @property
    def energy_counter_j(self) -> float | None:
        """The same from counters alone."""
        return _sum([d.energy_counter_j for d in self.devices])

    @property
    def energy_trapezoid_j(self) -> float | None:
        """The same from power alone."""
        return _sum([d.energy_trapezoid_j for d in self.devices])

    @property
    def mean_of_samples_w(self) -> float | None:
        """Plain mean of the positive samples strictly inside the window, summed over devices (the rule of MLPerf's checker)."""
        return _sum([d.mean_of_samples_w for d in self.devices])

    @property
    def energy_mean_j(self) -> float | None:
        """That mean times the duration."""
        return None if self.mean_of_samples_w is None else self.mean_of_samples_w * self.window.duration_s

    @property
    def mean_power_w(self) -> float | None:
        """Energy over duration."""
        return None if self.energy_j is None else self.energy_j / self.window.duration_s

    @property
    def u95_j(self) -> float | None:
        """Expanded uncertainty of what is known; `budget.missing` names what is not."""
        return None if self.budget is None else self.budget.u95_j

    @property
    def joules_per_1k_output(self) -> Ratio | None:
        """Energy per 1000 output tokens."""
        return self._per_1k(self.window.tokens.output)

    @property
    def joules_per_1k_input(self) -> Ratio | None:
        """Energy per 1000 input tokens."""
        return self._per_1k(self.window.tokens.input)

    @property
    def joules_per_1k_total(self) -> Ratio | None:
        """Energy per 1000 tokens, input and output together."""
        return self._per_1k(self.window.tokens.total)

    @property
    def joules_per_request(self) -> Ratio | None:
        """Energy per completed request."""
        if self.energy_j is None or self.budget is None or self.window.requests is None:
            return None
        return joules_per(self.energy_j, self.window.requests, u_energy_j=self.budget.u_c_j)

    def _per_1k(self, tokens: float | None) -> Ratio | None:
        if self.energy_j is None or self.budget is None:
            return None
        return joules_per_1k(self.energy_j, tokens, u_energy_j=self.budget.u_c_j, disagreement=self.window.tokens.disagreement)

    @property
    def _headlines(self) -> list[Estimate]:
        return [d.headline for d in self.devices if d.headline is not None]

    def to_json(self) -> dict[str, Any]:
        """A phase of `joulemark.compute/1`: unrounded, null where unknown."""
        best = self._headlines
        window, energy_j = self.window, self.energy_j
        return {
            "name": window.name,
            "kind": str(window.kind),
            "boundary": str(self.boundary),
            "begin_ns": window.begin_ns,
            "end_ns": window.end_ns,
            "duration_s": window.duration_s,
            "energy_j": energy_j,
            "energy_upper_bound_j": self.upper_bound_j,
            "energy_method": self.energy_method,
            "energy_counter_j": self.energy_counter_j,
            "energy_trapezoid_j": self.energy_trapezoid_j,
            "disagreement_rel": disagreement_rel(self.energy_counter_j, self.energy_trapezoid_j),
            "u95_j": self.u95_j,
            "energy_mean_j": self.energy_mean_j,
            "mean_power_w": self.mean_power_w,
            "mean_of_samples_w": self.mean_of_samples_w,
            "sample_count": sum(e.sample_count for e in best),
            "coverage": min(e.coverage.share for e in best) if len(best) == len(self.devices) else None,
            "max_gap_s": max(e.coverage.max_gap_s for e in best),
            "tokens": {"input": window.tokens.input, "output": window.tokens.output},
            "requests": window.requests,
            "joules_per_1k_output_tokens": _value(self.joules_per_1k_output),
            "joules_per_1k_input_tokens": _value(self.joules_per_1k_input),
            "joules_per_1k_total_tokens": _value(self.joules_per_1k_total),
            "joules_per_request": _value(self.joules_per_request),
            "uncertainty": None if self.budget is None or energy_j is None else self.budget.to_json(energy_j),
            "devices": [d.to_json() for d in self.devices],
            "findings": list(self.findings),
        }


def measure(
    window: Window,
    series: Sequence[Series],
    *,
    power_idle_w: float | None = None,
    accuracy: Accuracy | None = None,
    clock_bound_ns: int = 0,
    uncovered: Sequence[str] = (),
    alignments: Mapping[str, Applied] = types.MappingProxyType({}),
    upper_bounds_w: Mapping[str, float] = types.MappingProxyType({}),
    climate: Sequence[Series] = (),
) -> PhaseEnergy:
    """The energy of `window` from all `series` of one boundary.

    `power_idle_w`: idle power of all devices together, for the timing component; the lowest power near the marks when None.
    `accuracy`: of every meter, before what they say of themselves. `clock_bound_ns`: bound of the clock that dated the window
    against the one that dates the series. `uncovered`: cords that have no meter here, each of which counts as a device without energy.
    `alignments`: by the id of the meter. `upper_bounds_w`: of parts that no meter sees, by name, which are counted in full.
    `climate`: thermometers around the meters.

    A device without energy leaves the sum None, with the reason among the findings. Raises InsufficientData when no device
    has any, UsageError for no series, for several boundaries, and for meters whose sum would be ambiguous.
    Source: Energy Standard v1, section 5.
    """
    boundaries = {one.meter.boundary for one in series}
    if len(boundaries) != 1:
        found = ", ".join(sorted(boundaries)) or "none"
        raise UsageError(f"phase {window.name!r} needs meters of one boundary, found {found}", "choose the meters of one boundary")
    groups = devices(series)
    measured = tuple(
        measure_device(window, name, group, accuracy=accuracy, alignments=alignments, climate=climate) for name, group in groups.items()
    )
    boundary = boundaries.pop()
    measured += tuple(_bare_cord(cord, boundary) for cord in uncovered)
    findings = tuple(finding for device in measured for finding in device.findings) + _left_out(series, groups) + _taken_as_one(groups)
    if all(device.energy_j is None for device in measured):
        raise InsufficientData(f"phase {window.name!r}: {'; '.join(findings)}", "record from before the phase until after it")
    budget = None
    if all(device.energy_j is not None for device in measured):
        timing = _timing(window, measured, power_idle_w, clock_bound_ns)
        budget = _budget(measured, timing, _estimate(upper_bounds_w))
        findings += tuple(budget.component(name).source for name in budget.missing)
    return PhaseEnergy(window, boundary, measured, budget, findings, dict(upper_bounds_w))


def _bare_cord(cord: str, boundary: Boundary) -> DeviceEnergy:
    finding = f"no meter at {boundary} covers the cord {cord}: the sum would not be the energy of its host"
    return DeviceEnergy(cord, None, None, None, None, (), None, 0.0, (finding,))


def _left_out(series: Sequence[Series], groups: Mapping[str, Sequence[Series]]) -> tuple[str, ...]:
    used = {one.meter.meter_id for group in groups.values() for one in group}
    parts = [one.meter.meter_id for one in series if one.meter.meter_id not in used]
    return tuple(f"{meter_id} sees a part of what another meter sees as a whole: not added" for meter_id in parts)


def _taken_as_one(groups: Mapping[str, Sequence[Series]]) -> tuple[str, ...]:
    """The meters of which nobody said that they watch one server, and that yet are not added up."""
    silent = ([one.meter for one in group if not one.meter.covers] for group in groups.values())
    several = [dict.fromkeys(meter.device_id for meter in meters) for meters in silent]
    return tuple(f"{' and '.join(ids)} are taken to watch one server: say in covers what each measures" for ids in several if len(ids) > 1)


def _estimate(upper_bounds_w: Mapping[str, float]) -> Component:
    if not upper_bounds_w:
        return Component("estimate", 0.0, "no part of the energy is estimated")
    said = ", ".join(f"{name} {bound_w:g} W" for name, bound_w in upper_bounds_w.items())
    return Component("estimate", 0.0, f"upper bound counted in full: {said}")


def _budget(measured: Sequence[DeviceEnergy], timing: Component, estimate: Component) -> Budget:
    names = dict.fromkeys(c.name for c in measured[0].components)
    lines = [combined([c for device in measured for c in device.components if c.name == name]) for name in names]
    return Budget.of([*lines, timing, estimate, *NOT_APPLIED])


def _timing(window: Window, measured: Sequence[DeviceEnergy], power_idle_w: float | None, clock_bound_ns: int) -> Component:
    common_s = (clock_bound_ns + window.unc_ns) / NS_PER_S
    levels = [(common_s + d.delta_s, d.edge_level) for d in measured if d.edge_level is not None]
    delta_s = max(delta for delta, _ in levels)
    if power_idle_w is None:
        u_j = math.fsum(u_time(delta, power_load_w=at.high_w, power_idle_w=at.low_w) for delta, at in levels)
    else:
        u_j = u_time(delta_s, power_load_w=math.fsum(at.high_w for _, at in levels), power_idle_w=power_idle_w)
    return Component("time", u_j, f"window against readings within {delta_s:.3g} s", correlation_group="clock")


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known and len(known) == len(values) else None


def _value(ratio: Ratio | None) -> float | None:
    return None if ratio is None else ratio.value_j
