"""One look: what a collector shows now, and which phase is open."""

from __future__ import annotations

import time

import pytest

from joulemark.cli.glance import Phase, known_host, look
from joulemark.client import Client
from joulemark.errors import UsageError
from joulemark.timebase import SystemClock
from tests.collector.conftest import Agent, Collector, S
from tests.collector.conftest import lasting_collector as lasting_collector


def test_a_look_at_a_real_collector(lasting_collector: Collector) -> None:
    """Readings that an agent sent a moment ago are shown with the run's open phase; a phase that ended and a stopped run are not."""
    agent, client = Agent(), Client(lasting_collector.rest)
    begin_ns = time.time_ns() - 2 * S
    agent.send(lasting_collector.grpc, agent.batch(0, begin_ns=begin_ns), agent.batch(1, begin_ns=begin_ns + S))
    run_id = client.start(benchmark="b")
    client.begin(run_id, "prefill")
    client.end(run_id, "prefill")
    client.begin(run_id, "decode")
    seen = look(client, SystemClock())
    (gpu,) = seen.levels
    assert (gpu.boundary, gpu.power_w, gpu.devices[0].agent_id, gpu.devices[0].simulated) == ("gpu", 200.0, "host-a", True)
    ((run, phase),) = [(run, phase) for run in seen.runs for phase in run.phases]
    assert (run.run_id, run.benchmark, phase) == (run_id, "b", Phase("decode", "measured", phase.begin_ns))
    client.stop(run_id)
    assert look(client, SystemClock(), host="host-a").runs == ()
    with pytest.raises(UsageError, match=r"no host 'host-b'.*host-a"):
        look(client, SystemClock(), host="host-b")


def test_a_host_that_nobody_knows() -> None:
    """Without a name that is near, what shows all is named."""
    with pytest.raises(UsageError, match="shows all hosts"):
        known_host("xyz", ["node1"])
