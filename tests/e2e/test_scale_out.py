"""Agents move to a collector process that was added, while everything is killed: each batch is stored once, in one of the files."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from joulemark.agent.homes import home_of
from joulemark.collector.store import configured, files
from joulemark.config import CollectorConfig, Config
from tests.collector.conftest import Collector
from tests.conservation import oracle
from tests.conservation.evidence import Evidence, query
from tests.conservation.witness import Witness

PROCESSES = 3
MAX_BYTES = 64 * 1024 * 1024
CONFIG = """
[agent]
agent_id = "{name}"
collectors = [{addresses}]
interval_ms = 50
batch_period_ms = 100
[spool]
path = "{spool}"
max_bytes = 67108864
[[meter]]
kind = "fake"
devices = 2
"""


class Host:
    """An agent in a folder, and the witness of its spool."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._folder = name, folder
        self.spool, self.ledger = folder / f"{name}.db", folder / f"{name}.ledger"
        self.witness = Witness(self.spool, self.ledger, max_bytes=MAX_BYTES)

    def start(self, addresses: list[str]) -> None:
        """Run the agent with a list of collectors."""
        config = self._folder / f"{self.name}.toml"
        listed = ", ".join(f'"{address}"' for address in addresses)
        config.write_text(CONFIG.format(name=self.name, addresses=listed, spool=self.spool))
        with (self._folder / f"{self.name}.log").open("a") as log:
            command = [sys.executable, "-m", "joulemark", "agent", "run", "--config", str(config)]
            self.process = subprocess.Popen(command, stderr=log)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Signal it and wait."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(30)


def ports() -> int:
    """The first of as many free ports in a row as there are processes."""
    for first in range(21_000, 31_000, 17):
        with ExitStack() as stack:
            try:
                for port in range(first, first + PROCESSES):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no ports are free")


def named(addresses: list[str], before: int, after: int) -> str:
    """A host that is at home at address `before` of the first two, and at `after` of all three."""
    wanted = addresses[before], addresses[after]
    return next(n for n in (f"host-{i}" for i in count()) if (home_of(n, addresses[:2]), home_of(n, addresses)) == wanted)


def eventually(check: object, what: str, limit_s: float = 60.0) -> None:
    """Wait until `check` holds."""
    assert callable(check)
    give_up_s = time.monotonic() + limit_s
    while not check():
        assert time.monotonic() < give_up_s, what
        time.sleep(0.05)


def stored_of(folder: Path) -> Evidence:
    """What the files of the collector hold."""
    evidence = Evidence()
    for number in range(PROCESSES):
        rows = query(files.path_of(folder, number), "SELECT agent_id, epoch_ns, batch_seq, body FROM log ORDER BY id")
        evidence.stored += [((agent, epoch_ns, seq), body) for agent, epoch_ns, seq, body in rows]
    return evidence


def test_agents_move_to_an_added_process_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Two processes, then three; collector and agents killed at work, one agent started anew while its old home is away.

    What each spool wrote is what the files hold together: sent, acknowledged, stored, each batch once and byte for byte. Agents whose
    home is the new process have their older starts where they were, the one that stays is in one file, and every read is found by the
    union, in order.
    """
    first = ports()
    addresses = [f"127.0.0.1:{first + number}" for number in range(PROCESSES)]
    names = [named(addresses, 0, 0), named(addresses, 1, 2), named(addresses, 0, 2)]
    stays, moves, hurries = hosts = [Host(tmp_path, name) for name in names]
    collector = Collector(tmp_path / "c")
    settings = {"ingest_processes": PROCESSES, "grpc_listen": addresses[0]}
    try:
        collector.start(**settings)
        folder = collector.folder / "data"
        for host in hosts:
            host.start(addresses[:2])
        eventually(lambda: len({agent for (agent, _, _), _ in stored_of(folder).stored}) == 3, "every agent delivers")
        collector.kill()
        time.sleep(0.5)
        hurries.end(signal.SIGKILL)
        hurries.start(addresses)
        moves.end(signal.SIGKILL)
        time.sleep(1.0)
        collector.start(**settings)
        moves.start(addresses)
        stays.end()
        stays.start(addresses)

        def starts() -> set[tuple[str, int]]:
            return {(agent, epoch_ns) for (agent, epoch_ns, _), _ in stored_of(folder).stored}

        eventually(lambda: len(starts()) == 6, "each agent has delivered of both its starts")
        time.sleep(0.5)
        for host in hosts:
            host.end()
        eventually(lambda: all(host.witness.waiting() == 0 for host in hosts), "all is acknowledged", limit_s=5.0)
        assert collector.stop() == 0
    finally:
        for host in hosts:
            host.end(signal.SIGKILL)
            host.witness.close()
        if collector.process is not None and collector.process.poll() is None:
            collector.kill()
    evidence = stored_of(folder)
    for host in hosts:
        for what, epoch_ns, seq, body in query(host.ledger, "SELECT what, epoch_ns, batch_seq, body FROM ledger ORDER BY id"):
            evidence.witness(what, (host.name, epoch_ns, seq), body)
    assert len(evidence.stored) > 30
    assert oracle.batches(evidence) == []
    held = [{row[0] for row in query(files.path_of(folder, number), "SELECT agent_id FROM stream")} for number in range(PROCESSES)]
    assert held == [{stays.name, hurries.name}, {moves.name}, {moves.name, hurries.name}]
    store = configured.readings(Config(collector=CollectorConfig(data_dir=folder)))
    told = sum(stream.sample_count for stream in store.streams())
    meters = [meter.meter_id for device in store.devices() for meter in device.device.meters[:1]]
    series = store.series(meters, 0, 2**62)
    assert sum(len(one) for one in series) == told
    assert all((one.t_ns[1:] > one.t_ns[:-1]).all() for one in series)
