"""Strangers: work that the meters of a run see and that is not the run's. A GPU divided into instances has one power, that of the whole,
and an inlet has that of all machines behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from joulemark.cards.compute import SHARED
from joulemark.cards.evidence import Evidence
from joulemark.energy.cords import named, whole_of
from joulemark.energy.series import Series
from joulemark.readings import Boundary

DIVIDED: Final = "mig_shared"
"""Word in the note of a meter whose GPU is divided into instances."""

INSTANCE: Final = "MIG-"
"""Begin of the uuid of an instance; no driver measures one alone."""


def strangers(series: Sequence[Series], boundary: Boundary) -> tuple[str, ...]:
    """Why the energy at `boundary` cannot be given to the requests of one run, in sentences; empty where nothing speaks against it."""
    found: dict[str, None] = {}
    for one in series:
        meter = one.meter
        name = ", ".join(meter.covers) or meter.device_id
        if any(covered.startswith(INSTANCE) for covered in meter.covers):
            found[f"{name} is an instance of a GPU: no meter sees one alone, and what {meter.meter_id} shows may be the whole"] = None
        elif DIVIDED in meter.note:
            found[f"{name} is divided into instances (MIG) and measured as a whole: what the others took is in the energy"] = None
    group = [one for one in series if one.meter.boundary is boundary]
    if boundary in SHARED and not whole_of(group, named(series)):
        found[f"what is measured at {boundary} may feed other machines: no cord is named that its meters cover"] = None
    return tuple(found)


def beside(evidence: Evidence) -> list[str]:
    """Other processes that were seen on the nodes during the run, as a finding for each node: their energy is in the shares."""
    begin_ns, end_ns = min(w.begin_ns for w in evidence.run.windows), max(w.end_ns for w in evidence.run.windows)
    findings = []
    for node in evidence.nodes.nodes:
        seen = {name for survey in node.surveys if begin_ns <= survey.t_ns <= end_ns for name in survey.foreign_processes or ()}
        if seen:
            findings.append(f"{len(seen)} other processes ran on {node.host}, such as {min(seen)}: what they took is in the shares")
    return findings
