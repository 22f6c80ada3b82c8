"""The processes of a run: shards that come back on their port with their data, and the sealing side; each is ended by its pid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joulemark import config

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class ShardProcess:
    """A shard: its files, its port (0: any free one), and the process while it runs."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None
    kills: int = 0

    @property
    def address(self) -> str:
        """As the configuration names it."""
        return f"http://127.0.0.1:{self.port}/joulemark"

    def start(self) -> None:
        """Serve, with what is on the disk."""
        command = [sys.executable, "-m", "tests.scale_out.server", str(self.folder), str(self.port)]
        with (self.folder.parent / f"{self.folder.name}.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"a shard did not start: read {self.folder}.log"
        self.port = int(line)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        killed(self.process)
        self.process, self.kills = None, self.kills + 1

    def cpu_s(self) -> float:
        """Processor time it took so far."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass
class Sealing:
    """The sealing side of one database, started again after every kill."""

    work: Path
    name: str
    rounds: int
    process: subprocess.Popen[str] | None = None
    kills: int = 0

    def start(self) -> None:
        """Send everything from the beginning."""
        command = [sys.executable, "-m", "tests.scale_out.sealing", str(self.work), self.name, str(self.rounds)]
        with (self.work / f"{self.name}.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)

    def kill(self) -> None:
        """SIGKILL."""
        killed(self.process)
        self.kills += 1

    def done(self) -> bool:
        """Whether it ended by itself."""
        assert self.process is not None
        return self.process.poll() is not None

    def said(self) -> dict[str, Any]:
        """What it came to, once it has."""
        assert self.process is not None
        out, _ = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, f"the sealing side failed: read {self.work / self.name}.log"
        found: dict[str, Any] = json.loads(out)
        return found


def killed(process: subprocess.Popen[str] | None) -> None:
    """SIGKILL, and nothing of it left."""
    assert process is not None
    assert process.stdout is not None
    process.kill()
    process.wait()
    process.stdout.close()


def settings(work: Path, name: str) -> config.Config:
    """The configuration of the run, its data in a folder of its own."""
    loaded = config.load(work / "collector.toml")
    (work / name).mkdir(exist_ok=True)
    return replace(loaded, collector=replace(loaded.collector, data_dir=work / name))


def wait_until(condition: Any, what: str, *, limit_s: float = 60.0) -> None:
    """Until `condition()` holds."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"waited {limit_s:g} s in vain for {what}"
        time.sleep(0.001)
