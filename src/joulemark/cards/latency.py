"""How long requests took, so far as a run tells: from its request log, else the figure that its benchmark printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from joulemark.cards.evidence import Evidence, counted
from joulemark.request_log import Request, Status
from joulemark.runs import ToolReported
from joulemark.units import NS_PER_MS

KINDS: Final = {"end_to_end": "end-to-end latency", "ttft": "time to first token", "itl": "inter-token latency"}
PERCENTILES: Final = {50: "median", 99: "p99"}
LOGGED: Final = "request log"

NAMES: Final = {
    "end_to_end": re.compile(r"(?<![a-z])(e2el?|end_to_end|request_latency|e2e_latency)(?![a-z])"),
    "ttft": re.compile(r"(?<![a-z])(ttft|time_to_first_token)(?![a-z])"),
    "itl": re.compile(r"(?<![a-z])(itl|inter_token_latency)(?![a-z])"),
}
MARKS: Final = {50: re.compile(r"median|(?<![a-z0-9])p50(?![0-9])"), 99: re.compile(r"(?<![a-z0-9])p99(?![0-9])")}
MS: Final = {"s": 1000.0, "ms": 1.0, "us": 0.001}
OPENAIPERF: Final = "latency_p99_ms"


@dataclass(frozen=True, slots=True)
class Latency:
    """A percentile of a latency in ms over the requests of the phases that count; `source`: who measured it."""

    kind: str
    percentile: int
    value_ms: float
    source: str

    @property
    def name(self) -> str:
        """As on an axis."""
        return name_of(self.kind, self.percentile)


def name_of(kind: str, percentile: int) -> str:
    """A latency in words."""
    return f"{PERCENTILES[percentile]} {KINDS[kind]}"


def latencies(evidence: Evidence) -> tuple[Latency, ...]:
    """What is known, in the order of `KINDS`, each percentile once: our own log before a tool's figure."""
    own = logged(evidence)
    told = reported(evidence)
    found = {(one.kind, one.percentile): one for one in (*told, *own)}
    return tuple(found[kind, percentile] for kind in KINDS for percentile in PERCENTILES if (kind, percentile) in found)


def logged(evidence: Evidence) -> list[Latency]:
    """From begin to end of each completed request; nothing where one of them has no end, since the slow ones would be those."""
    names = {window.name for window in counted(evidence.run)}
    done = [one for one in evidence.requests or () if one.phase in names and one.status is Status.COMPLETED]
    spans = [span for one in done if (span := lasted_ms(one)) is not None]
    if not spans or len(spans) < len(done):
        return []
    values = np.percentile(np.array(spans), list(PERCENTILES))
    source = f"{LOGGED}, {len(spans)} requests"
    return [Latency("end_to_end", percentile, float(value), source) for percentile, value in zip(PERCENTILES, values, strict=True)]


def lasted_ms(request: Request) -> float | None:
    """How long a request took; None where its end is not known, or lies before its begin."""
    if request.end_ns is None or request.end_ns < request.begin_ns:
        return None
    return (request.end_ns - request.begin_ns) / NS_PER_MS


def reported(evidence: Evidence) -> list[Latency]:
    """What the benchmark printed for the whole of what counts: a percentile of several phases is none of them together."""
    windows = {window.name for window in counted(evidence.run)}
    found: dict[tuple[str, int], list[Latency]] = {}
    for figure in evidence.run.tool_reported:
        if (one := told_by(figure)) is not None and figure.window in ("", *windows):
            found.setdefault((one.kind, one.percentile), []).append(one)
    label = evidence.run.labels.get(OPENAIPERF, "")
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", label):
        found.setdefault(("end_to_end", 99), []).append(Latency("end_to_end", 99, float(label), f"label {OPENAIPERF}"))
    return [each[0] for each in found.values() if len({one.value_ms for one in each}) == 1]


def told_by(figure: ToolReported) -> Latency | None:
    """The latency that a tool's figure is by its name and unit, None where it is none."""
    name = figure.name.lower()
    kind = next((kind for kind, pattern in NAMES.items() if pattern.search(name)), None)
    percentile = next((percentile for percentile, pattern in MARKS.items() if pattern.search(name)), None)
    if kind is None or percentile is None or figure.unit not in MS or not 0.0 <= figure.value < 1e12:
        return None
    return Latency(kind, percentile, figure.value * MS[figure.unit], figure.source or "the benchmark")
