"""Where the energy of a run went: each phase shared out among requests, idle time and gaps; the parts come to the whole.

A measured figure ends at the phase. Below it stands an assumption, which `method` and `split` name: what is in flight at one moment shares
the power of that moment. A phase whose meters also see other work (see `strangers`) is not shared out.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from joulemark.cards.attribution_asked import Asked, Told
from joulemark.cards.attribution_parts import Cut
from joulemark.cards.attribution_phase import Phase, unknown
from joulemark.cards.attribution_records import partial
from joulemark.cards.attribution_strangers import beside, strangers
from joulemark.cards.card import idle_phases, overlaps, ready_power_w
from joulemark.cards.compute import compute
from joulemark.cards.evidence import Evidence
from joulemark.cards.shares import measured
from joulemark.energy.attribution_claims import Method
from joulemark.energy.frozen import marked
from joulemark.energy.phase import PhaseEnergy
from joulemark.energy.series import Series
from joulemark.errors import UsageError
from joulemark.readings import Boundary
from joulemark.runs import IdleKind, Run, Window
from joulemark.units import NS_PER_S

ATTRIBUTION_SCHEMA: Final = "joulemark.attribution/1"
MAX_SLICES: Final = 10_000
MAX_BUDGETS: Final = 500
"""Each slice has a budget of its own, which takes a pass over the readings; phases of more slices go without."""

FORMULA: Final = {
    Method.EQUAL: "between two neighbouring edges of requests the energy is divided by the number of requests in flight",
    Method.TOKENS: "between two neighbouring edges of requests the energy is divided in proportion to tokens per second: in prefill input "
    "tokens that were not cached over the time to the first token, in decode output tokens but the first over the rest; by the number of "
    "requests while one of them has no such rate",
}
MEAN: Final = "shares of the mean power of the phase: what a request drew beside its time and tokens cannot be seen"
MOMENT: Final = "shares of the power at the moment"
ESTIMATE: Final = "an estimate: from outside nobody can tell which of several requests in flight took how much"


def attribution(evidence: Evidence, told: Told, asked: Asked) -> dict[str, Any]:
    """The object of schema `joulemark.attribution/1`: unrounded, null where unknown.

    Raises what `compute.compute` does, and UsageError for slices that make no sense.
    """
    run = evidence.run
    alignments = [one.record for one in evidence.alignments]
    computed = compute(evidence.series, run, alignments=alignments, upper_bounds_w=evidence.nodes.upper_bounds_w)
    boundary = Boundary(computed["power"]["boundary"])
    foreign = () if asked.whole_device else strangers(evidence.series, boundary)
    findings = [*foreign, *beside(evidence), *overlaps(run.windows), *silent(run, told), *computed["findings"]]
    because = "; ".join(foreign)
    return {
        "schema": ATTRIBUTION_SCHEMA,
        "run_id": run.run_id,
        "benchmark": run.benchmark,
        "boundary": str(boundary),
        "meters": list(dict.fromkeys(one["meter_id"] for figure in computed["phases"] for one in figure["devices"] if one["meter_id"])),
        "requests_from": told.source or None,
        "method": {
            "name": str(asked.method),
            "power": "mean" if asked.mean_power else "moment",
            "formula": FORMULA[asked.method],
            "label": f"{MEAN if asked.mean_power else MOMENT}, {asked.method}; {ESTIMATE}",
        },
        "phases": phases(evidence, computed["phases"], boundary, told, asked, because=because),
        "findings": list(dict.fromkeys(findings)),
    }


def phases(
    evidence: Evidence, figures: Sequence[Mapping[str, Any]], boundary: Boundary, told: Told, asked: Asked, *, because: str
) -> list[dict[str, Any]]:
    """Every phase of the run in its parts. `figures`: as `compute` has them; `because`: why none can be shared out."""
    run = evidence.run
    series = {one.meter.meter_id: one for one in marked([one for one in evidence.series if one.meter.quantity.measures_energy])}
    idle = idle_power(run, figures, asked)
    out = []
    for window, figure, energy in zip(run.windows, figures, measured(evidence, run.windows, boundary), strict=True):
        if energy is None or energy.metered_j is None:
            found = unknown(figure)
        else:
            cuts = cuts_of(window, told, asked)
            slices = budgets(evidence, energy, series, cuts, boundary)
            found = Phase.of(window, energy, series, told, asked, cuts=cuts, because=because).to_json(figure, slices)
        out.append({**found, "idle_share": idle_share(idle, figure)})
    return out


def budgets(
    evidence: Evidence, energy: PhaseEnergy, series: Mapping[str, Series], cuts: Sequence[Cut], boundary: Boundary
) -> Sequence[PhaseEnergy | None]:
    """The energy of each slice by the meters that lead in the phase, with a budget of its own; none for too many."""
    if not 0 < len(cuts) <= MAX_BUDGETS:
        return [None] * len(cuts)
    leading = {device.headline.meter.meter_id for device in energy.devices if device.headline is not None}
    climate = [one for one in evidence.series if not one.meter.quantity.measures_energy]
    alone = replace(evidence, series=(*(one for meter_id, one in series.items() if meter_id in leading), *climate))
    return measured(alone, [cut.window for cut in cuts], boundary)


def cuts_of(window: Window, told: Told, asked: Asked) -> list[Cut]:
    """The slices of a phase: those asked for, else those of its tool that lie in it. Raises UsageError for too many."""
    if asked.slice_s is None:
        own = [] if asked.mean_power else [part for part in told.slices if run_of(part) == run_of(window)]
        return [cut for part in own if (cut := Cut.of_tool(part, window)) is not None]
    if asked.mean_power:
        raise UsageError("slices of the mean power of a phase say nothing", "ask for slices, or for the mean power")
    step_ns = round(asked.slice_s * NS_PER_S)
    if step_ns < 1 or (window.end_ns - window.begin_ns) / step_ns > MAX_SLICES:
        raise UsageError(f"slices of {asked.slice_s:g} s cut {window.name} into more than {MAX_SLICES} parts", "ask for longer ones")
    edges = [*range(window.begin_ns, window.end_ns, step_ns), window.end_ns]
    return [Cut.of_grid(window, number, *pair, step_ns=step_ns) for number, pair in enumerate(itertools.pairwise(edges))]


def run_of(window: Window) -> str:
    """The folder of the run that a phase or slice is of, where several were read together; else empty."""
    return window.name.rpartition("/")[0]


def idle_power(run: Run, phases: Sequence[Mapping[str, Any]], asked: Asked) -> dict[str, Any]:
    """Idle power with the engine loaded, and from where: stated, else the mean of the idle phases in which requests could have come."""
    if asked.idle_w is not None:
        return {"power_w": asked.idle_w, "source": "stated", "reason": ""}
    idle = idle_phases(run, phases)
    power_w = ready_power_w(idle)
    names = ", ".join(phase["phase"] for phase in idle if phase["idle_kind"] == IdleKind.READY)
    reason = "" if power_w is not None else "no idle phase with the engine loaded was measured"
    return {"power_w": power_w, "source": f"{IdleKind.READY}: {names}" if power_w is not None else None, "reason": reason}


def idle_share(idle: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """What idling as long as the phase would have taken; it lies inside the other parts and is added to none."""
    power_w, energy_j = idle["power_w"], figures["energy_j"]
    idle_j = None if power_w is None else power_w * figures["duration_s"]
    return {**idle, "energy_j": idle_j, "share": idle_j / energy_j if idle_j is not None and energy_j else None}


def silent(run: Run, told: Told) -> list[str]:
    """The phases of which not every request is on record."""
    return [f"{window.name}: {why}; the others take no share" for window in run.windows if (why := partial(window, told.flights))]
