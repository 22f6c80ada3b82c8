"""The parts of a phase: prefill and decode, slices of time, and single requests as far as the meters tell them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final, Self

import numpy as np

from joulemark.benchmarks.aiperf_requests import CUT_OFF
from joulemark.energy.attribution import Bool, Shared
from joulemark.energy.attribution_claims import Claimed, Flight, Method, Stretch
from joulemark.energy.phase import PhaseEnergy
from joulemark.energy.series import Float64
from joulemark.runs import Window
from joulemark.units import NS_PER_S

BY_STRETCH: Final = (Stretch.PREFILL, Stretch.DECODE, Stretch.WHOLE)
NO_U95: Final = "how far the shares are from the truth cannot be known from outside; u95_j of the phase holds for its energy alone"


@dataclass(frozen=True, slots=True)
class Cut:
    """A slice of a phase. `complete`: as long as it was meant to be."""

    window: Window
    source: str
    complete: bool

    @classmethod
    def of_tool(cls, part: Window, window: Window) -> Self | None:
        """The part of a tool's slice that lies in `window`; None where there is none."""
        begin_ns, end_ns = max(part.begin_ns, window.begin_ns), min(part.end_ns, window.end_ns)
        if begin_ns >= end_ns:
            return None
        whole = (begin_ns, end_ns) == (part.begin_ns, part.end_ns) and not part.name.endswith(CUT_OFF)
        return cls(replace(part, begin_ns=begin_ns, end_ns=end_ns, kind=window.kind), "tool", whole)

    @classmethod
    def of_grid(cls, window: Window, number: int, begin_ns: int, end_ns: int, *, step_ns: int) -> Self:
        """The slice `number` of a phase cut into equal ones, the last of which may be shorter."""
        cut = Window(f"slice {number}", window.kind, begin_ns, end_ns, window.unc_ns)
        return cls(cut, "asked", end_ns - begin_ns == step_ns)


@dataclass(frozen=True, slots=True)
class Split:
    """Energy of all requests by what they were in. `prefill_s`: the median time to the first token, None without one."""

    prefill_j: float
    decode_j: float
    undivided_j: float
    evenly_s: float
    prefill_s: float | None

    @classmethod
    def of(cls, shared: Shared, claimed: Claimed) -> Self:
        """The energies of the claims by what they are."""
        energy_j = shared.claims_j()
        prefill_j, decode_j, undivided_j = (math.fsum(energy_j[claimed.stretch == part]) for part in BY_STRETCH)
        times_s = [(flight.first_ns - flight.request.begin_ns) / NS_PER_S for flight in claimed.flights if flight.first_ns is not None]
        return cls(prefill_j, decode_j, undivided_j, shared.parts().evenly_s, median(times_s) if times_s else None)

    def to_json(self, resolution_s: float) -> dict[str, Any]:
        """Null where no request has a first token."""
        if self.prefill_s is None:
            return no_split("no record tells when the first token came")
        blind = f"; the median prefill of {self.prefill_s:.3g} s is shorter than the {resolution_s:.3g} s that the meters tell apart"
        seen = "" if self.prefill_s >= resolution_s else f"{blind}: it follows times and tokens, not the power"
        return {
            "method": str(Method.TOKENS),
            "label": f"an estimate by the tokens per second in flight{seen}",
            "prefill_j": self.prefill_j,
            "decode_j": self.decode_j,
            "undivided_j": self.undivided_j,
            "evenly_s": self.evenly_s,
            "median_prefill_s": self.prefill_s,
            "reason": "",
        }


def no_split(reason: str) -> dict[str, Any]:
    """What stands in place of a split that cannot be made."""
    nothing = dict.fromkeys(("prefill_j", "decode_j", "undivided_j", "evenly_s", "median_prefill_s"))
    return {"method": None, "label": None, **nothing, "reason": reason}


def slices_of(
    cuts: Sequence[Cut],
    measured: Sequence[PhaseEnergy | None],
    shared: Shared,
    own: Bool,
    *,
    resolution_s: float,
    known: bool,
    sure: bool,
) -> list[dict[str, Any]]:
    """Each slice in its parts; null with the reason where it is shorter than what the meters tell apart. `known`: whether the phase can be
    shared out, `sure`: and its time without a request is idle.

    `measured`: the slices by the meters of the phase, whose budgets are the uncertainties.
    """
    mine_j, others_j = shared.taken_j(own), shared.taken_j(~own)
    found = []
    for cut, energy in zip(cuts, measured, strict=True):
        window, resolved = cut.window, cut.window.duration_s >= resolution_s
        rows = shared.rows(window.begin_ns, window.end_ns)
        parts = shared.parts(rows)
        told = resolved and known
        found.append(
            {
                "name": window.name,
                "source": cut.source,
                "complete": cut.complete,
                "begin_ns": window.begin_ns,
                "end_ns": window.end_ns,
                "duration_s": window.duration_s,
                "energy_j": parts.energy_j if resolved else None,
                "u95_j": energy.u95_j if resolved and energy is not None else None,
                "requests_j": math.fsum(mine_j[rows]) if told else None,
                "others_j": math.fsum(others_j[rows]) if told else None,
                "idle_j": parts.idle_j if told and sure else None,
                "unattributed_j": parts.unattributed_j if resolved else None,
                "reason": "" if resolved else too_short(window.duration_s, resolution_s),
            }
        )
    return found


def too_short(duration_s: float, resolution_s: float) -> str:
    """Why a stretch has no figure of its own."""
    return f"{duration_s:.4g} s are shorter than the {resolution_s:.4g} s that the meters tell apart"


@dataclass(frozen=True, slots=True)
class Columns:
    """Figures of each flight, float64[flights]: all of its energy, that of its prefill, of its decode, of the time it was alone, and
    its seconds without readings.
    """

    energy_j: Float64
    prefill_j: Float64
    decode_j: Float64
    alone_j: Float64
    lost_s: Float64

    @classmethod
    def of(cls, shared: Shared, claimed: Claimed) -> Self:
        """The claims of each flight added up."""
        by_claim_j = shared.claims_j()
        prefill_j, decode_j = (np.where(claimed.stretch == part, by_claim_j, 0.0) for part in (Stretch.PREFILL, Stretch.DECODE))
        columns = (by_claim_j, prefill_j, decode_j, shared.claims_alone_j(), shared.claims_lost_s())
        return cls(*(np.bincount(claimed.owner, column, len(claimed.flights)).astype(np.float64) for column in columns))


def requests_of(shared: Shared, claimed: Claimed, window: Window, *, needed_s: float, listed: bool) -> dict[str, Any]:
    """The requests of a phase: how many have a figure of their own, what these and the others come to; each of them where `listed`.

    `needed_s`: how long a request has to be for that.
    """
    columns = Columns.of(shared, claimed)
    own = [number for number, flight in enumerate(claimed.flights) if flight.request.phase == window.name]
    reasons = {number: unresolved(claimed.flights[number], float(columns.lost_s[number]), needed_s) for number in own}
    resolved = [number for number in own if not reasons[number]]
    return {
        "count": len(own),
        "resolved_count": len(resolved),
        "resolved_j": math.fsum(columns.energy_j[resolved]),
        "unresolved_j": math.fsum(columns.energy_j[[number for number in own if reasons[number]]]),
        "u95_reason": NO_U95,
        "list": [row(claimed.flights[n], window, columns, n, reasons[n]) for n in own] if listed else None,
    }


def unresolved(flight: Flight, lost_s: float, needed_s: float) -> str:
    """Why a request has no figure of its own; empty where it has one."""
    if lost_s > 0.0:
        return f"{lost_s:.4g} s of it have no readings"
    assert flight.request.end_ns is not None  # only such take part
    duration_s = (flight.request.end_ns - flight.request.begin_ns) / NS_PER_S
    return "" if duration_s >= needed_s else too_short(duration_s, needed_s)


def row(flight: Flight, window: Window, columns: Columns, number: int, reason: str) -> dict[str, Any]:
    """One request; its energy is that inside the phase, which `whole` says is all of it."""
    request, energy_j = flight.request, float(columns.energy_j[number])
    divided = flight.first_ns is not None and not reason
    return {
        "id": request.id,
        "name": flight.name,
        "status": str(request.status),
        "begin_ns": request.begin_ns,
        "first_token_ns": flight.first_ns,
        "end_ns": request.end_ns,
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
        "energy_j": None if reason else energy_j,
        "prefill_j": float(columns.prefill_j[number]) if divided else None,
        "decode_j": float(columns.decode_j[number]) if divided else None,
        "alone_share": min(1.0, float(columns.alone_j[number]) / energy_j) if energy_j and not reason else None,
        "whole": window.begin_ns <= request.begin_ns and (request.end_ns or 0) <= window.end_ns,
        "u95_j": None,
        "reason": reason,
    }
