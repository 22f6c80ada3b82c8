"""Runs in the middle of ten seconds of readings at 200 W, as many as a test needs."""

from __future__ import annotations

from typing import Any

from joulemark.request_log import Request, Status, to_csv
from tests.collector.api.conftest import BOOT_ID, Api
from tests.collector.conftest import Agent

S = 1_000_000_000


def readings(api: Api, agent_id: str = "host-a") -> Agent:
    """An agent on this host, and what it read from 3 s before the standing time to 7 s after it."""
    agent = Agent(agent_id, epoch_ns=api.clock.utc_ns() - 9 * S, boot_id=BOOT_ID)
    api.take(agent, *(agent.batch(i, begin_ns=api.clock.utc_ns() + (i - 3) * S) for i in range(10)))
    return agent


def run(
    api: Api, *, at_s: float = 0.0, lasts_s: float = 3.0, output: int | None = 600, lasted_ms: tuple[float, ...] = (), **start: Any
) -> str:
    """Id of a stopped run, with a log of requests that took `lasted_ms` where there are any."""
    body = {"benchmark": "b", "labels": {"model": "m"}, "moment": api.moment(at_s), **start}
    run_id: str = api.post("/v1/runs", body).json()["run_id"]
    if lasted_ms:
        begin_ns = api.clock.utc_ns() + round(at_s * S)
        log = [
            Request(at, "measured", begin_ns, begin_ns + round(ms * 1e6), Status.COMPLETED, 1, None, 1) for at, ms in enumerate(lasted_ms)
        ]
        assert api.post(f"/v1/runs/{run_id}/evidence", {"requests": to_csv(log)}).status_code == 201
    tokens = {} if output is None else {"tokens": {"output": output, "input": 50}, "requests": 3}
    assert api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(at_s + lasts_s), **tokens}).status_code == 200
    return run_id
