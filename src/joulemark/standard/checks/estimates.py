"""Whether a counter and a power of one thing tell the same energy (SMP-9)."""

from __future__ import annotations

from typing import Any, Final

from joulemark.energy.counters import refreshes
from joulemark.energy.device import devices
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Quantity
from joulemark.runs import PhaseKind, Window
from joulemark.standard.case import Case
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Measured, Outcome, Verdict, cannot_tell, judged, not_applicable

SOURCE: Final = "energy/readings/*.csv"


def estimates_agree(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-9: the worst measured phase decides; an idle phase that disagrees is a warning."""
    if case.boundary is None or not case.measured:
        return cannot_tell("the bundle has no measured phase, or no readings", source=SOURCE)
    both = pairs(case)
    if not both:
        return not_applicable("no thing at the headline's boundary has both a counter and a power", source="energy/meters.json")
    limit, coarse = rule.limit(grade, "difference"), rule.limit(grade, "step")
    measured = differences(case, both, case.measured, coarse=coarse)
    said = f"<= {limit:.1%} where the counter's step is <= {coarse:.1%} of the energy"
    if not measured:
        return not_applicable(f"every counter steps by more than {coarse:.1%} of the energy, or has none", source=SOURCE)
    found, name = max(measured)
    idle = differences(case, both, case.phases(PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER), coarse=coarse)
    worst_idle, idle_name = max(idle, default=(0.0, ""))
    shown: Measured = {"difference": found, "stream": name, "idle_difference": worst_idle if idle else None}
    if found <= limit < worst_idle:
        return Outcome(Verdict.WARN, shown, said, SOURCE, f"{idle_name}: counter and power differ by {worst_idle:.1%} while idle")
    return judged(found <= limit, measured=shown, limit=said, source=SOURCE)


def pairs(case: Case) -> dict[str, float]:
    """Name of each device of the headline that has a counter and a power -> step of the counter in J."""
    assert case.boundary is not None
    try:
        groups = devices(case.by_boundary[case.boundary])
    except UsageError:
        return {}
    return {
        name: step
        for name, group in groups.items()
        if any(one.meter.quantity is Quantity.POWER for one in group) and (step := step_j(group)) is not None
    }


def step_j(group: tuple[Series, ...]) -> float | None:
    """The finest step of the counters of a group; None without one that moves."""
    steps = []
    for one in group:
        if one.meter.quantity is Quantity.ENERGY_COUNTER:
            try:
                steps.append(refreshes(one).step_j)
            except InsufficientData:
                continue
    return min(steps, default=None)


def differences(case: Case, steps: dict[str, float], windows: tuple[Window, ...], *, coarse: float) -> list[tuple[float, str]]:
    """(|counter / trapezoid - 1|, device and phase) wherever both are known and the counter is fine enough."""
    found = []
    for window in windows:
        entries: list[dict[str, Any]] = case.figures(window).get("devices", [])
        for entry in entries:
            step, difference, energy_j = steps.get(entry["device_id"]), entry["disagreement_rel"], entry["energy_counter_j"]
            if step is not None and difference is not None and energy_j and step <= coarse * abs(energy_j):
                found.append((abs(difference), f"{entry['device_id']} in {window.name}"))
    return found
