"""The request log: one row for every request that was issued, so that no count has to be believed.

A CSV file: `id,phase,begin_ns,end_ns,status,input_tokens,cached_input_tokens,output_tokens,reasoning_tokens,rejected_tokens`; whole
numbers, times in UTC, empty where not known.
"""

from __future__ import annotations

import csv
import enum
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final

from joulemark.errors import FormatError

MAX_DIGITS: Final = 20


class Status(enum.StrEnum):
    """How a request ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the phase `phase`. `id` counts from 0 over the whole run. `input_tokens` includes the cached ones, `output_tokens`
    the reasoning; `rejected_tokens`: speculative ones that were thrown away.
    """

    id: int
    phase: str
    begin_ns: int
    end_ns: int | None
    status: Status
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What the requests of one phase add up to. Tokens are those of the completed ones, None where one of them does not tell.

    `begin_ns`, `end_ns`: the first begin and the last end of all, whatever became of them; no end where none is known.
    """

    issued: int
    completed: int
    failed: int
    cancelled: int
    begin_ns: int
    end_ns: int | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    rejected_tokens: int | None

    @property
    def lost_share(self) -> float:
        """Failed and cancelled ones among all that were issued."""
        return (self.failed + self.cancelled) / self.issued


def tallies(requests: Sequence[Request]) -> dict[str, Tally]:
    """The tally of each phase that has a request."""
    by_phase: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        by_phase[request.phase].append(request)
    return {phase: _tally(found) for phase, found in by_phase.items()}


def _tally(found: Sequence[Request]) -> Tally:
    done = [request for request in found if request.status is Status.COMPLETED]
    counts = {name: [getattr(request, name) for request in done] for name in COUNTS}
    return Tally(
        issued=len(found),
        completed=len(done),
        failed=sum(request.status is Status.FAILED for request in found),
        cancelled=sum(request.status is Status.CANCELLED for request in found),
        begin_ns=min(request.begin_ns for request in found),
        end_ns=max((request.end_ns for request in found if request.end_ns is not None), default=None),
        **{name: None if None in values else sum(values) for name, values in counts.items()},
    )


COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "rejected_tokens")
COLUMNS: Final = tuple(field.name for field in fields(Request))


def to_csv(requests: Sequence[Request]) -> str:
    """The text of the file, rows in the order given."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(attrgetter(*COLUMNS), requests))  # None becomes an empty cell
    return out.getvalue()


def from_csv(text: str, *, where: str) -> tuple[Request, ...]:
    """The requests in `text`. Raises FormatError, naming `where` and the line."""
    lines = csv.reader(io.StringIO(text))
    try:
        if tuple(next(lines, [])) != COLUMNS:
            raise FormatError(f"{where} does not begin with the columns {','.join(COLUMNS)}", "write one row for each request")
        return tuple(_request(row, where=f"{where} line {number}") for number, row in enumerate(lines, 2) if row)
    except csv.Error as error:
        raise FormatError(f"{where} line {lines.line_num} is no CSV: {error}", "write one row for each request") from error


def _request(row: Sequence[str], *, where: str) -> Request:
    if len(row) != len(COLUMNS):
        raise FormatError(f"{where} has {len(row)} fields, not {len(COLUMNS)}", "write one row for each request")
    told = dict(zip(COLUMNS, row, strict=True))
    phase, status = told.pop("phase"), told.pop("status")
    numbers = {name: _whole(text, where=f"{where}: {name}") for name, text in told.items()}
    if numbers["id"] is None or numbers["begin_ns"] is None or status not in list(Status):
        raise FormatError(f"{where} lacks id or begin_ns, or its status is none of {', '.join(Status)}", "write one row for each request")
    return Request(phase=phase, status=Status(status), **numbers)  # type: ignore[arg-type]  # id and begin_ns are there, see above


def _whole(text: str, *, where: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise FormatError(f"{where} is {text[:30]!r}, not a whole number", "leave it empty where it is not known")
    return int(text)
