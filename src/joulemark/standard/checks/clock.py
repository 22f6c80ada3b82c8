"""Rules CLK: whether the clocks of the run were kept, compared, and near enough for the energy of its phases."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from joulemark.runs import IdleKind, PhaseKind, Window
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.clocks import COLLECTOR, HostClock, bounds_s, clocks, span_ns, whole
from joulemark.standard.edition import Rule
from joulemark.standard.latency import Latency, latencies
from joulemark.standard.verdict import Measured, Outcome, Verdict, cannot_tell, judged
from joulemark.units import NS_PER_S

SOURCE: Final = "energy/clock.json: hosts"
STEPS: Final = "energy/clock.json: steps"
READINGS: Final = "energy/readings/*.csv"


def absent(case: Case) -> Outcome | None:
    """What cannot be told without a measured phase and the clocks of the collector and of whoever reads the headline; None with them."""
    if not case.measured:
        return cannot_tell("the bundle has no measured phase", source="energy/phases.json")
    roles = {host.role for host in clocks(case) if host.moments}
    if sum(host.role == COLLECTOR for host in clocks(case)) > 1:
        return cannot_tell("several clocks are called the collector's: which one the others were held against is not known", source=SOURCE)
    if COLLECTOR not in roles or roles == {COLLECTOR}:
        lacking = "the collector" if COLLECTOR not in roles else "any agent"
        return cannot_tell(f"no states of the clock of {lacking} are recorded", source=SOURCE)
    if hidden := {one.meter.host for one in case.headline} - {host.name for host in clocks(case) if host.moments}:
        return cannot_tell(f"{min(hidden)} reads the meters of the headline, and no states of its clock are recorded", source=SOURCE)
    return None


def silent(case: Case) -> HostClock | None:
    """The first host that said nothing of its clock before the repetitions, or nothing after them."""
    begin_ns, end_ns = span_ns(case)
    return next((host for host in clocks(case) if host.before(begin_ns) is None or host.after(end_ns) is None), None)


def disciplined(case: Case, rule: Rule, grade: str) -> Outcome:
    """CLK-1. A clock that says it is not synchronised is recorded, and warned of: its offset is what CLK-2 judges."""
    del rule, grade
    if missing := absent(case):
        return missing
    limit = "time daemon named and state of synchronisation told, before the first repetition and after the last"
    if host := silent(case):
        return cannot_tell(
            f"{host.name} said nothing of its clock before the first repetition, or after the last", source=SOURCE, limit=limit
        )
    begin_ns, end_ns = span_ns(case)
    edges = [(host, moment) for host in clocks(case) for moment in (host.before(begin_ns), host.after(end_ns)) if moment is not None]
    if unknown := next((host for host, moment in edges if moment.kernel_synchronized is None), None):
        return cannot_tell(f"{unknown.name} does not say whether its clock was synchronised", source=SOURCE, limit=limit)
    unnamed = next((host.name for host, moment in edges if not moment.discipline), None)
    adrift = next((host.name for host, moment in edges if not moment.kernel_synchronized), None)
    names = ", ".join(sorted({moment.discipline for _, moment in edges if moment.discipline}))
    measured: Measured = {"discipline": names, "hosts": len(clocks(case))}
    if unnamed is not None:
        return judged(good=False, measured=measured, limit=limit, source=SOURCE, detail=f"nothing keeps the clock of {unnamed}")
    if adrift is not None:
        return Outcome(Verdict.WARN, measured, limit, SOURCE, f"the clock of {adrift} was not synchronised")
    return judged(good=True, measured=measured, limit=limit, source=SOURCE)


def bounded(case: Case, rule: Rule, grade: str) -> Outcome:
    """CLK-2."""
    if missing := absent(case):
        return missing
    limit_s = rule.limit(grade, "bound_s")
    said = f"<= {limit_s * 1000:g} ms"
    found = bounds_s(case)
    if unknown := next((name for name, bound in found.items() if bound is None), None):
        return cannot_tell(f"{unknown} was never compared with the collector, and does not say how well its clock is kept", source=SOURCE)
    bound_s, name = max((bound, name) for name, bound in found.items() if bound is not None)
    return judged(bound_s <= limit_s, measured={"bound_s": bound_s, "clock": name}, limit=said, source=SOURCE)


def probed(case: Case, rule: Rule, grade: str) -> Outcome:
    """CLK-3."""
    if missing := absent(case):
        return missing
    limit_s, every_s, step_s = (rule.limit(grade, name) for name in ("difference_s", "every_s", "step_s"))
    said = f"|dt| <= {limit_s * 1000:g} ms, a probe every {every_s:g} s, no step > {step_s * 1000:g} ms"
    begin_ns, end_ns = span_ns(case)
    hosts = [host for host in clocks(case) if host.role != COLLECTOR]
    if host := next((host for host in hosts if not covers(host.probed_ns(), begin_ns, end_ns)), None):
        return cannot_tell(f"{host.name} was not probed before the first repetition, or not after the last", source=SOURCE, limit=said)
    apart_s, seldom = max((longest_s(host.probed_ns(), begin_ns, end_ns), host.name) for host in hosts)
    told = [(one.apart_s, host.name) for host in hosts for one in host.around(begin_ns, end_ns) if one.probe_count]
    if vague := {name for off_s, name in told if off_s is None} | ({host.name for host in hosts} - {name for _, name in told}):
        return cannot_tell(f"{min(vague)} was probed, and how far it was from the collector is not told", source=SOURCE, limit=said)
    off_s, far = max((off_s, name) for off_s, name in told if off_s is not None)
    if (step := largest_step(case)) is None:
        return cannot_tell("a clock stepped, and it is not told by how much", source=STEPS, limit=said)
    stepped_s, stepper = step
    measured: Measured = {"difference_s": off_s, "probe_every_s": apart_s, "step_s": stepped_s}
    wrong = [
        (off_s > limit_s, f"{far} differs from the collector by up to {off_s:.3f} s"),
        (apart_s > every_s, f"{seldom} was not probed for {apart_s:.0f} s"),
        (stepped_s > step_s, f"the clock of {stepper} stepped by {stepped_s:.3f} s"),
    ]
    detail = "; ".join(text for bad, text in wrong if bad)
    return judged(not detail, measured=measured, limit=said, source=f"{SOURCE}; steps", detail=detail)


def covers(t_ns: list[int], begin_ns: int, end_ns: int) -> bool:
    """Whether a time stands on each side of a span."""
    return bool(t_ns) and t_ns[0] <= begin_ns and t_ns[-1] >= end_ns


def longest_s(t_ns: list[int], begin_ns: int, end_ns: int) -> float:
    """The longest distance of two neighbours that reaches into a span."""
    return max(((later - one) / NS_PER_S for one, later in pairwise(t_ns) if later > begin_ns and one < end_ns), default=0.0)


def largest_step(case: Case) -> tuple[float, str] | None:
    """(size in s, host) of the largest jump of a clock during the run; (0, "") for none, None where one does not tell its size."""
    steps = () if case.evidence is None else case.evidence.clock_steps
    found = [(whole(step, "step_ns"), str(step.get("agent_id") or "the collector")) for step in steps]
    sizes = [(abs(step_ns) / NS_PER_S, host) for step_ns, host in found if step_ns is not None]
    return max(sizes, default=(0.0, "")) if len(sizes) == len(found) else None


def late(case: Case, rule: Rule, grade: str) -> Outcome:
    """CLK-4: what is left of the lag of the worst stream, in full where nothing corrects it."""
    found = known_latencies(case, rule, grade)
    if isinstance(found, Outcome):
        return found
    least, limit_s = rule.limit(grade, "edges"), rule.limit(grade, "residual_s")
    one = max(found, key=lambda each: (each.edges < least, each.residual_s))
    measured: Measured = {
        "residual_s": one.residual_s,
        "lag_s": one.lag_s,
        "corrected_s": one.corrected_s,
        "edges": one.edges,
        "stream": one.meter_id,
        "reference": one.reference,
    }
    said = f"<= {limit_s:g} s, from >= {least:g} edges"
    return judged(one.edges >= least and one.residual_s <= limit_s, measured=measured, limit=said, source=READINGS)


def known_latencies(case: Case, rule: Rule, grade: str) -> list[Latency] | Outcome:
    """The latency of every stream of the headline, or why it cannot be told."""
    if not case.measured or not case.headline:
        return cannot_tell("the bundle has no measured phase, or no readings that enclose one", source=READINGS)
    edges, share, step = (rule.limit(grade, name) for name in ("edges", "edge_share", "edge_step"))
    found = latencies(case, least_edges=round(edges), edge_share=share, edge_step=step)
    if why := next((one for one in found if isinstance(one, str)), ""):
        return cannot_tell(why, source=READINGS)
    return [one for one in found if isinstance(one, Latency)]


def timing_error(case: Case, rule: Rule, grade: str) -> Outcome:
    """CLK-5: what clocks and latency together may shift between load and idle, as a share of the energy; the worst repetition."""
    if missing := absent(case):
        return missing
    found = known_latencies(case, rule, grade)
    if isinstance(found, Outcome):
        return found
    bounds = bounds_s(case).values()
    if None in bounds:
        return cannot_tell("the bound of a clock is not known, see CLK-2", source=SOURCE)
    idle_w = idle_power_w(case)
    if idle_w is None:
        return cannot_tell("the power of no idle phase is known", source=READINGS)
    delta_s = max(bound for bound in bounds if bound is not None) + max(one.residual_s for one in found)
    shares = [(share, window.name) for window in case.measured if (share := shifted(case, window, delta_s, idle_w)) is not None]
    if len(shares) < len(case.measured):
        return cannot_tell("the energy of a repetition is not known", source=READINGS)
    limit = rule.limit(grade, "error")
    error, name = max(shares)
    measured: Measured = {"error": error, "delta_s": delta_s, "power_idle_w": idle_w, "phase": name}
    return judged(error <= limit, measured=measured, limit=f"<= {limit:.2%}", source=f"{SOURCE}; {READINGS}")


def shifted(case: Case, window: Window, delta_s: float, idle_w: float) -> float | None:
    """Delta (P_load - P_idle) / E of a repetition; None without its energy."""
    figures = case.figures(window)
    load_w, energy_j = figures.get("mean_power_w"), figures.get("energy_j")
    return None if load_w is None or not energy_j else delta_s * abs(load_w - idle_w) / abs(energy_j)


def idle_power_w(case: Case) -> float | None:
    """The lowest mean power of an idle phase with the engine ready, of any where none says so."""
    phases = case.phases(PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)
    ready = [window for window in phases if window.idle_kind is IdleKind.READY] or list(phases)
    return min((power for window in ready if (power := case.figures(window).get("mean_power_w")) is not None), default=None)


CHECKS: Final[Mapping[str, Check]] = {
    "CLK-1": disciplined,
    "CLK-2": bounded,
    "CLK-3": probed,
    "CLK-4": late,
    "CLK-5": timing_error,
}
