"""Requests as claims: what is prefill and what decode, and how much each stretch counts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from joulemark.energy.attribution_claims import Claimed, Flight, Method, Stretch
from joulemark.request_log import Request, Status

S = 10**9


def flight(first: int | None = 4 * S, end: int | None = 10 * S, status: Status = Status.COMPLETED, **more: Any) -> Flight:
    counts: dict[str, Any] = {"input_tokens": 100, "output_tokens": 61} | more
    return Flight(Request(0, "p", 2 * S, end, status, **counts), first)


def test_prefill_and_decode_follow_each_other() -> None:
    """Prefill lasts until the first token, decode from there on: together the request, and never both at once."""
    found = Claimed.of([flight()], method=Method.EQUAL)
    assert found.claims.begin_ns.tolist() == [2 * S, 4 * S]
    assert found.claims.end_ns.tolist() == [4 * S, 10 * S]
    assert found.stretch.tolist() == [Stretch.PREFILL, Stretch.DECODE]
    assert all(math.isnan(weight) for weight in found.claims.weight)


def test_tokens_per_second() -> None:
    """100 tokens of input in 2 s count 50, less 40 cached ones 30; 61 of output, the first one made in prefill, count 10 in 6 s."""
    assert Claimed.of([flight()], method=Method.TOKENS).claims.weight.tolist() == [50.0, 10.0]
    cached = Claimed.of([flight(cached_input_tokens=40)], method=Method.TOKENS)
    assert cached.claims.weight.tolist() == [30.0, 10.0]


@pytest.mark.parametrize(
    ("made", "nan"),
    [
        (flight(input_tokens=None), [True, False]),
        (flight(output_tokens=None), [False, True]),
        (flight(status=Status.FAILED), [True, True]),
        (flight(first=None), [True]),
        (flight(first=2 * S), [True, False]),
    ],
    ids=["no input", "no output", "failed", "no first token", "no time"],
)
def test_what_is_not_known_has_no_rate(made: Flight, nan: list[bool]) -> None:
    """A count that is not known, a request that failed or was not streamed, and a stretch without length have no rate, never 0."""
    found = Claimed.of([made], method=Method.TOKENS).claims.weight.tolist()
    assert [math.isnan(weight) for weight in found] == nan


def test_first_tokens_outside_are_not_believed() -> None:
    """A first token before the begin or after the end divides nothing; a request without an end claims nothing."""
    assert flight(first=S).stretches == ((Stretch.WHOLE, 2 * S, 10 * S),)
    assert flight(first=11 * S).stretches == ((Stretch.WHOLE, 2 * S, 10 * S),)
    assert flight(end=None).stretches == ()
    assert len(Claimed.of([], method=Method.TOKENS).claims.weight) == 0


def test_owner_tells_whose_claim_it_is() -> None:
    """Claims of several requests carry the place of theirs."""
    found = Claimed.of([flight(), flight(end=None), flight(first=None)], method=Method.EQUAL)
    assert found.owner.tolist() == [0, 0, 2]
