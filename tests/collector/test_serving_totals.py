"""Counters of services: they only grow, over stretches that adjoin, and what is not known is counted as time."""

from __future__ import annotations

import pytest

from joulemark.cards.serving import Known, Service
from joulemark.collector.serving_totals import LONGEST_NS, Totals
from tests.collector.api.conftest import BOOT_ID, Api, S, api  # noqa: F401  # the fixture
from tests.collector.conftest import Agent
from tests.collector.serving_agent import agent

JOULES = (("service", "a"), ("boundary", "gpu"))
OUTPUT = (("service", "a"), ("model", "m"), ("kind", "output"))
WHOLE = ("everything", "gpu", "m,input", "m,output", "m,answered")
"""What the agent tells, of which nothing is unknown: there from the first on, so that its first growth is seen as one."""
ANSWERED = (("service", "a"), ("model", "m"), ("outcome", "answered"))


def known(_service: Service, _begin_ns: int) -> Known:
    return Known()


def test_stretches_adjoin(api: Api) -> None:  # noqa: F811  # the fixture
    """What is added step by step is what the whole time has: 200 W and 100 tokens a second; asked twice, nothing is added twice."""
    totals, begin_ns = Totals(), api.clock.utc_ns() // S * S
    one = agent("a", begin_ns - 1000 * S, BOOT_ID)
    for n in range(4):
        api.clock.utc = begin_ns + 10 * (n + 1) * S
        api.take(one, one.seconds(n, begin_ns + 10 * n * S + (S if n else 0), count=9 if n else 10))
        totals.advance(api.store, api.clock.utc_ns(), known)
        totals.advance(api.store, api.clock.utc_ns(), known)
    assert totals.joules[JOULES] == pytest.approx(200 * 30, rel=1e-6)
    assert totals.tokens[OUTPUT] == pytest.approx(100 * 30, rel=1e-6)
    assert totals.requests[ANSWERED] == pytest.approx(60, rel=1e-6)
    assert (("service", "a"), ("model", "m"), ("kind", "reasoning")) not in totals.tokens
    assert {what: seconds for (_, (_, what)), seconds in totals.unknown_s.items()} == dict.fromkeys(WHOLE, 0.0)


def test_what_is_not_known_is_time(api: Api) -> None:  # noqa: F811  # the fixture
    """A stretch in which the counter began anew adds no tokens and counts its seconds; the energy goes on."""
    totals, begin_ns = Totals(), api.clock.utc_ns() // S * S
    first, anew = agent("a", begin_ns - 1000 * S, BOOT_ID), agent("a", begin_ns + 5 * S, BOOT_ID)
    api.clock.utc = begin_ns + 10 * S
    api.take(first, first.seconds(0, begin_ns, count=10))
    totals.advance(api.store, api.clock.utc_ns(), known)
    api.clock.utc = begin_ns + 20 * S
    api.take(anew, anew.seconds(0, begin_ns + 11 * S, count=9))
    totals.advance(api.store, api.clock.utc_ns(), known)
    assert totals.tokens[OUTPUT] == 0
    assert totals.unknown_s[("service", "a"), ("what", "m,output")] == pytest.approx(10, rel=1e-3)


def test_a_long_silence_is_not_made_up(api: Api) -> None:  # noqa: F811  # the fixture
    """What lies further back than the longest stretch counts as unknown time."""
    totals, begin_ns = Totals(), api.clock.utc_ns() // S * S
    one = agent("a", begin_ns - 1000 * S, BOOT_ID)
    api.take(one, one.seconds(0, begin_ns - 10 * S, count=10))
    totals.advance(api.store, api.clock.utc_ns(), known)
    api.clock.utc = begin_ns + LONGEST_NS + 100 * S
    api.take(one, one.seconds(1, api.clock.utc - 10 * S, count=10))
    totals.advance(api.store, api.clock.utc_ns(), known)
    assert totals.unknown_s[("service", "a"), ("what", "everything")] == pytest.approx(100, rel=1e-3)


def test_without_a_service_nothing_counts(api: Api) -> None:  # noqa: F811  # the fixture
    """A store without an engine has no counters."""
    totals = Totals()
    plain = Agent("c", api.clock.utc_ns() - 20 * S, BOOT_ID)
    api.take(plain, plain.batch(0, begin_ns=api.clock.utc_ns() - 5 * S))
    totals.advance(api.store, api.clock.utc_ns(), known)
    assert not totals.joules
