"""A collector with a serving agent that speaks while the tests go on, and Debian's Prometheus scraping it as `deploy/` says."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from joulemark import timebase
from tests.collector.conftest import Collector
from tests.collector.serving_agent import S, ServingAgent
from tests.waiting import eventually

RULES = "deploy/prometheus"
LISTENS = re.compile(r'msg="Listening on" address=(\S+)')


@dataclass
class Living:
    """Where collector and Prometheus answer."""

    collector: httpx.Client
    prometheus: httpx.Client

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers to an expression now."""
        answer = self.prometheus.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def moment() -> dict[str, Any]:
    return {"utc_ns": time.time_ns(), "boot_id": timebase.boot_id()}


def speak(address: str, over: threading.Event) -> None:
    """One second of readings after another, each sent when it has passed; a second agent of the same name is turned away once."""
    begin_ns = time.time_ns()
    agent = ServingAgent(epoch_ns=begin_ns - 100 * S, instance_id="aa")
    with grpc.insecure_channel(address) as channel:
        call, sending = agent.speak(channel)
        next(call)
        with pytest.raises(grpc.RpcError):
            ServingAgent(epoch_ns=begin_ns, instance_id="bb").converse(address, [], answers=1)
        for n in range(10_000):
            first_ns = begin_ns + n * 11 * S // 10
            if over.wait(max(0.0, (first_ns + S - time.time_ns()) / S)):
                break
            sending.put(agent.seconds(n, first_ns, count=1))
        call.cancel()


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Living]:
    folder = tmp_path_factory.mktemp("living")
    collector, over = Collector(folder / "collector").start(), threading.Event()
    speaker = threading.Thread(target=speak, args=(collector.grpc, over))
    speaker.start()
    process, address = prometheus(folder / "prometheus", repository, collector.rest)
    try:
        with httpx.Client(base_url=collector.rest, timeout=30) as asked, httpx.Client(base_url=address, timeout=30) as shown:
            started = asked.post("/v1/runs", json={"benchmark": "b", "moment": moment()}).raise_for_status().json()
            phase = {"name": "decode", "edge": "begin", "moment": moment()}
            asked.post(f"/v1/runs/{started['run_id']}/phases", json=phase).raise_for_status()
            yield Living(asked, shown)
    finally:
        over.set()
        speaker.join(30)
        process.terminate()
        process.wait(30)
        collector.stop()


def prometheus(folder: Path, repository: Path, rest: str) -> tuple[subprocess.Popen[bytes], str]:
    """Prometheus with the configuration of `deploy/`: another target, and a second between scrapes."""
    shutil.copytree(repository / RULES, folder)
    config = folder / "prometheus.yml"
    text = config.read_text().replace("127.0.0.1:7471", rest.removeprefix("http://")).replace("_interval: 15s", "_interval: 1s")
    config.write_text(text)
    log = folder / "log"
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    eventually(lambda: process.poll() is not None or LISTENS.search(log.read_text()), "Prometheus listens")
    found = LISTENS.search(log.read_text())
    assert found is not None, log.read_text()
    eventually(lambda: "Server is ready" in log.read_text(), "Prometheus is ready")
    return process, f"http://{found[1]}"
