"""Shares: a phase cut where the tariff or the carbon intensity changes, and how much of its energy each part took.

The parts are integrated from the same readings by the same method as the phase. What they come to together differs from the phase by
rounding alone where that is the trapezoid, and by the dating of refreshes where it is a counter; they are scaled to the phase, whose
energy stands. Where the method gives a part no energy, the power samples share the energy out, and the card says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from joulemark.calibration.in_force import in_force
from joulemark.cards.compute import levels
from joulemark.cards.evidence import Evidence, counted
from joulemark.energy.cords import named, uncovered
from joulemark.energy.frozen import marked
from joulemark.energy.phase import PhaseEnergy, measure
from joulemark.errors import InsufficientData
from joulemark.pricing.snapshot import Snapshot
from joulemark.readings import Boundary, Quantity
from joulemark.runs import Window

ROUNDING: Final = 1e-9
"""Relative difference of the parts and the whole that is worth no word."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a phase and its energy; None where it is not known."""

    begin_ns: int
    end_ns: int
    energy_j: float | None


@dataclass(frozen=True, slots=True)
class Shares:
    """The parts of a phase in order. `note`: how the energy was shared out, where it was not integrated part by part."""

    parts: tuple[Part, ...]
    note: str = ""


def shares(evidence: Evidence, phases: Sequence[Mapping[str, Any]], boundary: str) -> dict[tuple[str, int], Shares]:
    """(name, begin) of each counted phase to its parts; `phases` and `boundary` as `compute.compute` gives them."""
    figures = {(phase["name"], phase["begin_ns"]): phase for phase in phases}
    found = {}
    for window in counted(evidence.run):
        key = (window.name, window.begin_ns)
        cut = edges(evidence, window)
        whole_j = figures[key]["energy_j"]
        if len(cut) == 2 or whole_j is None:
            found[key] = Shares((Part(window.begin_ns, window.end_ns, whole_j),))
        else:
            windows = [replace(window, begin_ns=first, end_ns=last) for first, last in itertools.pairwise(cut)]
            energies = measured(evidence, windows, Boundary(boundary))
            found[key] = shared(windows, energies, whole_j=whole_j, method=figures[key]["energy_method"])
    return found


def edges(evidence: Evidence, window: Window) -> list[int]:
    """Begin and end of `window`, and the moments between them at which another tariff or intensity begins to hold."""
    known = Snapshot(tariffs=evidence.tariffs, carbons=evidence.carbons)
    covers = (known.tariffs_over(window.begin_ns, window.end_ns), known.carbon_over(window.begin_ns, window.end_ns))
    moments = {moment for found in covers for span in found.spans for moment in (span.begin_ns, span.end_ns)}
    return sorted({window.begin_ns, window.end_ns, *moments})


def measured(evidence: Evidence, windows: Sequence[Window], boundary: Boundary) -> list[PhaseEnergy | None]:
    """The energy of each window at `boundary`, by the meters and with the corrections that the phases have; None where readings miss."""
    climate = [one for one in evidence.series if one.meter.quantity is Quantity.TEMPERATURE]
    series = marked([one for one in evidence.series if one.meter.quantity.measures_energy])
    cords = named(series)
    group = levels(series, cords)[boundary]
    begin_ns = min(window.begin_ns for window in evidence.run.windows)
    applied, _ = in_force([one.record for one in evidence.alignments], at_ns=begin_ns)
    found: list[PhaseEnergy | None] = []
    for window in windows:
        try:
            found.append(
                measure(
                    window,
                    group,
                    uncovered=uncovered(group, cords),
                    alignments=applied,
                    upper_bounds_w=evidence.nodes.upper_bounds_w,
                    climate=climate,
                )
            )
        except InsufficientData:
            found.append(None)
    return found


def shared(windows: Sequence[Window], energies: Sequence[PhaseEnergy | None], *, whole_j: float, method: str | None) -> Shares:
    """`whole_j` shared out over `windows` in the proportion of what each took; not known where nothing tells the proportion."""
    by_method = [None if one is None or one.energy_method != method else one.energy_j for one in energies]
    by_samples = [None if one is None else one.energy_trapezoid_j for one in energies]
    for weights, sampled in ((by_method, False), (by_samples, True)):
        known = [weight for weight in weights if weight is not None]
        total_j = math.fsum(known)
        if len(known) == len(windows) and (total_j > 0.0) and min(known) >= 0.0:
            parts = tuple(Part(w.begin_ns, w.end_ns, whole_j * (weight / total_j)) for w, weight in zip(windows, known, strict=True))
            return Shares(parts, noted(total_j, whole_j, method=method, sampled=sampled))
    return Shares(tuple(Part(w.begin_ns, w.end_ns, None) for w in windows), "no method gives the energy of each part")


def noted(total_j: float, whole_j: float, *, method: str | None, sampled: bool) -> str:
    """How the energy was shared out; empty where the parts were integrated and come to the whole."""
    if sampled:
        return f"the {method} gives no energy of each part: shared out in the proportion of the power samples, by trapezoid"
    off = total_j / whole_j - 1.0 if whole_j else 0.0
    return "" if abs(off) <= ROUNDING else f"the parts come to {total_j:.9g} J, {off:+.2e} of the whole, and are scaled to it"
