"""Whether a counter and a power of one thing tell the same energy (SMP-9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from joulemark.energy.counters import Refreshes, counter_energy, refreshes
from joulemark.energy.device import devices
from joulemark.energy.estimate import PowerSource
from joulemark.energy.integrate import trapezoid_j
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Quantity
from joulemark.runs import PhaseKind, Window
from joulemark.standard.case import Case
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Measured, Outcome, Verdict, cannot_tell, judged, not_applicable

SOURCE: Final = "energy/readings/*.csv"


@dataclass(frozen=True)
class Pair:
    """A counter and a power of the same thing, both raw: an alignment of one of them says nothing of the other."""

    name: str
    counter: Series
    power: Series

    @cached_property
    def points(self) -> Refreshes:
        """When the counter brought news. Raises InsufficientData for one that never did."""
        return refreshes(self.counter)

    def step_j(self) -> float:
        """The step of the counter: as seen, as its meter states it where it never moved."""
        try:
            return self.points.step_j
        except InsufficientData:
            return self.counter.meter.si(self.counter.meter.step)

    def difference(self, window: Window, *, coarse: float) -> float | str | None:
        """|counter / trapezoid - 1| over a phase, or why it is not known; None where the counter's step is above `coarse` of the energy."""
        power_j = 0.0
        try:
            power_j = trapezoid_j(self.power.t_ns, self.power.si(), window.begin_ns, window.end_ns)
            energy_j = counter_energy(self.points, window.begin_ns, window.end_ns, what=self.name).energy_j
        except InsufficientData as error:
            return None if self.step_j() > coarse * power_j > 0.0 else error.what
        return None if power_j <= 0.0 or self.step_j() > coarse * max(energy_j, power_j) else abs(energy_j / power_j - 1.0)


def estimates_agree(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-9: the worst measured phase decides; an idle phase that disagrees is a warning."""
    if case.boundary is None or not case.measured:
        return cannot_tell("the bundle has no measured phase, or no readings", source=SOURCE)
    both = pairs(case.by_boundary[case.boundary])
    if not both:
        return not_applicable("nothing at the headline's boundary has both a counter and a power", source="energy/meters.json")
    limit, coarse = rule.limit(grade, "difference"), rule.limit(grade, "step")
    measured, unknown = differences(both, case.measured, coarse=coarse)
    said = f"<= {limit:.1%} where the counter's step is <= {coarse:.1%} of the energy"
    found, name = max(measured, default=(0.0, ""))
    if unknown and found <= limit:
        return cannot_tell(f"counter and power cannot be compared: {unknown[0]}", source=SOURCE, limit=said)
    if not measured:
        return not_applicable(f"every counter steps by more than {coarse:.1%} of the energy", source=SOURCE)
    idle, _ = differences(both, case.phases(PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER), coarse=coarse)
    worst_idle, idle_name = max(idle, default=(0.0, ""))
    shown: Measured = {"difference": found, "stream": name, "idle_difference": worst_idle if idle else None}
    if found <= limit < worst_idle:
        return Outcome(Verdict.WARN, shown, said, SOURCE, f"{idle_name}: counter and power differ by {worst_idle:.1%} while idle")
    return judged(found <= limit, measured=shown, limit=said, source=SOURCE)


def pairs(group: Sequence[Series]) -> list[Pair]:
    """Every counter beside every power of the same device."""
    try:
        by_device = devices(group)
    except UsageError:
        return []
    found = []
    for name, alternatives in by_device.items():
        powers = [PowerSource.of(one).series for one in alternatives if one.meter.quantity is Quantity.POWER]
        counters = [one for one in alternatives if one.meter.quantity is Quantity.ENERGY_COUNTER]
        found += [Pair(name, counter, power) for counter in counters for power in powers]
    return found


def differences(both: Sequence[Pair], windows: Sequence[Window], *, coarse: float) -> tuple[list[tuple[float, str]], list[str]]:
    """((difference, device and phase) wherever it is known, why it is not where it should be)."""
    every = [(pair.difference(window, coarse=coarse), f"{pair.name} in {window.name}") for window in windows for pair in both]
    known = [(difference, name) for difference, name in every if isinstance(difference, float)]
    return known, [f"{name}: {difference}" for difference, name in every if isinstance(difference, str)]
