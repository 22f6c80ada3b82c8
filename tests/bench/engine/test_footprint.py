"""A smoke of what an agent costs: the real agent, and the judgement of what was seen, without the other collectors."""

from __future__ import annotations

import resource
import subprocess

from tests.bench.engine import footprint, realtime


def test_an_agent_costs_what_its_threads_took() -> None:
    """The real agent against the stand-in: no tick is missed, and its cost is seen beside that of any other process."""
    cost = footprint.ours(1.0, hz=100, witness_s=10.0, warm_s=0.2)
    assert 0.0 < cost.core < 1.0
    assert 20e6 < cost.rss_bytes < 200e6
    assert len(cost.sweeps_ns) > 50


def test_ticks_are_missed_by_count() -> None:
    """A read late within its period is none; one that is not there is; peers that are not installed make no goal met."""
    on_time = tuple(n * 10_000_000 + n % 3 * 1_000_000 for n in range(100))
    assert footprint.missed(on_time, 10_000_000) == 0
    assert footprint.missed(on_time[:40] + on_time[43:], 10_000_000) == 3
    mine, big = footprint.Cost(0.004, 40_000_000, on_time), footprint.Cost(0.02, 500_000_000)
    goals = footprint.judged({"ours": mine, "zeus": big}, mine, None)
    assert [goal.id for goal in goals if goal.met] == ["E7a", "E7b", "E7c", "E7e", "E7g"]
    assert [goal.id for goal in goals if goal.not_run] == ["E7d", "E7f"]


def test_the_agent_is_started_as_its_unit_does() -> None:
    """Whatever this machine allows, the command line runs; the stand-in of the unit's limit changes no other limit."""
    assert subprocess.run([*footprint.starter(), "--version"], capture_output=True, check=False).stdout.startswith(b"joulemark")
    assert realtime.granted(resource.RLIMIT_RTPRIO) == (1, 1)
    assert realtime.granted(resource.RLIMIT_NOFILE) == resource.getrlimit(resource.RLIMIT_NOFILE)
