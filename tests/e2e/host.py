"""One measured machine: stand-in driver, BMC simulator, replayed trace, agent and collector, with a hand on their throats."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import joulemark
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from tests.standins import nvml_standin
from tests.standins.ipmi_standin import Bmc
from tests.standins.nvml_standin import NvmlWave

CONFIG = """\
[agent]
agent_id = "e2e"
collector = "127.0.0.1:{grpc_port}"
interval_ms = 1000
batch_period_ms = 250

[spool]
path = "{work}/spool/spool.db"

[collector]
grpc_listen = "127.0.0.1:{grpc_port}"
rest_listen = "127.0.0.1:{rest_port}"
data_dir = "{work}/collector"
seal_after_s = 86400

[[meter]]
kind = "nvml"
library = "{library}"
interval_ms = 50

[[meter]]
kind = "ipmi"
host = "127.0.0.1"
port = {bmc_port}
user = "{bmc_user}"
password_file = "{password_file}"

[[meter]]
kind = "replay"
file = "{trace}"
boundary = "wall_analyzer"
interval_ms = 100
"""

SETTLE_S = 3.0


def write_trace(path: Path) -> None:
    """An hour of a made-up wall meter, a reading each 100 ms."""
    rows = (f"{i * 100_000_000},{1_500_000 + 1000 * (i % 50)}" for i in range(36_000))
    path.write_text("t_ns,power_milliwatt\n" + "\n".join(rows) + "\n")


class Host:
    """Context manager: everything runs inside, nothing is left running after it."""

    def __init__(self, work: Path, wave: NvmlWave) -> None:
        self.work = work
        (work / "spool").mkdir(parents=True)
        (work / "collector").mkdir()
        self.bmc = Bmc(work / "bmc")
        self.rest_port, self.grpc_port = free_port(), free_port()
        write_trace(work / "trace.csv")
        config = work / "joulemark.toml"
        config.write_text(
            CONFIG.format(
                work=work,
                grpc_port=self.grpc_port,
                rest_port=self.rest_port,
                library=nvml_standin.build(work),
                bmc_port=self.bmc.port,
                bmc_user=self.bmc.user,
                password_file=self.bmc.password_file,
                trace=work / "trace.csv",
            )
        )
        self.url = f"http://127.0.0.1:{self.rest_port}"
        self.env = {"JOULEMARK_CONFIG": str(config), "JOULEMARK_URL": self.url}
        self.client = joulemark.Client(self.url)
        self.collector = Daemon(command_line("collector", "run"), work / "collector.log", self.env)
        self.agent = Daemon(command_line("agent", "run"), work / "agent.log", {**self.env, **wave.env()})
        self.agent_downs: list[tuple[int, int]] = []
        self.collector_downs: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        try:
            self.bmc.start()
            self.start_collector()
            self.start_agent()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything. Safe at any point."""
        self.agent.stop()
        self.collector.stop()
        self.bmc.stop()

    def start_collector(self) -> None:
        self.collector.start()
        self.collector.wait_for_port(self.rest_port)
        self.collector.wait_for_port(self.grpc_port)

    def start_agent(self) -> None:
        """Start the agent and wait until its readings arrive."""
        since_ns = time.time_ns()
        self.agent.start()
        self.wait_for_readings(since_ns)

    def wait_for_readings(self, since_ns: int, limit_s: float = 30.0) -> None:
        """Until every GPU is known and the newest stored reading is younger than `since_ns`."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            gpus = {meter["device_id"] for meter in self.fetch("/v1/meters") if meter["kind"] == "nvml"}
            if len(gpus) == 8 and all(host["last_reading_ns"] > since_ns for host in self.fetch("/v1/hosts")):
                return
            time.sleep(0.1)
        raise RuntimeError(f"no readings after {limit_s} s:\n{(self.work / 'agent.log').read_text()[-2000:]}")

    def kill_agent(self, *, down_s: float) -> None:
        """SIGKILL the agent, keep a copy of its spool as the kill left it, start it again after `down_s`."""
        self.agent.kill()
        down_ns = time.time_ns()
        shutil.copytree(self.work / "spool", self.work / f"spool-{len(self.agent_downs)}")
        time.sleep(down_s)
        up_ns = time.time_ns()
        self.agent_downs.append((down_ns, up_ns))
        self.start_agent()

    def kill_collector(self, *, down_s: float) -> None:
        """SIGKILL the collector and start it again after `down_s`."""
        self.collector.kill()
        down_ns = time.time_ns()
        time.sleep(down_s)
        self.collector_downs.append((down_ns, time.time_ns()))
        self.start_collector()
        self.wait_for_readings(time.time_ns())

    def energies(self, run_id: str) -> list[dict[str, Any]]:
        """The GPU energies of a run's phases, once every reading they need has arrived."""
        while not (energy := self.client.energy(run_id))["settled"]:
            time.sleep(0.2)
        return [phase for phase in energy["phases"] if phase["boundary"] == "gpu"]

    def card(self, output: str) -> dict[str, Any]:
        """The card of the run that `joulemark run --json` printed."""
        run_id = json.loads(output.splitlines()[-1])["run_id"]
        card: dict[str, Any] = self.fetch(f"/v1/runs/{run_id}/card")
        return card

    def drain(self, limit_s: float = 20.0) -> None:
        """Stop the agent and let it hand over what it has; then the spool must be empty."""
        self.agent.stop()
        if self.spooled():
            self.agent.start()
            deadline = time.monotonic() + limit_s
            while self.spooled() and time.monotonic() < deadline:
                time.sleep(0.5)
            self.agent.stop()

    def spooled(self) -> int:
        """Batches that the collector has not acknowledged."""
        with sqlite3.connect(self.work / "spool" / "spool.db") as spool:
            return int(spool.execute("SELECT count(*) FROM batch").fetchone()[0])

    def fetch(self, path: str) -> Any:
        """GET `path` of the collector."""
        return self.client.call("GET", path)
