"""Runs as a list shows them: which ones fit, in which order, and what is known of each without computing anything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from joulemark.cards.figures import Place, headline
from joulemark.collector import measure
from joulemark.collector.api.state import State
from joulemark.collector.catalog import Span
from joulemark.collector.store.base import Stream
from joulemark.collector.summaries import Summary
from joulemark.errors import UsageError
from joulemark.pricing.dates import moment_ns
from joulemark.units import NS_PER_S

PER_PAGE: Final = 25
MOST_LISTED: Final = 2000
"""The newest so many runs of the days that are asked for are looked through: marks wait meanwhile."""

DAY_NS: Final = 86_400 * NS_PER_S
ORDERS: Final = ("started", "benchmark", "model", "duration", "energy")
NAME: Final = "name"
"""The label by which a client calls a run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which runs, in which order, and which page of them; empty where all are meant. `day_from` and `day_to`: UTC, both included."""

    text: str = ""
    state: str = ""
    level: str = ""
    host: str = ""
    day_from: str = ""
    day_to: str = ""
    order: str = ORDERS[0]
    ascending: bool = False
    page: int = 1

    def address(self, **changed: Any) -> str:
        """The page with other filters, another order, or another of its pages."""
        now = replace(self, **changed)
        named = {"q": now.text, "state": now.state, "level": now.level, "host": now.host, "from": now.day_from, "to": now.day_to}
        given: dict[str, Any] = {name: value for name, value in named.items() if value}
        if (now.order, now.ascending) != (ORDERS[0], False):
            given |= {"sort": now.order, "direction": "up" if now.ascending else "down"}
        if now.page > 1:
            given["page"] = now.page
        return f"/runs?{urlencode(given)}" if given else "/runs"

    def turned(self, order: str) -> str:
        """The page in another order; in the one it has already, turned round."""
        return self.address(order=order, ascending=self.order == order and not self.ascending, page=1)

    @property
    def filtered(self) -> bool:
        """Whether some runs may be left out."""
        return any((self.text, self.state, self.level, self.host, self.day_from, self.day_to))

    @property
    def span_ns(self) -> tuple[int, int]:
        """[begin, end) of the days. Raises UsageError for days that are none, or that end before they begin."""
        begin = moment_ns(self.day_from, "from") if self.day_from else 0
        end = moment_ns(self.day_to, "to") + DAY_NS if self.day_to else 2**63 - 1
        if end <= begin:
            raise UsageError(f"to = {self.day_to} lies before from = {self.day_from}", "give the earlier day as from")
        return begin, end


@dataclass(frozen=True, slots=True)
class Row:
    """A run of the list. `span`: its marks; `summary`: None where it is not computed; `level`: as printed, empty where nobody asked."""

    run_id: str
    benchmark: str
    labels: Mapping[str, str]
    agents: tuple[str, ...]
    created_ns: int
    state: str
    span: Span | None = None
    hosts: tuple[str, ...] = ()
    level: str = ""
    summary: Summary | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Row:
        """The entry of `GET /v1/runs`."""
        state = "running" if found["stopped_ns"] is None else "stopped" if found["sealed_ns"] is None else "sealed"
        return cls(found["run_id"], found["benchmark"], found["labels"], tuple(found["agents"]), found["created_ns"], state)

    def marked(self, span: Span | None, streams: Sequence[Stream]) -> Row:
        """The same with its marks, and the hosts whose meters count."""
        boots = frozenset() if span is None else span.boot_ids
        return replace(self, span=span, hosts=tuple(sorted(measure.agents_on(self.agents, boots, streams))))

    def fits(self, asked: Asked) -> bool:
        """Whether it is asked for, by what the catalogue alone tells."""
        words = " ".join((self.run_id, self.benchmark, *self.labels.values())).casefold()
        return asked.state in ("", self.state) and all(word in words for word in asked.text.casefold().split())

    @property
    def model(self) -> str:
        """As its labels tell."""
        return self.labels.get("model", "")

    @property
    def name(self) -> str:
        """What it is called beside its point in a drawing."""
        return name_of(self.benchmark, self.labels, self.run_id)

    @property
    def duration_s(self) -> float | None:
        """From its first mark to its last; None while it goes on."""
        return None if self.span is None or self.state == "running" else (self.span.end_ns - self.span.begin_ns) / NS_PER_S

    @property
    def card(self) -> Place | None:
        """The parts of its card that are kept."""
        return None if self.summary is None or self.summary.card is None else Place(self.summary.card)

    @property
    def energy(self) -> Place | None:
        """J per 1000 output tokens as printed, None where not known."""
        return None if self.card is None else headline(self.card)


def name_of(benchmark: str, labels: Mapping[str, str], run_id: str) -> str:
    """A run in few words: its label `name`, else benchmark and model, and the end of its id."""
    said = labels.get(NAME) or " ".join(part for part in (benchmark, labels.get("model", "")) if part)
    return f"{said} {run_id[-6:]}".strip()


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the runs that fit. `total`: how many do, of `everything`; `more`: there are older runs that were not looked at."""

    asked: Asked
    rows: tuple[Row, ...]
    total: int
    everything: int
    more: bool
    hosts: tuple[str, ...]

    @property
    def pages(self) -> int:
        """How many there are."""
        return max(1, -(-self.total // PER_PAGE))


def listing(state: State, asked: Asked, streams: Sequence[Stream], levels: Mapping[str, str]) -> Listing:
    """The page that is asked for, else the last. `levels`: of the runs that were judged. Raises UsageError as `Asked.span_ns`."""
    begin_ns, end_ns = asked.span_ns
    found = [Row.of(one) for one in state.catalog.runs(MOST_LISTED + 1, begin_ns=begin_ns, end_ns=end_ns)]
    rows = [replace(row, level=levels.get(row.run_id, "")) for row in found[:MOST_LISTED] if row.fits(asked)]
    rows = [row for row in rows if not asked.level or row.level.startswith(asked.level)]
    if asked.host or asked.order == "duration":
        spans = state.catalog.spans([row.run_id for row in rows])
        rows = [row.marked(spans.get(row.run_id), streams) for row in rows]
        rows = [row for row in rows if asked.host in ("", *row.hosts)]
    rows = ordered(rows, asked, {run_id: one.found for run_id, one in state.summaries.kept.items()})
    page = min(asked.page, max(1, -(-len(rows) // PER_PAGE)))
    shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    spans = state.catalog.spans([row.run_id for row in shown])
    hosts = tuple(sorted({stream.agent_id for stream in streams}))
    placed = tuple(row.marked(spans.get(row.run_id), streams) for row in shown)
    return Listing(replace(asked, page=page), placed, len(rows), min(len(found), MOST_LISTED), len(found) > MOST_LISTED, hosts)


def ordered(rows: Sequence[Row], asked: Asked, summaries: Mapping[str, Summary]) -> list[Row]:
    """The rows in the order asked for, newest first among equal ones; what has no value stands last in either direction."""
    if asked.order == "started":
        return list(reversed(rows)) if asked.ascending else list(rows)
    keys = {row.run_id: sorting(row, asked.order, summaries.get(row.run_id)) for row in rows}
    known = [row for row in rows if keys[row.run_id] not in ("", math.inf)]
    known.sort(key=lambda row: keys[row.run_id], reverse=not asked.ascending)
    return [*known, *(row for row in rows if keys[row.run_id] in ("", math.inf))]


def sorting(row: Row, order: str, summary: Summary | None) -> Any:
    """The value of a row by which it is sorted, '' or infinite where it has none."""
    if order == "duration":
        return math.inf if row.duration_s is None else row.duration_s
    if order == "energy":
        known = None if summary is None else energy_of(summary)[0]
        return math.inf if known is None else known
    return (row.benchmark if order == "benchmark" else row.model).casefold()


def energy_of(summary: Summary) -> tuple[float | None, float | None]:
    """(J per 1000 output tokens, U95) as printed, unrounded: of the score, else of the measured phases together."""
    if summary.card is None:
        return None, None
    score, head = summary.card["score"], summary.card["headline"]
    if score is not None:
        return score["joules_per_1k_output_tokens"], score["u95_j"]
    return head["joules_per_1k_output_tokens"], head["joules_per_1k_output_tokens_u95"]
