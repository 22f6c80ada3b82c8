"""The parts of a soak: an agent, a collector and a link that is cut now and then, with somebody who measures and asks."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import psutil

from joulemark.demo.processes import Daemon, free_port
from tests.conservation.proxy import Link

RATE: Final = 480
NAME: Final = "soaked"
DEVICES: Final = 32
METER: Final = f"fake:{NAME}:0:power"
CONFIG: Final = """\
[agent]
agent_id = "{name}"
collector = "127.0.0.1:{port}"
batch_period_ms = 10000

[spool]
path = "{work}/spool.db"
max_bytes = 67108864

[collector]
grpc_listen = "127.0.0.1:{grpc_port}"
rest_listen = "127.0.0.1:{rest_port}"
data_dir = "{work}/collector"
seal_after_s = 600

[limits]
idle_timeout_s = 100000

[[meter]]
kind = "fake"
axis = "monotonic"
interval_ms = 4000
devices = {devices}
"""


class Bench:
    """Async context manager: a running agent and collector, nothing of them left after it."""

    def __init__(self, work: Path, *, leak: bool = False) -> None:
        self.work = work
        self.grpc_port, self.rest_port = free_port(), free_port()
        self.link = Link(NAME, self.grpc_port)
        self.began_mono_ns, self.began_utc_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
        env = {
            "JOULEMARK_CONFIG": str(work / "joulemark.toml"),
            "SOAK_RATE": str(RATE),
            "SOAK_BEGAN": f"{self.began_mono_ns} {self.began_utc_ns}",
            "PATH": str(Path(sys.executable).parent),  # without chronyc: it would be started every few milliseconds
            "MALLOC_ARENA_MAX": "1",  # what each thread's own heap keeps is noise here, ten times what a small leak is
            "LEAK": "1" if leak else "0",
        }
        self.collector = Daemon(hastened("collector", "run"), work / "collector.log", env)
        self.agent = Daemon(hastened("agent", "run"), work / "agent.log", env)
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.rest_port}", timeout=60.0, trust_env=False)
        self.run_count = self.card_count = self.cut_count = 0

    async def __aenter__(self) -> Self:
        await self.link.open()
        text = CONFIG.format(
            name=NAME, port=self.link.port, work=self.work, grpc_port=self.grpc_port, rest_port=self.rest_port, devices=DEVICES
        )
        (self.work / "joulemark.toml").write_text(text)
        self.collector.start()
        await asyncio.to_thread(self.collector.wait_for_port, self.rest_port)
        self.agent.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.client.aclose()
        for daemon in (self.agent, self.collector):
            await asyncio.to_thread(daemon.stop)
        await self.link.close()

    @property
    def hour(self) -> float:
        """Simulated hours since the start."""
        return (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self.began_mono_ns) * RATE / 3.6e12

    @property
    def moment(self) -> dict[str, int]:
        """Now, as a client on the simulated clock says it."""
        return {"utc_ns": self.began_utc_ns + round(self.hour * 3.6e12)}

    def processes(self) -> dict[str, psutil.Process]:
        """Agent, collector, and the collector's two children, by what they do."""
        assert self.agent.process is not None
        assert self.collector.process is not None
        parent = psutil.Process(self.collector.process.pid)
        found = {"agent": psutil.Process(self.agent.process.pid), "collector": parent}
        for child in parent.children():
            if any(file.path.endswith("/catalog.db") for file in child.open_files()):
                found["rest"] = child
            elif any(file.path.endswith("/collector.lock") for file in child.open_files()):
                found["ingest"] = child
        return found

    async def ask(self, method: str, path: str, **rest: Any) -> Any:
        """The answer of the REST interface. Raises httpx.HTTPStatusError."""
        answer = await self.client.request(method, path, **rest)
        answer.raise_for_status()
        return answer.json() if answer.headers["content-type"].startswith("application/json") else answer.text

    async def one_run(self) -> None:
        """A run with one phase of ten simulated minutes, its energy and card, and what a page and a scraper ask for."""
        run_id = (await self.ask("POST", "/v1/runs", json={"moment": self.moment}))["run_id"]
        for edge in ("begin", "end"):
            await self.ask("POST", f"/v1/runs/{run_id}/phases", json={"name": "measured", "edge": edge, "moment": self.moment})
            await asyncio.sleep(600.0 / RATE)
        await self.ask("POST", f"/v1/runs/{run_id}/stop", json={"moment": self.moment})
        if await self.has_energy(run_id):
            self.card_count += 1
            await self.ask("GET", f"/v1/runs/{run_id}/card")
        for path in (f"/v1/runs/{run_id}", "/v1/hosts", "/v1/meters", "/metrics"):
            await self.ask("GET", path)
        now_ns = self.moment["utc_ns"]
        await self.ask("GET", "/v1/readings", params={"meter": METER, "from_ns": now_ns - 600 * 10**9, "to_ns": now_ns})
        self.run_count += 1

    async def has_energy(self, run_id: str, tries: int = 20) -> bool:
        """Whether the run's readings arrived in time: until those of its end are there the answer is a conflict."""
        for _ in range(tries):
            answer = await self.client.get(f"/v1/runs/{run_id}/energy")
            if answer.status_code != httpx.codes.CONFLICT:
                answer.raise_for_status()
                return True
            await asyncio.sleep(60.0 / RATE)
        return False

    async def cut(self) -> None:
        """Reset the agent's connection; it comes back by itself."""
        await self.link.cut()
        self.cut_count += 1

    async def samples(self) -> int:
        """Samples that the collector holds."""
        hosts = await self.ask("GET", "/v1/hosts")
        return sum(host["samples"] for host in hosts)


def hastened(*args: str) -> list[str]:
    """The product's command line under hastened time."""
    return [sys.executable, "-m", "tests.soak.hastened", *args]


def descriptors(processes: dict[str, psutil.Process]) -> Counter[str]:
    """What every process has open, by process and kind of file."""
    found: Counter[str] = Counter()
    for name, process in processes.items():
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found[f"{name} {os.readlink(link).split(':')[0]}"] += 1
    return found
