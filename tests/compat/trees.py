"""This version and the one before, each as programs that run side by side on the same files."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulemark.errors import EnvironmentFailed
from tests.conftest import ROOT

PREVIOUS = tomllib.loads(Path(__file__).with_name("previous.toml").read_text(encoding="utf-8"))
AGENT = """[agent]
agent_id = "host"
collector = "{grpc}"
interval_ms = 50
batch_period_ms = 200
[spool]
path = "{folder}/spool.db"
[[meter]]
kind = "fake"
waveform = "constant"
"""
COLLECTOR = """[collector]
grpc_listen = "127.0.0.1:0"
rest_listen = "127.0.0.1:0"
data_dir = "{folder}/data"
seal_after_s = 2.0
"""


@dataclass(frozen=True, slots=True)
class Tree:
    """A version: its name in the matrix and the folder of its packages."""

    name: str
    source: Path

    def command(self, *words: object) -> subprocess.CompletedProcess[str]:
        """`joulemark WORDS` of that version, to its end."""
        return subprocess.run(self._argv(words), env=self._env(), capture_output=True, text=True, timeout=120, check=False)

    @contextmanager
    def agent(self, folder: Path, grpc: str) -> Iterator[None]:
        """An agent that reads a fake meter into the spool in `folder`; ended as a service is."""
        config = folder / "agent.toml"
        config.write_text(AGENT.format(folder=folder, grpc=grpc), encoding="utf-8")
        with (folder / "agent.log").open("a") as log:
            process = subprocess.Popen(self._argv(("agent", "run", "--config", config)), env=self._env(), stderr=log)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    @contextmanager
    def collector(self, folder: Path) -> Iterator[dict[str, str]]:
        """A collector on `folder`/data; where it answers. Raises EnvironmentFailed with its last words when it does not start."""
        config = folder / "collector.toml"
        config.write_text(COLLECTOR.format(folder=folder), encoding="utf-8")
        argv = self._argv(("collector", "run", "--config", config, "--json"))
        with (folder / "collector.log").open("a") as log:
            process = subprocess.Popen(argv, env=self._env(), stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            if not line:
                said = (folder / "collector.log").read_text(encoding="utf-8").strip().splitlines()
                raise EnvironmentFailed(said[-1] if said else "the collector said nothing", f"status {process.wait(60)}")
            yield json.loads(line)
        finally:
            process.terminate()
            process.wait(60)
            process.stdout.close()

    def _argv(self, words: tuple[object, ...]) -> list[str]:
        return [sys.executable, "-m", "joulemark", *map(str, words)]

    def _env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.source), "PYTHONDONTWRITEBYTECODE": "1"}


def this() -> Tree:
    """N."""
    return Tree("N", ROOT / "src")


def previous(folder: Path) -> Tree:
    """N-1, unpacked below `folder`. Raises EnvironmentFailed where the history is not at hand."""
    packed = subprocess.run(["git", "archive", PREVIOUS["commit"], "src"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        raise EnvironmentFailed(f"there is no commit {PREVIOUS['commit']} here", "fetch the whole history: git fetch --unshallow")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return Tree("N-1", folder / "src")


def get(rest: str, path: str) -> Any:
    """A JSON answer of a collector."""
    with urllib.request.urlopen(f"{rest}{path}", timeout=30) as answer:
        return json.load(answer)
