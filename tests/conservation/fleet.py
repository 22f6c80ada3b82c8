"""The agents, the collector and the links between them: started, watched, brought to an end."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import struct
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from tests.conservation.faults import AGENTS, BOUNDED, COLLECTOR, KINDS, agent_name
from tests.conservation.proxy import Link
from tests.conservation.witness import Witness

SPOOL_BYTES: Final = 256 * 2**20
BOUNDED_BYTES: Final = 2**20
CARRY_S: Final = 0.3
CAUGHT_UP: Final = 5
STEPPED: Final = Path(__file__).with_name("stepped")
WAVE: Final = {"mean_w": 300, "amplitude_w": 100, "period_s": 2.0, "counter_step_s": 0.1}
CONFIG: Final = """\
[agent]
agent_id = "{agent}"
collector = "127.0.0.1:{port}"
batch_period_ms = 100
window_batches = {window}
clock_probe_period_s = 1.0

[spool]
path = "{work}/{agent}.db"
max_bytes = {spool_bytes}

[collector]
grpc_listen = "127.0.0.1:{grpc_port}"
rest_listen = "127.0.0.1:{rest_port}"
data_dir = "{work}/collector"
seal_after_s = 86400

[[meter]]
kind = "fake"
axis = "monotonic"
interval_ms = {interval_ms}
waveform = "square"
mean_w = {mean_w}
amplitude_w = {amplitude_w}
period_s = {period_s}
phase_s = {phase_s}
counter_step_s = {counter_step_s}
devices = 16
"""


def boottime_ns() -> int:
    """The clock that readings are dated by: monotonic, and it goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Fleet:
    """Async context manager: everything runs inside, nothing is left running after it."""

    def __init__(self, work: Path, *, agents: int = AGENTS) -> None:
        self.work = work
        self.grpc_port, self.rest_port = free_port(), free_port()
        self.names = [agent_name(number) for number in range(agents)]
        self.links = {name: Link(name, self.grpc_port) for name in self.names}
        self.daemons: dict[str, Daemon] = {}
        self.faults: Counter[str] = Counter()
        self.steps: list[dict[str, Any]] = []
        self.down: list[dict[str, Any]] = []
        self.witnesses: dict[str, Witness] = {}
        self._began_ns, self._utc_minus_mono_ns = boottime_ns(), time.time_ns() - boottime_ns()
        self._carrying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._close()

    async def _open(self) -> None:
        (self.work / "collector").mkdir()
        for number, name in enumerate(self.names):
            await self.links[name].open()
            spool_bytes = BOUNDED_BYTES if name == BOUNDED else SPOOL_BYTES
            (self.work / f"{name}.toml").write_text(self._config(name, number, spool_bytes))
            self.witnesses[name] = Witness(self.work / f"{name}.db", self.work / f"{name}.ledger", max_bytes=spool_bytes)
            self.daemons[name] = self._daemon(name, "agent", self.work / f"{name}.toml")
        self.daemons[COLLECTOR] = self._daemon(COLLECTOR, "collector", self.work / f"{self.names[0]}.toml")
        self._carrying = asyncio.create_task(self._carry())
        await self.start(COLLECTOR)
        for name in self.names:
            await self.start(name)

    def _config(self, name: str, number: int, spool_bytes: int) -> str:
        bounded = name == BOUNDED
        return CONFIG.format(
            agent=name,
            port=self.links[name].port,
            window=8 if bounded else 64,
            interval_ms=10 if bounded else 20,
            work=self.work,
            spool_bytes=spool_bytes,
            grpc_port=self.grpc_port,
            rest_port=self.rest_port,
            phase_s=number * 0.3,
            **WAVE,
        )

    def _daemon(self, name: str, command: str, config: Path) -> Daemon:
        clock = self.work / f"{name}.clock"
        clock.write_bytes(struct.pack("<q", 0))
        paths = [str(STEPPED), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {"JOULEMARK_CONFIG": str(config), "CONSERVED_CLOCK": str(clock), "PYTHONPATH": os.pathsep.join(paths)}
        return Daemon(command_line(command, "run"), self.work / f"{name}.log", env)

    async def _close(self) -> None:
        for daemon in self.daemons.values():
            await asyncio.to_thread(daemon.stop)
        for link in self.links.values():
            await link.close()
        if self._carrying is not None:
            self._carrying.cancel()
            await asyncio.gather(self._carrying, return_exceptions=True)
        for witness in self.witnesses.values():
            witness.close()

    async def _carry(self) -> None:
        while True:
            await asyncio.sleep(CARRY_S)
            for witness in self.witnesses.values():
                await asyncio.to_thread(witness.carry)

    async def start(self, name: str) -> None:
        """Start an agent, or the collector, which is waited for."""
        self.daemons[name].start()
        if name == COLLECTOR:
            await asyncio.to_thread(self.daemons[name].wait_for_port, self.grpc_port)

    async def delivered(self, limit_s: float = 45.0) -> None:
        """Until every agent has found back to the collector and handed over what waited; or `limit_s` later."""
        deadline = time.monotonic() + limit_s
        while any(witness.waiting() > CAUGHT_UP for witness in self.witnesses.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)

    async def drain(self, limit_s: float = 120.0) -> None:
        """Stop the agents once each has handed over everything; raises RuntimeError when a spool is not empty in time."""
        await asyncio.gather(*(self._drain(name, time.monotonic() + limit_s) for name in self.names))
        await asyncio.to_thread(self.daemons[COLLECTOR].stop)

    async def _drain(self, name: str, deadline: float) -> None:
        daemon, witness = self.daemons[name], self.witnesses[name]
        await asyncio.to_thread(daemon.stop)
        while witness.waiting() or witness.counted_loss():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} still holds {witness.waiting()} batches, see {daemon.log}")
            daemon.start()
            await asyncio.sleep(4.0)
            await asyncio.to_thread(daemon.stop)

    def counted(self, query: str) -> int:
        """What a query of one number answers from the collector's store; 0 while there is none."""
        store = f"file:{self.work}/collector/readings.db?mode=ro"
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(store, uri=True)) as db:
            return int(db.execute(query).fetchone()[0] or 0)
        return 0

    def write_plan(self, seed: int) -> None:
        """What the oracle needs to know and cannot read from the databases."""
        plan: dict[str, Any] = {
            "seed": seed,
            "agents": {name: {**WAVE, "phase_s": number * 0.3, "bounded": name == BOUNDED} for number, name in enumerate(self.names)},
            "kinds": list(KINDS),
            "faults": dict(sorted(self.faults.items())),
            "began_mono_ns": self._began_ns,
            "ended_mono_ns": boottime_ns(),
            "utc_minus_mono_ns": self._utc_minus_mono_ns,
            "steps": self.steps,
            "down": self.down,
            "torn_and_back": sum(link.torn_and_back for link in self.links.values()),
            "late_released": sum(link.late_released for link in self.links.values()),
        }
        (self.work / "plan.json").write_text(json.dumps(plan))
