"""What goes on now: states of hosts, what meters show, totals that miss nothing silently."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from joulemark.collector import picture
from joulemark.collector.picture import Picture, cost, look
from joulemark.collector.store.base import HostState
from joulemark.collector.store.recent import KEEP_NS
from joulemark.proto.messages import ClockState, IngestStatus, Overhead
from tests.collector.api.conftest import Api, S
from tests.collector.api.conftest import api as api
from tests.collector.conftest import Agent

INGEST = IngestStatus(agent_count=1)


def heard(api: Api, *names: str, before_s: float = 0.0) -> None:
    """Three seconds of readings of an agent, up to `before_s` ago."""
    now_ns = api.clock.utc_ns()
    for name in names:
        agent = Agent(name, epoch_ns=now_ns - 100 * S)
        for number in range(3):
            api.take(agent, agent.batch(number, begin_ns=now_ns - round((before_s + 3 - number) * S)))


def seen(api: Api, *, ingest: IngestStatus | None = INGEST) -> Picture:
    return look(api.store, api.clock.utc_ns(), ingest)


def test_a_host_with_its_meters_and_totals(api: Api) -> None:
    """Every host has its state, the time of its newest reading and what each meter shows; hosts add up by boundary."""
    heard(api, "host-a", "host-b")
    found = seen(api)
    first, second = found.hosts
    assert (first.agent_id, first.state, first.age_s, first.last_reading_ns) == ("host-a", "connected", 0.0, found.t_ns - S // 10)
    assert [(m.meter_id, m.power_w, m.quality, m.standing) for m in second.meters] == [
        ("fake:host-b:0:power", 200.0, "ok", "ok"),
        ("fake:host-b:0:energy", pytest.approx(200.0), "ok", "ok"),
    ]
    assert [(one.boundary, one.power_w) for one in (*first.boundaries, *found.boundaries)] == [("gpu", 200.0), ("gpu", 400.0)]


def test_silence_and_an_ingest_process_that_is_away_are_told_apart(api: Api) -> None:
    """An agent that says nothing is silent; where nobody is there to hear it, that is not known."""
    heard(api, "host-a")
    api.clock.advance(4 * S)
    assert [seen(api).hosts[0].state, seen(api, ingest=None).hosts[0].state] == ["connected", "unknown"]
    api.clock.advance(20 * S)
    assert seen(api).hosts[0].state == "silent"
    assert seen(api, ingest=None).to_json()["ingest"] == {"answers": False, "agents_connected": None}


def test_a_part_that_is_missing_leaves_no_total_and_is_named(api: Api) -> None:
    """A host that fell silent stays a part of the whole for five minutes, so that it does not pass for switched off; then it is none."""
    heard(api, "host-b", before_s=60)
    heard(api, "host-a")
    (total,) = seen(api).to_json()["boundaries"]
    assert (total["power_w"], total["known_w"], total["missing"]) == (None, 200.0, {"fake:host-b:0": "silent for 30 s or more"})
    (_, silent) = seen(api).hosts
    assert [(m.power_w, m.reason, m.standing) for m in silent.meters] == [(None, "silent for 30 s or more", "silent")] * 2
    api.clock.advance(KEEP_NS - 60 * S)
    assert seen(api).hosts[1].boundaries == ()
    assert seen(api).hosts[1].meters[0].reason == "no reading in the last 300 s"


def test_one_host_alone(api: Api) -> None:
    """Of one host there are its totals, not those of all; one that sent nothing is none."""
    heard(api, "host-a", "host-b")
    found = json.loads(json.dumps(seen(api).to_json("host-b")))
    assert ([one["agent_id"] for one in found["hosts"]], found["boundaries"][0]["power_w"]) == (["host-b"], 200.0)
    assert seen(api).host("host-c") is None


def test_nothing_is_there(api: Api) -> None:
    """An empty store shows no host and no total."""
    assert (seen(api).hosts, seen(api).boundaries) == ((), ())


def test_what_an_agent_costs() -> None:
    """Its processor time is that between its last two words, else since its start; before it told any memory nothing is known."""
    first = HostState("a", 100 * S, 110 * S, True, ClockState(), Overhead(S, 10**6))
    last = replace(first, t_ns=120 * S, overhead=Overhead(S + S // 10, 2 * 10**6))
    found = cost([first, last])
    assert found is not None
    assert (found.cpu_share, found.over_s, found.rss_bytes) == (0.01, 10.0, 2 * 10**6)
    since = cost([replace(first, epoch_ns=1), replace(last, epoch_ns=100 * S)])
    assert since is not None
    assert (since.cpu_share, since.over_s) == (pytest.approx(0.055), 20.0)
    assert [cost([]), cost([replace(first, overhead=Overhead())])] == [None, None]


def test_gaps_make_a_meter_degraded(api: Api) -> None:
    """A meter with a second missing among its last is degraded by that share of half a minute."""
    now_ns, agent = api.clock.utc_ns(), Agent(epoch_ns=api.clock.utc_ns() - 100 * S)
    for number, before_s in enumerate((3, 1)):
        api.take(agent, agent.batch(number, begin_ns=now_ns - before_s * S))
    meter = seen(api).hosts[0].meters[0]
    assert (meter.standing, meter.gap_share) == ("degraded", pytest.approx(1 / 30, rel=0.01))
    assert picture.states(api.store)["host-a"][-1].bound_ns == 0
