"""The demonstration: collector, agent and a stub service on this machine, one measured benchmark, one bundle with its card."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from joulemark.client import URL_VARIABLE, Client, quoted
from joulemark.config import MeterTable
from joulemark.demo.processes import Daemon, free_port, joulemark
from joulemark.errors import EnvironmentFailed, JoulemarkError
from joulemark.meters import registry
from joulemark.timebase import Clock, SystemClock
from joulemark.units import NS_PER_S

READINGS_LIMIT_S: Final = 30.0
POLL_S: Final = 0.2
LOAD_BEGINS_S: Final = 12.0
"""When the benchmark begins, counted from the begin of the trace: the same each time, so that two demonstrations agree."""
LABELS: Final = ("provider=example", "region=demo", "instance_type=1x-gpu-demo", "price_model=custom")
LOAD: Final = ("--requests", "24", "--warmup", "4", "--concurrency", "4", "--output-tokens", "48")
PACE: Final = ("--first-token-s", "0.05", "--per-token-s", "0.02")


def meter_tables(scale: float | None, start_ns: int) -> list[MeterTable]:
    """The real meters of this machine; else the packaged trace from `start_ns` on, `scale` times as strong (asking for it selects it)."""
    found = [] if scale is not None else registry.discover()
    return found or [MeterTable("replay", {"loop": True, "gain": scale or 1.0, "start_ns": start_ns})]


def toml_table(table: MeterTable) -> str:
    """A `[[meter]]` table as text. JSON's scalars and lists are TOML's."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"kind": table.kind, "interval_ms": 100, **table.options}.items()]
    return "\n".join(["[[meter]]", *lines, ""])


@dataclass
class Machine:
    """Context manager: the daemons run inside it, and none outlives it. Files go under `folder`."""

    folder: Path
    scale: float | None = None
    daemons: list[Daemon] = field(default_factory=list)
    clock: Clock = field(default_factory=SystemClock)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rest_port, grpc_port, self.stub_port = free_port(), free_port(), free_port()
        self.start_ns = self.clock.utc_ns()
        self.client = Client(f"http://127.0.0.1:{self.rest_port}")
        config = self.folder / "joulemark.toml"
        config.write_text(self.config(grpc_port), encoding="utf-8")
        self.env = {"JOULEMARK_CONFIG": str(config), URL_VARIABLE: self.client.url}
        try:
            self.run(joulemark("price", "import", str(resources.files("joulemark.demo") / "prices.toml")))
            self.spawn("collector", joulemark("collector", "run")).wait_for_port(self.rest_port)
            self.daemons[-1].wait_for_port(grpc_port)
            self.spawn("agent", joulemark("agent", "run"))
            stub = [sys.executable, "-m", "joulemark.demo.service", "--port", str(self.stub_port), *PACE]
            self.spawn("service", stub).wait_for_port(self.stub_port)
            self.wait_for_readings()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop what was started, in reverse order. An impatient second interrupt does not leave half of it running."""
        before = [(number, signal.signal(number, signal.SIG_IGN)) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            for daemon in reversed(self.daemons):
                daemon.stop()
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def config(self, grpc_port: int) -> str:
        """The configuration file that agent and collector share."""
        head = f"""\
[agent]
collector = "127.0.0.1:{grpc_port}"
batch_period_ms = 250

[spool]
path = {json.dumps(str(self.folder / "spool.db"))}

[collector]
grpc_listen = "127.0.0.1:{grpc_port}"
rest_listen = "127.0.0.1:{self.rest_port}"
data_dir = {json.dumps(str(self.folder / "collector"))}

[prices]
file = {json.dumps(str(self.folder / "prices.db"))}

"""
        return head + "\n".join(toml_table(table) for table in meter_tables(self.scale, self.start_ns))

    def spawn(self, name: str, command: list[str]) -> Daemon:
        """Start a daemon whose output goes to `NAME.log`."""
        daemon = Daemon(command, self.folder / f"{name}.log", self.env)
        self.daemons.append(daemon)
        daemon.start()
        return daemon

    def run(self, command: list[str]) -> str:
        """Run one command to its end; its standard output. Raises EnvironmentFailed with its last line when it fails."""
        done = subprocess.run(command, env={**os.environ, **self.env}, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            raise EnvironmentFailed(f"{' '.join(command[2:5])} ended with {done.returncode}: {said[-1]}", f"read the logs in {self.folder}")
        return done.stdout

    def wait_for_readings(self) -> None:
        """Until the agent's readings are stored and fresh. Raises EnvironmentFailed when that takes too long."""
        since_ns = self.clock.utc_ns()
        for _ in range(round(READINGS_LIMIT_S / POLL_S)):
            hosts = self.client.call("GET", "/v1/hosts")
            if hosts and all(host["last_reading_ns"] > since_ns for host in hosts):
                return
            time.sleep(POLL_S)
        raise EnvironmentFailed("no readings reached the collector", f"read {self.folder / 'agent.log'}")

    def benchmark(self) -> str:
        """Measure one short benchmark of the stub service; the id of its run."""
        output = self.folder / "benchmark"
        labels = [word for label in LABELS for word in ("--label", label)]
        when = str(self.start_ns + round(LOAD_BEGINS_S * NS_PER_S))
        url = f"http://127.0.0.1:{self.stub_port}"
        load = [sys.executable, "-m", "joulemark.demo.load", "--url", url, "--output", str(output), "--begin-ns", when, *LOAD]
        said = self.run([*joulemark("run", "--json", "--name", "demo", "--benchmark", str(output), *labels), "--", *load])
        return str(json.loads(said.splitlines()[-1])["run_id"])

    def bundle(self, run_id: str) -> Path:
        """Fetch the run's bundle and unpack it; its folder."""
        folder = self.folder / f"bundle-{run_id}"
        with zipfile.ZipFile(io.BytesIO(self.client.download(f"/v1/runs/{quoted(run_id)}/bundle"))) as archive:
            for name in archive.namelist():
                target = (folder / name).resolve()
                if not target.is_relative_to(folder.resolve()):
                    raise JoulemarkError(f"the bundle holds {name!r}, which would leave its folder", "report this")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
        return folder
