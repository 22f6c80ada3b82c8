"""One phase shared out: its energy cut at every edge of a request and given to what was in flight there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np

from joulemark.cards.attribution_asked import Asked, Told
from joulemark.cards.attribution_parts import Cut, Split, no_split, requests_of, slices_of
from joulemark.cards.attribution_records import in_flight, missing, partial
from joulemark.energy.attribution import Bool, Shared
from joulemark.energy.attribution_claims import Claimed, Method
from joulemark.energy.attribution_curve import Course
from joulemark.energy.phase import PhaseEnergy
from joulemark.energy.series import Series
from joulemark.runs import Window

UNKNOWN: Final = "the energy of the phase is not known"
COPIED: Final = ("name", "kind", "begin_ns", "end_ns", "duration_s", "boundary", "energy_j", "energy_method", "u95_j")
PARTS: Final = ("requests_j", "others_j", "idle_j", "unattributed_j")
BESIDE: Final = ("energy_upper_bound_j", "idle_s", "unattributed_s", "unattributed_because", "resolution_s")


@dataclass(frozen=True)
class Phase:
    """A phase of known energy. `course`: how that grew; `claimed`, `shared`: its requests by the method asked for; `own`: bool[n], which
    claims are of this phase's requests. `because`: why none of it can be shared out, empty where it can. `doubt`: why time without a
    request is not known to be idle.
    """

    window: Window
    course: Course
    claimed: Claimed
    shared: Shared
    own: Bool
    because: str
    doubt: str
    cuts: tuple[Cut, ...]
    asked: Asked

    @classmethod
    def of(
        cls,
        window: Window,
        energy: PhaseEnergy,
        series: Mapping[str, Series],
        told: Told,
        asked: Asked,
        *,
        cuts: Sequence[Cut],
        because: str,
    ) -> Self:
        """The phase `window`, whose headline is `energy`. `series`: by the id of the meter."""
        course = Course.of(energy, series)
        because, doubt = because or missing(window, told.flights), partial(window, told.flights)
        claimed = Claimed.of([flight for flight in told.flights if in_flight(flight, window)], method=asked.method)
        own = np.array([claimed.flights[owner].request.phase == window.name for owner in claimed.owner], dtype=bool)
        shared = shared_by(claimed, course, asked, cuts=cuts, because=because)
        if doubt:
            shared = replace(shared, lost=shared.lost | (shared.heads == 0))
        return cls(window, course, claimed, shared, own, because, doubt, tuple(cuts), asked)

    @property
    def known(self) -> bool:
        """Whether the phase can be shared out."""
        return not self.because

    @property
    def sure(self) -> bool:
        """Whether time without a request is known to be idle."""
        return not self.because and not self.doubt

    def to_json(self, figures: Mapping[str, Any], slices: Sequence[PhaseEnergy | None]) -> dict[str, Any]:
        """`figures`: of the phase, as `compute` has them. `slices`: the energies of `cuts`."""
        parts, claims_j = self.shared.parts(), self.shared.claims_j()
        return {
            **{name: figures[name] for name in COPIED},
            "requests_j": math.fsum(claims_j[self.own]) if self.known else None,
            "others_j": math.fsum(claims_j[~self.own]) if self.known else None,
            "idle_j": parts.idle_j if self.sure else None,
            "unattributed_j": parts.unattributed_j,
            "energy_upper_bound_j": figures["energy_upper_bound_j"],
            "idle_s": parts.idle_s if self.sure else None,
            "unattributed_s": parts.unattributed_s,
            "unattributed_because": self.reason(parts.unattributed_s),
            "resolution_s": self.course.resolution_s,
            "split": self.split(),
            "slices": slices_of(
                self.cuts,
                slices,
                self.shared,
                self.own,
                resolution_s=self.course.resolution_s,
                known=self.known,
                sure=self.sure,
            ),
            "requests": self.requests(),
            "reason": self.because,
        }

    def reason(self, unattributed_s: float) -> str:
        """Why something is not attributed; empty where everything is."""
        gaps = "no reading stands for the time" if len(self.course.gaps_ns) else ""
        doubt = f"{self.doubt}, so that time without one is not known to be idle" if self.doubt else ""
        return (self.because or "; ".join(filter(None, (gaps, doubt)))) if unattributed_s else ""

    def split(self) -> dict[str, Any]:
        """Prefill and decode, by tokens in flight."""
        if self.because:
            return no_split(self.because)
        by_token = Claimed.of(self.claimed.flights, method=Method.TOKENS)
        shared = shared_by(by_token, self.course, self.asked, cuts=(), because="")
        return Split.of(shared, by_token).to_json(self.course.resolution_s)

    def requests(self) -> dict[str, Any] | None:
        """The phase's own requests; None where nothing can be shared out."""
        if self.because:
            return None
        needed_s = 0.0 if self.asked.mean_power else self.course.resolution_s
        return requests_of(self.shared, self.claimed, self.window, needed_s=needed_s, listed=self.asked.listed)


def shared_by(claimed: Claimed, course: Course, asked: Asked, *, cuts: Sequence[Cut], because: str) -> Shared:
    """The energy of a phase shared out; all of it lost where there is a reason that it cannot be."""
    window = course.window
    return Shared.of(
        course.mean_energy_j if asked.mean_power else course.energy_j,
        claimed.claims,
        begin_ns=window.begin_ns,
        end_ns=window.end_ns,
        gaps_ns=np.array([[window.begin_ns, window.end_ns]]) if because else course.gaps_ns,
        cuts_ns=np.array([edge for cut in cuts for edge in (cut.window.begin_ns, cut.window.end_ns)], dtype=np.int64),
    )


def unknown(figures: Mapping[str, Any]) -> dict[str, Any]:
    """A phase whose energy is not known."""
    nothing: dict[str, Any] = dict.fromkeys((*PARTS, *BESIDE))
    more: dict[str, Any] = {"split": no_split(UNKNOWN), "slices": [], "requests": None, "reason": UNKNOWN}
    return {**{name: figures[name] for name in COPIED}, **nothing, **more}
