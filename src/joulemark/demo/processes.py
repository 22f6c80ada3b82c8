"""Processes of a demonstration or a test run: started by the product's own commands, stopped by process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed

POLL_S: Final = 0.05


def free_port() -> int:
    """A TCP port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def joulemark(*args: str) -> list[str]:
    """The product's command line in this interpreter."""
    return [sys.executable, "-m", "joulemark", *args]


def reachable(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Daemon:
    """A command that runs until told otherwise, in its own process group; output goes to `log`."""

    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **self.env}, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL to the whole group: nobody gets to say goodbye."""
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is left after ten seconds. Safe when it never started or is gone."""
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_for_port(self, port: int, limit_s: float = 30.0) -> None:
        """Until the port answers. Raises EnvironmentFailed with the log's last line when the process died or time ran out."""
        for _ in range(round(limit_s / POLL_S)):
            if reachable(port):
                return
            if self.process is not None and self.process.poll() is not None:
                break
            time.sleep(POLL_S)

        lines = self.log.read_text(errors="replace").splitlines() or ["no output"]
        raise EnvironmentFailed(f"{' '.join(self.command[-2:])} did not come up: {lines[-1]}", f"read {self.log}")
