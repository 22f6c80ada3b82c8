"""Requests as claims on energy: each in flight from its begin to its last token, prefill until its first token, decode from there on.

By the method `equal` whatever is in flight counts the same. By `tokens` it counts by the tokens per second that it works on: in prefill
those of its input that were not cached, over the time to its first token; in decode those of its output but the first one, over the rest.
A request of which the first token or a count is not known has no such rate.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from joulemark.energy.attribution import Claims
from joulemark.energy.series import Int64
from joulemark.request_log import Request, Status
from joulemark.units import NS_PER_S


class Method(enum.StrEnum):
    """How the energy of an interval is shared among what is in flight."""

    EQUAL = "equal"
    TOKENS = "tokens"


class Stretch(enum.IntEnum):
    """What part of a request a claim is; `WHOLE` where nobody recorded its first token."""

    WHOLE = 0
    PREFILL = 1
    DECODE = 2


@dataclass(frozen=True, slots=True)
class Flight:
    """A request with the moment of its first token, None where that was not recorded. `name`: what its tool calls it."""

    request: Request
    first_ns: int | None = None
    name: str = ""

    @property
    def stretches(self) -> tuple[tuple[Stretch, int, int], ...]:
        """(what, begin, end) of its claims; none where its end is not known."""
        begin_ns, first_ns, end_ns = self.request.begin_ns, self.first_ns, self.request.end_ns
        if end_ns is None or end_ns < begin_ns:
            return ()
        if first_ns is None or not begin_ns <= first_ns <= end_ns:
            return ((Stretch.WHOLE, begin_ns, end_ns),)
        return ((Stretch.PREFILL, begin_ns, first_ns), (Stretch.DECODE, first_ns, end_ns))

    def tokens(self, stretch: Stretch) -> float:
        """Tokens worked on in a stretch; NaN where they are not known."""
        request = self.request
        count = {Stretch.PREFILL: request.input_tokens, Stretch.DECODE: request.output_tokens}.get(stretch)
        if count is None or request.status is not Status.COMPLETED:
            return math.nan
        return max(0.0, float(count - (request.cached_input_tokens or 0 if stretch is Stretch.PREFILL else 1)))


@dataclass(frozen=True, slots=True)
class Claimed:
    """The claims of `flights`. `owner`: int64[n], whose each is; `stretch`: int64[n], which part of it."""

    flights: tuple[Flight, ...]
    claims: Claims
    owner: Int64
    stretch: Int64

    @classmethod
    def of(cls, flights: Sequence[Flight], *, method: Method) -> Self:
        """Every stretch of every flight as a claim, weighed by `method`."""
        rows = [(number, *found) for number, flight in enumerate(flights) for found in flight.stretches]
        even = method is Method.EQUAL
        weight = [math.nan if even else rate(flights[number], what, begin, end) for number, what, begin, end in rows]
        owner, stretch, begin_ns, end_ns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        return cls(tuple(flights), Claims(begin_ns, end_ns, np.array(weight, dtype=np.float64)), owner, stretch)


def rate(flight: Flight, stretch: Stretch, begin_ns: int, end_ns: int) -> float:
    """Tokens per second of one stretch; NaN where they are not known, or it has no length."""
    return flight.tokens(stretch) / ((end_ns - begin_ns) / NS_PER_S) if end_ns > begin_ns else math.nan
