"""The REST application in this process: a real store, a real catalogue, a clock that stands still, and no ingest process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from joulemark.collector.api import app
from joulemark.collector.api.state import State
from joulemark.collector.catalog import Catalog
from joulemark.collector.control import Control
from joulemark.collector.store.base import Received
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.config import CollectorConfig, Config
from joulemark.proto import convert
from joulemark.proto.messages import FrozenBatch
from tests.collector.conftest import Agent
from tests.conftest import ManualClock

S = 1_000_000_000
BOOT_ID = "11111111-2222-3333-4444-555555555555"


@dataclass
class Api:
    """Requests to the application; `store` and `state` are what it works with."""

    store: SqliteStore
    state: State
    clock: ManualClock
    runner: asyncio.Runner
    client: httpx.AsyncClient

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.runner.run(self.client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self.request("POST", path, json=body)

    def take(self, agent: Agent, *batches: FrozenBatch) -> None:
        """Store batches of an agent on this host, as the ingest process does."""
        for frozen in batches:
            view = convert.decode(frozen.body)
            self.store.append(Received(agent.agent_id, view, frozen.body, self.clock.utc_ns(), same_clock=True)).result()

    def moment(self, t_s: float) -> dict[str, Any]:
        """So many seconds after the clock's standing time, on this host."""
        return {"utc_ns": self.clock.utc_ns() + round(t_s * S), "boot_id": BOOT_ID}

    def run_of_three_seconds(self) -> str:
        """Id of a stopped run of 3 s in the middle of 10 s of readings, with 600 output tokens and 3 requests."""
        agent = Agent(epoch_ns=self.clock.utc_ns() - 9 * S, boot_id=BOOT_ID)
        self.take(agent, *(agent.batch(i, begin_ns=self.clock.utc_ns() + (i - 3) * S) for i in range(10)))
        start = {"benchmark": "b", "labels": {"model": "m"}, "moment": self.moment(0)}
        run_id: str = self.post("/v1/runs", start).json()["run_id"]
        stop = {"moment": self.moment(3), "tokens": {"output": 600, "input": 50}, "requests": 3}
        assert self.post(f"/v1/runs/{run_id}/stop", stop).status_code == 200
        return run_id


@pytest.fixture
def api(tmp_path: Path, manual_clock: ManualClock) -> Iterator[Api]:
    config = Config(collector=CollectorConfig(data_dir=tmp_path))
    store, catalog, control = SqliteStore(tmp_path / "readings.db"), Catalog(tmp_path / "catalog.db"), Control(tmp_path)
    state = State(config, store, catalog, control, manual_clock, BOOT_ID)
    transport = httpx.ASGITransport(app.create(state), raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7471")
        yield Api(store, state, manual_clock, runner, client)
        runner.run(client.aclose())
        runner.run(control.close())
    catalog.close()
    store.close()
