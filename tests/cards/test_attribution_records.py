"""The records of requests: who takes part, and what is not known where some are missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.cards.attribution_records import NO_RECORDS, in_flight, missing, partial
from joulemark.request_log import Status
from joulemark.runs import PhaseKind
from tests.cards.attribution_truth import PHASES, T0, Served, flights

IDLE, DECODE = PHASES
THREE = flights([Served(0, None, 1000), Served(500, None, 2000), Served(3000, None, 4000)])


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(-10, 0, False), (-10, 1, True), (59_999, 70_000, True), (60_000, 70_000, False), (5, 6, True), (9, 8, False)],
)
def test_who_takes_part(begin: int, end: int, expected: bool) -> None:
    """A request that ends where the phase begins, begins where it ends, or ends before it begins is not in it."""
    (flight,) = flights([Served(begin, None, end)])
    assert in_flight(flight, DECODE) is expected


def test_a_request_without_an_end_is_not_in_flight() -> None:
    """Nobody knows until when it ran."""
    assert not in_flight(replace(THREE[0], request=replace(THREE[0].request, end_ns=None)), DECODE)


def test_a_phase_without_a_record_is_not_idle() -> None:
    """A warm-up of which no request is on record was not idle; an idle phase needs none, but a run without any record tells nothing."""
    warmup = replace(DECODE, name="warmup", kind=PhaseKind.WARMUP, end_ns=T0 + 1)
    assert [missing(window, THREE) for window in (DECODE, IDLE, warmup)] == ["", "", NO_RECORDS]
    assert [missing(window, ()) for window in (DECODE, IDLE)] == [NO_RECORDS, NO_RECORDS]


def test_records_that_are_not_all() -> None:
    """Fewer requests than the phase had, or one without an end, put its idle time in doubt; all of them do not."""
    endless = replace(THREE[2], request=replace(THREE[2].request, end_ns=None))
    assert partial(DECODE, THREE) == ""
    assert partial(DECODE, THREE[:2]) == "the records tell of 2 of 3 completed requests"
    assert partial(DECODE, (*THREE[:2], endless)) == "1 requests have no end on record"
    assert partial(replace(DECODE, requests=None), THREE[:2]) == ""
    assert partial(IDLE, THREE) == partial(replace(DECODE, name="other"), THREE) == ""
    failed = replace(THREE[2], request=replace(THREE[2].request, status=Status.FAILED))
    assert partial(DECODE, (*THREE[:2], failed)) == "the records tell of 2 of 3 completed requests"
