"""Which agents make a service, and until when it was read."""

from __future__ import annotations

import pytest

from joulemark.cards.serving import Service
from joulemark.collector.serving import groups, joined, settled, settled_ns
from joulemark.errors import InsufficientData
from tests.cards.serving_truth import LENGTH_S, T0, S, engine, gpu
from tests.collector.api.conftest import BOOT_ID, Api, api  # noqa: F401  # the fixture
from tests.collector.serving_agent import agent


def test_sets_that_meet_are_one() -> None:
    """Hosts that serve a model in common, directly or by way of a third, are one service."""
    assert sorted(map(sorted, joined([{"a"}, {"b"}, {"a", "c"}, {"d"}, {"c", "d"}]))) == [["a", "c", "d"], ["b"]]
    assert joined([]) == []


def test_the_services_of_a_store(api: Api) -> None:  # noqa: F811  # the fixture
    """Hosts that serve one model are one service with all their meters, others stand apart; there is a word for none."""
    with pytest.raises(InsufficientData, match="no engine is read"):
        groups(api.store)
    begin_ns = api.clock.utc_ns() - 20 * S
    for name, model in (("a", "m"), ("b", "m"), ("c", "n")):
        one = agent(name, begin_ns - 1000 * S, BOOT_ID, model=model)
        api.take(one, one.seconds(0, begin_ns))
    assert [group.agents for group in groups(api.store)] == [("a", "b"), ("c",)]
    assert len(groups(api.store)[0].meter_ids) == 2 * 5
    assert [group.agents for group in groups(api.store, model="n")] == [("c",)]
    assert [group.agents for group in groups(api.store, agents=["c", "a"])] == [("a", "c")]
    with pytest.raises(InsufficientData, match="no service has"):
        groups(api.store, agents=["z"])
    read = groups(api.store)[1].read(api.store, begin_ns, begin_ns + S)
    assert {one.meter.kind for one in read.series} == {"fake", "serving"}


def test_until_when_it_was_read() -> None:
    """The meter that was read least far decides, but one that is silent for a minute is not waited for."""
    power, counts = gpu(), engine()
    end_ns = T0 + (LENGTH_S - 1) * S
    early = power.rows(power.t_ns <= T0 + 150 * S)
    assert settled_ns([Service(("a",), (early, *counts))], end_ns) == pytest.approx(T0 + 150 * S, abs=S // 100)
    dead = power.rows(power.t_ns <= T0 + 100 * S)
    assert settled_ns([Service(("a",), (dead, *counts))], end_ns) == pytest.approx(end_ns, abs=S // 100)
    assert settled_ns([], end_ns) is None


def test_whether_more_may_arrive() -> None:
    """Nothing of before may still arrive when every meter of every agent was read at the end or after, and not a moment earlier."""
    power, counts = gpu(), engine()
    end_ns = T0 + (LENGTH_S - 2) * S
    assert settled([Service(("node1",), (power, *counts))], end_ns)
    assert not settled([Service(("node1", "node2"), (power, *counts))], end_ns)
    assert not settled([Service(("node1",), (power.rows(power.t_ns < end_ns), *counts))], end_ns)
    assert not settled([Service(("node1",), ())], end_ns)
