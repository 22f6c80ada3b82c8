"""The agents, the collector and the links between them, with the hands that hurt them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from joulemark.agent import spool_file
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from tests.conservation.faults import AGENTS, COLLECTOR, Fault, agent_name
from tests.conservation.proxy import Link

SPOOL_BYTES: Final = 4 * 2**30
LEDGER: Final = """
CREATE TABLE witness (what TEXT NOT NULL, epoch_ns INTEGER NOT NULL, batch_seq INTEGER NOT NULL, body BLOB);
CREATE TRIGGER witness_appended AFTER INSERT ON batch BEGIN
  INSERT INTO witness VALUES ('appended', new.epoch_ns, new.batch_seq, new.body); END;
CREATE TRIGGER witness_sent AFTER UPDATE OF sent ON batch BEGIN
  INSERT INTO witness VALUES ('sent', new.epoch_ns, new.batch_seq, NULL); END;
CREATE TRIGGER witness_acked AFTER DELETE ON batch BEGIN
  INSERT INTO witness VALUES ('acked', old.epoch_ns, old.batch_seq, NULL); END;
"""
"""Rides in the spool's own transactions: what was written, what was given out to be sent, what was deleted as acknowledged."""

WAVE: Final = {"mean_w": 300, "amplitude_w": 100, "period_s": 2.0, "counter_step_s": 0.1, "devices": 16}
CONFIG: Final = """\
[agent]
agent_id = "{agent}"
collector = "127.0.0.1:{port}"
batch_period_ms = 100

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
interval_ms = 20
waveform = "square"
mean_w = {mean_w}
amplitude_w = {amplitude_w}
period_s = {period_s}
phase_s = {phase_s}
counter_step_s = {counter_step_s}
devices = {devices}
"""


class Fleet:
    """Async context manager: everything runs inside, nothing is left running after it."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.grpc_port, self.rest_port = free_port(), free_port()
        self.names = [agent_name(number) for number in range(AGENTS)]
        self.links = {name: Link(name, self.grpc_port) for name in self.names}
        self.daemons: dict[str, Daemon] = {}
        self.faults: Counter[str] = Counter()
        self._busy = {name: asyncio.Lock() for name in (COLLECTOR, *self.names)}

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
            config = self.work / f"{name}.toml"
            config.write_text(self._config(name, number))
            with closing(spool_file.connected(self.work / f"{name}.db", SPOOL_BYTES)) as db:
                db.executescript(LEDGER)
            self.daemons[name] = Daemon(command_line("agent", "run"), self.work / f"{name}.log", {"JOULEMARK_CONFIG": str(config)})
        env = {"JOULEMARK_CONFIG": str(self.work / f"{self.names[0]}.toml")}
        self.daemons[COLLECTOR] = Daemon(command_line("collector", "run"), self.work / "collector.log", env)
        await self._start(COLLECTOR)
        for name in self.names:
            await self._start(name)

    def _config(self, name: str, number: int) -> str:
        return CONFIG.format(
            agent=name,
            port=self.links[name].port,
            work=self.work,
            spool_bytes=SPOOL_BYTES,
            grpc_port=self.grpc_port,
            rest_port=self.rest_port,
            phase_s=number * 0.3,
            **WAVE,
        )

    async def _close(self) -> None:
        for daemon in self.daemons.values():
            await asyncio.to_thread(daemon.stop)
        for link in self.links.values():
            await link.close()

    async def _start(self, name: str) -> None:
        self.daemons[name].start()
        if name == COLLECTOR:
            await asyncio.to_thread(self.daemons[name].wait_for_port, self.grpc_port)

    async def suffer(self, fault: Fault) -> None:
        """Let `fault` happen, after the one before it on the same target."""
        async with self._busy[fault.target]:
            await (self._process_fault(fault) if fault.kind in {"kill", "stop"} else self._link_fault(fault))
            self.faults[f"{fault.kind} {'collector' if fault.target == COLLECTOR else 'agent'}"] += 1

    async def _process_fault(self, fault: Fault) -> None:
        daemon = self.daemons[fault.target]
        if fault.kind == "kill":
            await asyncio.to_thread(daemon.kill)
            await asyncio.sleep(fault.hold_s)
            await self._start(fault.target)
            return
        assert daemon.process is not None
        os.killpg(daemon.process.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.hold_s)
        finally:
            os.killpg(daemon.process.pid, signal.SIGCONT)

    async def _link_fault(self, fault: Fault) -> None:
        link = self.links[fault.target]
        if fault.kind == "cut":
            await link.cut()
        elif fault.kind == "tear":
            link.tear()
        elif fault.kind == "half_close":
            link.half_close(upwards=fault.choice < 0.5)
            await asyncio.sleep(fault.hold_s)
        elif fault.kind == "delay":
            await link.delay(fault.hold_s, 0.2 * fault.choice)
        else:
            await link.late(fault.hold_s, 0.006 * fault.choice)

    async def drain(self, limit_s: float = 90.0) -> None:
        """Stop the agents once each has handed over everything; raises RuntimeError when a spool is not empty in time."""
        deadline = time.monotonic() + limit_s
        for name in self.names:
            daemon = self.daemons[name]
            await asyncio.to_thread(daemon.stop)
            while waiting := self.spooled(name):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{name} still holds {waiting} batches after {limit_s} s, see {daemon.log}")
                daemon.start()
                await asyncio.sleep(4.0)
                await asyncio.to_thread(daemon.stop)
        await asyncio.to_thread(self.daemons[COLLECTOR].stop)

    def spooled(self, name: str) -> int:
        """Batches of an agent that the collector has not acknowledged."""
        with closing(sqlite3.connect(self.work / f"{name}.db", timeout=20.0)) as db:
            return int(db.execute("SELECT count(*) FROM batch").fetchone()[0])

    def counted(self, column: str) -> int:
        """Sum of a count that the collector keeps of each stream: `sample_count`, `duplicate_count`."""
        store = f"file:{self.work}/collector/readings.db?mode=ro"
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(store, uri=True)) as db:
            return int(db.execute(f"SELECT coalesce(sum({column}), 0) FROM stream").fetchone()[0])
        return 0

    def write_plan(self, seed: int) -> None:
        """What the oracle needs to know and cannot read from the databases."""
        plan: dict[str, Any] = {
            "seed": seed,
            "agents": {name: {**WAVE, "phase_s": number * 0.3} for number, name in enumerate(self.names)},
            "faults": dict(sorted(self.faults.items())),
            "torn_and_back": sum(link.torn_and_back for link in self.links.values()),
            "late_released": sum(link.late_released for link in self.links.values()),
        }
        (self.work / "plan.json").write_text(json.dumps(plan))
