"""Metrics of what is under way: newest values, agents, open phases."""

from __future__ import annotations

import numpy as np
import pytest

from joulemark.collector.api.fleet_metrics import FRESH_NS, last_good, lines, newest
from joulemark.collector.catalog import OpenPhase
from joulemark.energy.series import Series
from joulemark.readings import Quality
from tests.collector.api.conftest import Api, S
from tests.collector.conftest import Agent


def test_a_meter_shows_its_newest_good_value(api: Api) -> None:
    """Power and counter of the last reading, in W and J, with the time of the read; after 30 s without a reading both are gone."""
    now_ns = api.clock.utc_ns()
    agent = Agent(epoch_ns=now_ns - 10 * S)
    api.take(agent, agent.batch(0, begin_ns=now_ns - S))
    counter, power = newest(api.store, now_ns)
    assert (power.value, counter.value) == (200.0, 1_000_000 + 9.9 * 200)
    assert counter.t_ns == pytest.approx(now_ns - S // 10, abs=20_000)
    assert newest(api.store, now_ns + 20 * S) == [counter, power]
    assert newest(api.store, now_ns + FRESH_NS + S) == []


def test_what_is_no_good_is_not_shown() -> None:
    """The newest value that may enter an energy is shown, not the newest at all; a series of gaps shows none."""
    meter = Agent().device.meters[0]
    times, values = np.arange(3, dtype=np.int64), np.array([1, 2, 3], dtype=np.int64)
    qualities = [np.array(row, dtype=np.uint8) for row in ([Quality.OK, Quality.WRAPPED, Quality.STALE], [Quality.GAP] * 3)]
    assert [last_good(Series.plain(meter, times, values, quality)) for quality in qualities] == [1, None]


def test_open_phases_and_what_is_not_known() -> None:
    """A phase is 1 while it is open, with its labels escaped; nothing known prints nothing."""
    found = lines([], [], [OpenPhase("r", 'a "b"', "decode", "measured")])
    assert found[-1] == 'joulemark_run_phase{run="r",benchmark="a \\"b\\"",phase="decode",kind="measured"} 1'
    assert lines([], [], []) == []


def test_a_run_shows_the_phases_that_are_open(api: Api) -> None:
    """A run shows an empty phase, then the phase that was begun, then the empty one again, and after its stop nothing."""

    def shown() -> list[str]:
        rows = [line for line in api.get("/metrics").text.splitlines() if line.startswith("joulemark_run_phase{")]
        return [row.split('phase="')[1].split('"')[0] for row in rows]

    run_id = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    seen = [shown()]
    for t_s, edge in ((1, "begin"), (2, "end"), (3, "begin")):
        body = {"name": "decode", "kind": "measured", "edge": edge, "moment": api.moment(t_s)}
        assert api.post(f"/v1/runs/{run_id}/phases", body).status_code == 201
        seen.append(shown())
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(4)})
    assert [*seen, shown()] == [[""], ["decode"], [""], ["decode"], []]
