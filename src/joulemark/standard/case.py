"""A case: one bundle as the checks see it. What a file could not give is None; `faults` say why.

Everything derived is computed from the evidence here and nowhere read from the card, whose figures are claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from joulemark.cards import card as cards
from joulemark.cards.bundle import Finding
from joulemark.cards.compute import levels
from joulemark.cards.evidence import Evidence
from joulemark.chain import Receipt, Signature
from joulemark.energy.cords import named
from joulemark.energy.device import devices
from joulemark.energy.frozen import marked
from joulemark.energy.series import Float64, Series
from joulemark.errors import JoulemarkError
from joulemark.node import Nodes
from joulemark.readings import Boundary, Quantity
from joulemark.runs import PhaseKind, Run, Window
from joulemark.standard.trust import KIT, Trust


@dataclass(frozen=True)
class Case:
    """`folder`: the bundle. `evidence`: what its files hold, None where there is no run or no reading. `card`, `manifest` and `documents`:
    JSON files as they stand, by path below the folder. `faults`: path -> why it could not be read. `findings`: what the files' hashes
    say of the manifest. `trust`: whose keys count. `foreign`: a benchmark's own artefacts, to which Joulemark never added anything.
    """

    folder: Path
    evidence: Evidence | None
    card: Mapping[str, Any] | None = None
    manifest: Mapping[str, Any] | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    trust: Trust = field(default_factory=Trust)
    foreign: bool = False

    @property
    def run(self) -> Run | None:
        """The run with its phases."""
        return None if self.evidence is None else self.evidence.run

    @property
    def nodes(self) -> Nodes:
        """What is recorded of the nodes; empty where nothing is."""
        return Nodes() if self.evidence is None else self.evidence.nodes

    @property
    def kit(self) -> bool:
        """Whether the published key of the conformance kit signed it, or gave a receipt: everything in it is simulated."""
        chain = None if self.evidence is None else self.evidence.chain
        seals: tuple[Signature | Receipt, ...] = () if chain is None else (*chain.signatures, *chain.receipts)
        keys = (self.trust.key(one.public_key) for one in seals)
        return any(key is not None and key.role == KIT for key in keys)

    @property
    def measured(self) -> tuple[Window, ...]:
        """The repetitions: measured phases that count, in time order."""
        return () if self.run is None else tuple(sorted(self.run.measured, key=lambda w: w.begin_ns))

    def phases(self, *kinds: PhaseKind) -> tuple[Window, ...]:
        """The phases of some kinds, in time order."""
        windows = () if self.run is None else self.run.windows
        return tuple(sorted((w for w in windows if w.kind in kinds), key=lambda w: w.begin_ns))

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """What energy is made of, frozen powers marked as stale."""
        if self.evidence is None:
            return ()
        return tuple(marked([one for one in self.evidence.series if one.meter.quantity.measures_energy]))

    @cached_property
    def by_boundary(self) -> dict[Boundary, list[Series]]:
        """The meters that count at each boundary, the headline's first; empty without any."""
        return levels(self.series, named(self.series)) if self.series else {}

    @property
    def boundary(self) -> Boundary | None:
        """Of the headline."""
        return next(iter(self.by_boundary), None)

    @cached_property
    def headline(self) -> tuple[Series, ...]:
        """The streams that the headline energy comes from: of each device the meter that led in each measured phase."""
        if self.rebuilt is None or self.boundary is None:
            return ()
        group = [one for part in devices(self.by_boundary[self.boundary]).values() for one in part]
        names = {w.name for w in self.measured} or {p["name"] for p in self.rebuilt["phases"]}
        used = {d["meter_id"] for phase in self.rebuilt["phases"] if phase["name"] in names for d in phase["devices"]}
        return tuple(one for one in group if one.meter.meter_id in used)

    @cached_property
    def rebuilt(self) -> dict[str, Any] | None:
        """The card made anew from the evidence, without hashes; None where that cannot be done, see `unbuildable`."""
        return None if isinstance(self._made, str) else self._made

    @property
    def unbuildable(self) -> str:
        """Why no card can be made of the evidence; empty where one can."""
        return self._made if isinstance(self._made, str) else ""

    @cached_property
    def _made(self) -> dict[str, Any] | str:
        if self.evidence is None:
            return "there is no run, or no reading"
        if not self.series:
            return "there is no reading of power or energy"
        try:
            return cards.build(self.evidence, files={})
        except JoulemarkError as error:
            return str(error)

    def figures(self, window: Window) -> Mapping[str, Any]:
        """What was computed for a phase, `joulemark.compute/1`; empty where nothing was."""
        phases = [] if self.rebuilt is None else self.rebuilt["phases"]
        return next((p for p in phases if p["name"] == window.name and p["begin_ns"] == window.begin_ns), {})

    def witnesses(self, quantity: Quantity, *, covers: str | None = None) -> tuple[Series, ...]:
        """The streams of a quantity that is no energy; of those, the ones that cover one thing."""
        every = () if self.evidence is None else self.evidence.series
        return tuple(one for one in every if one.meter.quantity is quantity and (covers is None or covers in one.meter.covers))


def inside(series: Series, begin_ns: int, end_ns: int) -> tuple[Float64, Float64]:
    """(seconds after `begin_ns`, SI values) of the integrable readings in [begin_ns, end_ns]: float64[n] each."""
    good = series.integrable()
    rows = (good.t_ns >= begin_ns) & (good.t_ns <= end_ns)
    chosen = good.rows(rows)
    return (chosen.t_ns - begin_ns) / 1e9, chosen.si()


def means(series: Sequence[Series], begin_ns: int, end_ns: int) -> list[float]:
    """The plain mean of each stream's readings in a window, in SI units; streams without any are left out."""
    found = (inside(one, begin_ns, end_ns)[1] for one in series)
    return [float(np.mean(values)) for values in found if len(values)]
