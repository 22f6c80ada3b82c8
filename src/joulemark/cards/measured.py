"""A run as costs, comparisons and projections need it: its evidence, the card built from that, and the tokens by every denominator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from joulemark.calibration.alignment import Alignment
from joulemark.cards import card
from joulemark.cards.evidence import Aligned, Evidence, counted
from joulemark.energy.series import RAW_TIMES, Series
from joulemark.pricing.snapshot import Snapshot
from joulemark.runs import PhaseKind, Tokens, Window
from joulemark.units import NS_PER_S

COUNTS: Final = ("input", "output", "cached_input", "reasoning")
KEPT: Final = (
    "clocks",
    "losses",
    "overhead",
    "clock_steps",
    "produced_by",
    "nodes",
    "workload",
    "requests",
    "meter_log",
    "chain",
    "rule_set",
)
"""Parts of the evidence in which nothing depends on prices."""

UPTIME: Final = "uptime"


@dataclass(frozen=True)
class Measured:
    """`card`: what `card.build` makes of `evidence`. Nothing that a bundle says of itself is in it."""

    evidence: Evidence
    card: Mapping[str, Any]

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        """The run that `evidence` is of. Raises what `card.build` does."""
        return cls(evidence, card.build(evidence))

    @property
    def name(self) -> str:
        """The id of the run, for people."""
        return self.evidence.run.run_id or "(no id)"

    @property
    def headline(self) -> Mapping[str, Any]:
        """The counted phases together, as the card has them."""
        found: Mapping[str, Any] = self.card["headline"]
        return found

    @property
    def windows(self) -> tuple[Window, ...]:
        """The phases that count."""
        return counted(self.evidence.run)

    @property
    def duration_s(self) -> float:
        """Of the phases that count, together."""
        return sum(w.end_ns - w.begin_ns for w in self.windows) / NS_PER_S

    @property
    def k(self) -> float:
        """The coverage factor of its energy: the largest of the phases that count."""
        known = [p["uncertainty"]["k"] for p in self.card["phases"] if p["uncertainty"] and p["name"] in self.headline["phases"]]
        return max(known, default=2.0)

    @property
    def tokens(self) -> Tokens:
        """What the successful requests of the phases took and gave, together."""
        return together(self.windows)

    @property
    def all_tokens(self) -> Tokens | None:
        """The same with those of failed and cancelled requests; None where no log of the requests tells them.

        Without a failed request the two are the same.
        """
        if not sum(w.requests_failed or 0 for w in self.windows) and all(w.requests_failed is not None for w in self.windows):
            return self.tokens
        if self.evidence.requests is None:
            return None
        names = {w.name for w in self.windows}
        issued = [request for request in self.evidence.requests if request.phase in names]
        both = {name: card.total([getattr(request, f"{name}_tokens") for request in issued]) for name in ("input", "output")}
        return Tokens(**both) if issued else None

    @property
    def denominators(self) -> dict[str, int | float | None]:
        """Token counts by name, None where not known. Those from a cache are part of the input; without them two counts stand beside."""
        tokens = self.tokens
        fresh = None if tokens.input is None or tokens.cached_input is None else tokens.input - tokens.cached_input
        return {
            "output": tokens.output,
            "input": tokens.input,
            "total": tokens.total,
            "uncached_input": fresh,
            "uncached_total": None if fresh is None or tokens.output is None else fresh + tokens.output,
        }


def together(windows: tuple[Window, ...]) -> Tokens:
    """The tokens of several phases; a count is None where one of them does not tell."""
    counts = {name: card.total([getattr(w.tokens, name) for w in windows]) for name in COUNTS}
    sources = dict.fromkeys(w.tokens.source for w in windows)
    return Tokens(**counts, source=", ".join(filter(None, sources)), disagreement=math.fsum(w.tokens.disagreement for w in windows))


def through(evidence: Evidence) -> Evidence:
    """The same evidence with all its phases as one, from the first begin to the last end: the time that the machine was held.

    Its tokens are those of the phases that count.
    """
    windows, work = evidence.run.windows, counted(evidence.run)
    held = Window(
        UPTIME,
        PhaseKind.MEASURED,
        min(w.begin_ns for w in windows),
        max(w.end_ns for w in windows),
        unc_ns=max(w.unc_ns for w in windows),
        tokens=together(work),
        requests=card.total([w.requests for w in work]),
        requests_failed=card.total([w.requests_failed for w in work]),
    )
    requests = None if evidence.requests is None else tuple(replace(one, phase=UPTIME) for one in requests_of(evidence, work))
    return replace(evidence, run=replace(evidence.run, windows=(held,)), requests=requests)


def requests_of(evidence: Evidence, windows: tuple[Window, ...]) -> list[Any]:
    """The requests of some phases."""
    names = {w.name for w in windows}
    return [request for request in evidence.requests or () if request.phase in names]


def at_prices(
    evidence: Evidence, prices: Snapshot, *, labels: Mapping[str, str], begin_ns: int | None = None, known_at_ns: int | None = None
) -> Evidence:
    """The same run as if it had been rented as `labels` say, and its first counted phase had begun at `begin_ns` (None: when it did).

    Everything with a date is moved together, readings and alignments too, so the energy stays what it was.
    """
    offset_ns = 0 if begin_ns is None else begin_ns - counted(evidence.run)[0].begin_ns
    run = replace(evidence.run, labels={**evidence.run.labels, **labels}, windows=tuple(w.shifted(offset_ns) for w in evidence.run.windows))
    alignments = tuple(
        Aligned(later(one.record, offset_ns), moved(one.sensor, offset_ns), moved(one.reference, offset_ns)) for one in evidence.alignments
    )
    return Evidence.gathered(
        run,
        [moved(one, offset_ns) for one in evidence.series],
        prices,
        known_at_ns=known_at_ns,
        limits=evidence.as_of.limits,
        alignments=alignments,
        **{name: getattr(evidence, name) for name in KEPT},
    )


def moved(series: Series, offset_ns: int) -> Series:
    """The same readings at another time."""
    if not offset_ns:
        return series
    columns = {name: getattr(series, name) for name in RAW_TIMES}
    raw: dict[str, Any] = {name: None if column is None else column + offset_ns * (column != 0) for name, column in columns.items()}
    return replace(series, t_ns=series.t_ns + offset_ns, **raw)


def later(record: Alignment, offset_ns: int) -> Alignment:
    """The same alignment, made and expiring at another time."""
    return replace(record, made_ns=record.made_ns + offset_ns, expires_ns=record.expires_ns + offset_ns)
