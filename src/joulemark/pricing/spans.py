"""Spans: a window of time cut where another tariff, or another carbon intensity, begins to hold; never drawn out beyond its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Generic, Protocol, TypeVar

from joulemark.pricing.dates import LAST_NS, moment_text
from joulemark.pricing.price import MANUAL


class Dated(Protocol):
    """What holds for a zone from one moment until before another: a tariff, or a carbon intensity."""

    @property
    def zone(self) -> str: ...
    @property
    def effective_from_ns(self) -> int: ...
    @property
    def effective_to_ns(self) -> int | None: ...
    @property
    def fetched_at_ns(self) -> int: ...
    @property
    def feed(self) -> str: ...
    @property
    def point_id(self) -> str: ...


D = TypeVar("D", bound=Dated)

NOTHING: Final = "no {what} is known for the time and place of the run"


@dataclass(frozen=True, slots=True)
class Span(Generic[D]):
    """`record` holds from `begin_ns` until before `end_ns`."""

    begin_ns: int
    end_ns: int
    record: D


@dataclass(frozen=True, slots=True)
class Cover(Generic[D]):
    """The spans of a window in order, without overlap. `reason`: why they do not cover all of it; empty where they do."""

    spans: tuple[Span[D], ...] = ()
    reason: str = ""

    @property
    def records(self) -> tuple[D, ...]:
        """What holds in any of the spans, in order of time, each once."""
        return tuple(dict.fromkeys(span.record for span in self.spans))


def cover(
    records: Iterable[D], begin_ns: int, end_ns: int, *, zone: str | None = None, known_at_ns: int | None = None, what: str = "tariff"
) -> Cover[D]:
    """The window [begin_ns, end_ns) cut into the spans of what held in `zone`, as known at `known_at_ns` (None: all that is known).

    `zone` None: the only one there is. Where several hold, an entry of the operator goes before a feed, a later beginning before an
    earlier one, and of equal beginnings the one read last. One without an end holds until the next of its feed begins; one with an end
    is never drawn out. Raises ValueError for a window that is empty.
    """
    if end_ns <= begin_ns:
        raise ValueError(f"a window from {begin_ns} to {end_ns} is empty")
    known = [r for r in records if (zone is None or r.zone == zone) and (known_at_ns is None or r.fetched_at_ns <= known_at_ns)]
    if len({r.zone for r in known}) != 1:
        return Cover(reason=NOTHING.format(what=what))
    ends = [(record, end) for record, end in with_ends(known) if record.effective_from_ns < end_ns and end > begin_ns]
    edges = {moment for record, end in ends for moment in (record.effective_from_ns, end) if begin_ns < moment < end_ns}
    spans: list[Span[D]] = []
    waiting = sorted(ends, key=lambda pair: pair[0].effective_from_ns, reverse=True)
    holding: list[tuple[D, int]] = []
    reason = ""
    for first_ns, last_ns in pairwise(sorted({begin_ns, end_ns, *edges})):
        while waiting and waiting[-1][0].effective_from_ns <= first_ns:
            holding.append(waiting.pop())
        holding = [pair for pair in holding if pair[1] > first_ns]
        found = foremost([record for record, _ in holding])
        if len(found) == 1:
            spans.append(Span(first_ns, last_ns, found[0]))
        elif not reason:
            between = f"of {known[0].zone} from {moment_text(first_ns)} to {moment_text(last_ns)}"
            reason = f"two {what}s of the same date {between} differ" if found else f"no {what} {between} is known"
    return Cover(tuple(joined(spans)), reason)


def with_ends(records: Sequence[D]) -> list[tuple[D, int]]:
    """Each record with its end: its own, else the next beginning of the same feed."""
    begins = {feed: sorted({r.effective_from_ns for r in records if r.feed == feed}) for feed in {r.feed for r in records}}
    following = {feed: dict(pairwise([*moments, LAST_NS])) for feed, moments in begins.items()}
    return [(r, following[r.feed][r.effective_from_ns] if r.effective_to_ns is None else r.effective_to_ns) for r in records]


def foremost(records: Sequence[D]) -> list[D]:
    """Of records that hold together those that count: one, or several that contradict each other."""
    if not records:
        return []

    def rank(record: D) -> tuple[bool, int, int]:
        return record.feed == MANUAL, record.effective_from_ns, record.fetched_at_ns

    best = max(map(rank, records))
    by_point = {record.point_id: record for record in records if rank(record) == best}
    return list(by_point.values())


def joined(spans: Iterable[Span[D]]) -> list[Span[D]]:
    """`spans` with neighbours of one record made one."""
    out: list[Span[D]] = []
    for span in spans:
        if out and out[-1].end_ns == span.begin_ns and out[-1].record == span.record:
            span = Span(out.pop().begin_ns, span.end_ns, span.record)
        out.append(span)
    return out
