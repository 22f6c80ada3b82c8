"""The doors: the command line as a process, the REST interface over HTTP, the agents' stream over gRPC, each as a stranger meets it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from joulemark.proto.messages import STREAM_METHOD
from tests.bad_input.judge import Answer

LIMIT_S = 60.0
MEMORY_BYTES = 3 << 30
"""Address space of a command: a bomb that unpacks in memory meets it."""

PROGRAM = (sys.executable, "-m", "joulemark")


def limited() -> None:
    """In the child: bound its memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def command_line(args: Sequence[str], folder: Path, *, program: Sequence[str] = PROGRAM, limit_s: float = LIMIT_S) -> Answer:
    """The command `args`, run in `folder` with its data there too."""
    before = fingerprint(folder)
    env = {**os.environ, "STATE_DIRECTORY": str(folder / "state"), "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""}
    env.pop("JOULEMARK_CONFIG", None)
    child = subprocess.Popen(
        [*program, *args], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limited
    )
    try:
        out, err = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return Answer("cli", "timeout", "")
    code = child.returncode
    status = f"signal {-code}" if code < 0 else f"exit {code}"
    harm = "" if code == 0 or (fingerprint(folder) == before and not out.strip()) else f"a refused input left something: {out[-200:]!r}"
    return Answer("cli", status, err.decode("utf-8", "surrogateescape") if code else out.decode(), harm)


def fingerprint(folder: Path) -> str:
    """Hash of the prices known and of the names of all files in `folder`: what a refused command must leave as it was."""
    store = folder / "state" / "prices.db"
    names = sorted(p.name for p in folder.iterdir() if p.name != "state")
    return hashlib.sha256(repr((names, store.read_bytes() if store.exists() else b"")).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass
class Collector:
    """A running collector and what a stranger can see of its store."""

    rest: str
    grpc: str
    seen: str = ""
    settled: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """(status, body) of one request."""
        connection = http.client.HTTPConnection(self.rest.removeprefix("http://"), timeout=20)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent: the answer is there already
                connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "surrogateescape")
        finally:
            connection.close()

    def state(self) -> str:
        """Runs, meters and counts of what is stored; raises when the collector is ill."""
        status, text = self.request("GET", "/healthz")
        ready, told = self.request("GET", "/readyz")
        if (status, ready) != (200, 200):
            raise RuntimeError(f"the collector is ill: {text} {told}")
        hosts = [
            {k: v for k, v in host.items() if k in ("agent_id", "batches", "samples")}
            for host in json.loads(self.request("GET", "/v1/hosts")[1])
        ]
        return json.dumps([hosts, self.request("GET", "/v1/runs")[1], self.request("GET", "/v1/meters")[1]])

    def judged(self, door: str, knock: Callable[[], tuple[str, str]]) -> Answer:
        """The answer to `knock`, with the harm it did to the store or to the collector's health."""
        before = self.state()
        try:
            status, told = knock()
        except (OSError, http.client.HTTPException) as error:
            status, told = "no answer", str(error)
        try:
            harm = "" if self.state() == before else "the store was changed"
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            status, harm = "no answer", str(error)
        return Answer(door, status, told, harm)

    def rest_answer(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """What REST says to a request."""

        def knock() -> tuple[str, str]:
            status, told = self.request(method, path, body, headers)
            return str(status), told

        return self.judged("rest", knock)

    def stream_answer(self, messages: Sequence[bytes]) -> Answer:
        """How a stream of `messages` ends."""

        def knock() -> tuple[str, str]:
            with grpc.insecure_channel(self.grpc) as channel:
                call: Any = channel.stream_stream(STREAM_METHOD)(iter(messages), timeout=20)
                try:
                    for _ in call:
                        pass
                except grpc.RpcError as error:
                    refused: Any = error
                    return refused.code().name, refused.details()
                return "OK", ""

        return self.judged("grpc", knock)
