"""A collector, and for each seed an agent with a simulated power meter and an engine whose every token is known."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import joulemark
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from tests.live_tokens.checker import Wave
from tests.standins.page_standin import PageServer
from tests.standins.serving_standin import Replica, Service, load

COLLECTOR = """\
[collector]
grpc_listen = "127.0.0.1:{grpc}"
rest_listen = "127.0.0.1:{rest}"
data_dir = "{work}/collector"
"""

AGENT = """\
[agent]
agent_id = "node{seed}"
collector = "127.0.0.1:{grpc}"
interval_ms = {interval_ms}
batch_period_ms = 200
[spool]
path = "{work}/spool{seed}.db"
[[meter]]
kind = "fake"
mean_w = {mean_w}
amplitude_w = {amplitude_w}
period_s = {period_s}
counter_step_s = 0.02
interval_ms = 50
[[meter]]
kind = "serving"
url = "{url}"
"""

LOAD_S = 120.0


@dataclass
class Node:
    """One seed: its engine, its load and its power."""

    seed: int
    service: Service
    server: PageServer
    wave: Wave
    config: str
    daemon: Daemon | None = None


@dataclass
class Bench:
    """Context manager: everything runs inside, nothing is left running after it. `mutate`: `drop` or `double`, a fault of the pages."""

    work: Path
    seeds: list[int]
    mutate: str = ""
    interval_ms: int = 250
    nodes: list[Node] = field(default_factory=list)

    def __enter__(self) -> Self:
        rest, grpc = free_port(), free_port()
        (self.work / "collector").mkdir(parents=True, exist_ok=True)
        config = self.work / "collector.toml"
        config.write_text(COLLECTOR.format(grpc=grpc, rest=rest, work=self.work))
        self.url = f"http://127.0.0.1:{rest}"
        self.client = joulemark.Client(self.url)
        self.collector = Daemon(command_line("collector", "run"), self.work / "collector.log", {"JOULEMARK_CONFIG": str(config)})
        try:
            self.collector.start()
            self.collector.wait_for_port(rest)
            self.collector.wait_for_port(grpc)
            for seed in self.seeds:
                self.nodes.append(self._node(seed, grpc))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for node in self.nodes:
            if node.daemon is not None:
                node.daemon.stop()
            node.server.stop()
        self.collector.stop()

    def _node(self, seed: int, grpc: int) -> Node:
        chance, now_ns = random.Random(seed), time.time_ns()
        replicas = [Replica(f"acme/model-{seed}", str(n), load(100 * seed + n, now_ns, LOAD_S, rate_per_s=6.0)) for n in range(2)]
        service = Service(
            replicas, started_ns=now_ns - 5_000_000_000, drop=self.mutate == "drop", double=self.mutate == "double", offset=1000 * seed
        )
        mean_w, amplitude_w, period_s = chance.uniform(300, 700), chance.uniform(20, 200), chance.choice((1.0, 2.0, 3.0))
        server = PageServer(service)
        server.start()
        config = AGENT.format(
            seed=seed,
            grpc=grpc,
            work=self.work,
            interval_ms=self.interval_ms,
            mean_w=mean_w,
            amplitude_w=amplitude_w,
            period_s=period_s,
            url=server.url,
        )
        path = self.work / f"agent{seed}.toml"
        path.write_text(config)
        node = Node(seed, service, server, Wave(mean_w - amplitude_w, mean_w + amplitude_w, period_s), str(path))
        node.daemon = Daemon(command_line("agent", "run"), self.work / f"agent{seed}.log", {"JOULEMARK_CONFIG": str(path)})
        node.daemon.start()
        return node

    def ask(self, path: str) -> Any:
        return self.client.call("GET", path, timeout_s=60.0)

    def page(self) -> str:
        """The collector's own metrics."""
        return self.client.download("/metrics").decode()

    def wait_until_read(self, since_ns: int, limit_s: float = 60.0) -> None:
        """Until every agent has readings from after `since_ns` in the store."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            hosts = {host["agent_id"]: host["last_reading_ns"] for host in self.ask("/v1/hosts")}
            serving = {meter["agent_id"] for meter in self.ask("/v1/meters") if meter["kind"] == "serving"}
            if len(serving) == len(self.seeds) and all(hosts.get(f"node{seed}", 0) > since_ns for seed in self.seeds):
                return
            time.sleep(0.2)
        logs = "\n".join((self.work / f"agent{seed}.log").read_text()[-1500:] for seed in self.seeds)
        raise RuntimeError(f"no readings after {limit_s} s:\n{logs}")
