"""Two to six runs as they stand side by side: what each came to, and what its comparison with the baseline says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from joulemark.cards.figures import Place
from joulemark.cards.latency import KINDS, PERCENTILES, Latency, name_of
from joulemark.collector.recorded import Recorded
from joulemark.collector.summaries import Summary
from joulemark.collector.web.drawings.scatter import Point
from joulemark.collector.web.listing import energy_of
from joulemark.collector.web.listing import name_of as called
from joulemark.energy.uncertainty import displayed
from joulemark.markup import shown
from joulemark.runs import PhaseKind
from joulemark.standard.comparability import Key

NAMES: Final = {
    "score": "score: J per 1k output tokens, repetitions in its uncertainty",
    "joules_per_1k_output_tokens": "energy per 1k output tokens",
    "joules_per_1k_input_tokens": "energy per 1k input tokens",
    "joules_per_1k_total_tokens": "energy per 1k tokens, input and output",
    "joules_per_request": "energy per request",
    "energy": "energy of all that counts",
    "mean_power": "mean power of all that counts",
    "market_per_1k_output_tokens": "rent per 1k output tokens",
    "market_per_1k_input_tokens": "rent per 1k input tokens",
    "market_per_1k_total_tokens": "rent per 1k tokens, input and output",
    "energy_per_1k_output_tokens": "electricity per 1k output tokens",
    "energy_per_1k_input_tokens": "electricity per 1k input tokens",
    "energy_per_1k_total_tokens": "electricity per 1k tokens, input and output",
}
"""The figures of `joulemark.comparison/1` in words, in the order of the page."""

LEAD_NS: Final = 30 * 1_000_000_000
"""Shown before a phase and after it."""

LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Side:
    """A run of the page. `number`: 1 to 6, as its line is called; `compared`: with the baseline, None for that, and where it cannot be."""

    number: int
    run_id: str
    name: str
    labels: Mapping[str, str]
    summary: Summary
    baseline: bool = False
    compared: Place | None = None

    @classmethod
    def of(cls, number: int, recorded: Recorded, summary: Summary, comparison: Mapping[str, Any] | None, *, baseline: bool) -> Side:
        """A run with what is known of it."""
        name = called(recorded.benchmark, recorded.labels, recorded.run_id)
        compared = None if comparison is None else Place(comparison)
        return cls(number, recorded.run_id, name, recorded.labels, summary, baseline, compared)

    @property
    def short_name(self) -> str:
        """Its name in few characters that all can be read."""
        return shown(self.name, longest=LONGEST)

    @property
    def card(self) -> Place | None:
        """The parts of its card that are kept."""
        return None if self.summary.card is None else Place(self.summary.card)

    def phase(self, name: str) -> Place | None:
        """The first phase of this name, or for an empty one the first that counts; None where it has none."""
        if self.card is None:
            return None
        counts = self.card["headline"]["phases"].value
        found = [one for one in self.card["phases"] if one["name"].value == name or (not name and one["name"].value in counts)]
        return found[0] if found else None

    def point(self, kind: str, percentile: int) -> Point:
        """Its place in the drawing of energy against latency."""
        energy_j, u95_j = energy_of(self.summary)
        latency = self.summary.latency(kind, percentile)
        why = []
        if self.summary.card is None:
            why.append("it has no card")
        elif energy_j is None:
            why.append("its energy per 1k output tokens is not known")
        if latency is None:
            why.append(f"it tells no {name_of(kind, percentile)}")
        value_ms = None if latency is None else latency.value_ms
        said = f"{self.number} {self.name}"
        return Point(said, energy_j, u95_j, value_ms, run_id=self.run_id, why=" and ".join(why), here=self.baseline)

    def latency(self, kind: str, percentile: int) -> Latency | None:
        """A latency of it."""
        return self.summary.latency(kind, percentile)


@dataclass(frozen=True, slots=True)
class Delta:
    """A figure of a run against the baseline. `word` and `look`: whether the difference is more than its uncertainty; `why`: the reason."""

    found: Place
    word: str
    look: str
    why: str = ""

    @property
    def percent(self) -> str:
        """The difference as a share of the baseline with its U95, rounded alike where that is above 0; empty where there is none."""
        ratio, u95 = self.found["ratio"].value, self.found["u95_ratio"].value
        if ratio is None:
            return ""
        if not u95:
            return f"{(ratio - 1.0) * 100.0:+.2f} %"
        value, width = displayed((ratio - 1.0) * 100.0, u95 * 100.0)
        return f"{'' if value.startswith('-') else '+'}{value} \N{PLUS-MINUS SIGN} {width} %"

    @classmethod
    def of(cls, found: Place) -> Delta:
        """What `resolved` of the comparison says."""
        reason = found["reason"].value
        if found["difference"].value is None:
            return cls(found, "not compared", "soft", reason)
        if found["resolved"].value is None:
            return cls(found, "cannot be told", "doubt", reason)
        if found["resolved"].value:
            return cls(found, "significant", "good")
        return cls(found, "not significant", "soft", "the difference is within its U95")


def deltas(sides: Sequence[Side]) -> list[tuple[str, list[Delta | None]]]:
    """(figure in words, of each run but the baseline the difference); figures that nobody has are left out."""
    others = [side for side in sides if not side.baseline]
    found = []
    for name, said in NAMES.items():
        row = [delta(side, name) for side in others]
        if any(one is not None and not (one.found["a"].value is None and one.found["b"].value is None) for one in row):
            found.append((said, row))
    return found


def delta(side: Side, name: str) -> Delta | None:
    """One figure of one run; None where nothing was compared."""
    if side.compared is None:
        return None
    return next((Delta.of(one) for one in side.compared["figures"] if one["name"].value == name), None)


def differing(sides: Sequence[Side]) -> list[tuple[str, str, list[str | None]]]:
    """(fact, its value in the baseline, the value in each other run: None where it is the same, or was not compared)."""
    others = [side for side in sides if not side.baseline]
    facts: dict[str, str] = {}
    values: dict[tuple[str, int], str] = {}
    for side in others:
        for one in side.compared["differs"].value if side.compared else ():
            facts[one["what"]] = short(one["a"])
            values[one["what"], side.number] = short(one["b"])
    return [(what, value, [values.get((what, side.number)) for side in others]) for what, value in facts.items()]


def short(value: Any) -> str:
    """A fact in few characters."""
    text = "not known" if value in (None, "", [], {}) else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\N{HORIZONTAL ELLIPSIS}"


def classed(baseline: Key | None, other: Key | None) -> tuple[str, str, str]:
    """(word, class of its look, reason): whether two runs may stand in one table of a board (TOK-7)."""
    for name, key in (("the baseline", baseline), ("this run", other)):
        if key is None:
            return "cannot be told", "doubt", f"{name} does not say what was run: attach its workload"
        if key.missing:
            return "cannot be told", "doubt", f"not known of {name}: {', '.join(key.missing)}"
    assert baseline is not None
    assert other is not None
    apart = [field.name for field in fields(Key) if getattr(baseline, field.name) != getattr(other, field.name)]
    if apart:
        return "another class", "doubt", f"they differ in {', '.join(apart)}"
    return "the same class", "good", "model, precision, data set, lengths, load and scope are the same"


def boundaries(sides: Sequence[Side]) -> list[str]:
    """Where the runs have meters that count, the baseline's headline first."""
    found: dict[str, None] = {}
    for side in sorted(sides, key=lambda side: not side.baseline):
        if side.card is not None:
            found[side.card["headline"]["boundary"].value] = None
            found |= dict.fromkeys(one["boundary"].value for one in side.card["meters"] if one["used"].value)
    return list(found)


def phases(sides: Sequence[Side]) -> list[str]:
    """The names of all phases, those that count first."""
    every = [one for side in sides if side.card is not None for one in side.card["phases"]]
    every.sort(key=lambda one: one["kind"].value != PhaseKind.MEASURED)
    return list(dict.fromkeys(one["name"].value for one in every))


def told(sides: Sequence[Side]) -> list[tuple[str, str, int]]:
    """(value, name, how many of the runs tell it) of every latency."""
    return [
        (f"{kind}-{percentile}", name_of(kind, percentile), sum(side.latency(kind, percentile) is not None for side in sides))
        for kind in KINDS
        for percentile in PERCENTILES
    ]


def overlaid(sides: Sequence[Side], phase: str, boundary: str) -> dict[str, Any]:
    """What the script draws: of each run that has the phase where its power is, and how long before the phase that begins."""
    runs = []
    for side in sides:
        if (found := side.phase(phase)) is not None:
            begin_ns, end_ns = found["begin_ns"].value, found["end_ns"].value
            trace = f"/v1/runs/{side.run_id}/trace?from_ns={begin_ns - LEAD_NS}&to_ns={end_ns + LEAD_NS}"
            length_s = (end_ns - begin_ns) / 1e9
            runs.append({"number": side.number, "name": side.short_name, "trace": trace, "lead_s": LEAD_NS / 1e9, "length_s": length_s})
    return {"boundary": boundary, "runs": runs}


def conclusion(sides: Sequence[Side], phase: str) -> str:
    """What the overlay shows, in words."""
    said = []
    for side in sides:
        found = side.phase(phase)
        power_w = None if found is None else found["mean_power_w"].value
        if found is not None:
            mean = "not known" if power_w is None else f"{power_w:.6g} W"
            said.append(f"{side.number} {side.short_name}: mean {mean} over {found['duration_s'].value:.6g} s")
        else:
            said.append(f"{side.number} {side.short_name}: no such phase")
    return f"{'; '.join(said)}."
