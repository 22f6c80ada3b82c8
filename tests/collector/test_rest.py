"""The REST process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx

from joulemark.collector import rest
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.config import CollectorConfig, Config


def test_ready_means_it_answers_and_sigterm_ends_it(tmp_path: Path) -> None:
    """`ready` is called once, when a request is answered; SIGTERM ends the serving, closes the catalogue, and does not end the process."""
    store = SqliteStore(tmp_path / "readings.db")
    store.anchored("boot", mono_ns=0, utc_minus_mono_ns=0, keep=False)
    store.close()
    statuses: list[int] = []

    async def ask(url: str) -> None:
        async with httpx.AsyncClient() as client:
            statuses.append((await client.get(f"{url}/healthz")).status_code)
            body = {"run_id": "r", "moment": {"utc_ns": 1}}
            statuses.append((await client.post(f"{url}/v1/runs", json=body)).status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    async def serve() -> None:
        asked: list[asyncio.Task[None]] = []
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            config = Config(collector=CollectorConfig(data_dir=tmp_path))
            await rest.serve(config, bound, lambda: asked.append(asyncio.create_task(ask(url))))
        await asyncio.gather(*asked)

    asyncio.run(asyncio.wait_for(serve(), 20))
    assert statuses == [200, 201]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("readings.db-")) == [
        "audit.jsonl",
        "catalog.db",
        "readings.db",
    ]
