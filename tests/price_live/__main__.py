"""`make price-refresh-live`: a real collector reads seven feeds from a server on loopback that answers as providers were recorded.

First all are well. Then one is down, one is slower than its deadline, three lie (a price tenfold, zero, half of the rows gone; each of
six SEEDs deals the lies otherwise), and two stay good: one in pages, one that says that nothing has changed. The verdict comes from
`checker.py`, which takes the truth from the recorded files and shares no code with the product. MUTATE=gate|touch|serial puts a fault
into the collector that must turn it red. SEED, and BAD_S, how long it goes badly, are read from the environment.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from tests.price_live.providers import KEY, LIES, Provider, providers, serve_bad, serve_good
from tests.standins.price_server import PriceServer
from tests.verdict import judged

EVERY_S = 2
START_S = 60.0
QUESTIONS = {
    "pages": {"provider": "azure", "instance_type": "Standard_D2s_v3", "region": "eastus"},
    "unchanged": {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1"},
    "down": {"provider": "gcp", "instance_type": "a2-highgpu-1g", "region": "us-central1"},
    "liar azure": {"provider": "azure", "instance_type": "Standard_D2als_v7", "region": "eastus"},
    "liar lambda": {"provider": "lambda", "instance_type": "gpu_1x_a10", "region": "us-east-1"},
}


@contextmanager
def collector(work: Path, feeds: list[Provider], mutate: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The collector's command, and a client of its REST interface."""
    config = work / "joulemark.toml"
    listen = 'grpc_listen = "127.0.0.1:0"\nrest_listen = "127.0.0.1:0"'
    config.write_text(f'[collector]\n{listen}\ndata_dir = "{work / "data"}"\n{"".join(feed.table for feed in feeds)}')
    module = "tests.price_live.mutant" if mutate else "joulemark"
    command = [sys.executable, "-m", module, "collector", "run", "--config", str(config), "--json"]
    environment = {**os.environ, "PRICE_MUTATE": mutate}
    with (work / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (work / "log").read_text()
        with httpx.Client(base_url=json.loads(line)["rest"], timeout=30) as client:
            yield process, client
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def wait(until: Callable[[], bool], what: str) -> None:
    """Wait for something that has to come. Raises TimeoutError."""
    end = time.monotonic() + START_S
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {START_S:g} s")
        time.sleep(0.2)


def feeds_of(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/v1/prices/feeds").json()["feeds"]
    return found


def execute(work: Path, seed: int, seconds: float, mutate: str) -> None:
    """The whole course; leaves what the checker needs in `work`."""
    orders = list(itertools.permutations(LIES))
    lies, per_page = orders[seed % len(orders)], random.Random(seed).randint(2, 5)
    corpus = Path(os.environ["JOULEMARK_CORPUS"]) / "pricing"
    key_file = work / "key"
    key_file.write_text(KEY)
    with ExitStack() as stack:
        server = stack.enter_context(PriceServer())
        gone = PriceServer()
        with gone:
            feeds = providers(server, gone, key_file, lies=lies, every_s=EVERY_S)
            serve_good(server, gone, corpus, per_page=per_page)
            begin_ns = time.time_ns()
            process, client = stack.enter_context(collector(work, feeds, mutate))
            wait(lambda: all(one["rows"] for one in feeds_of(client)), "the first good reading of every feed")
            client.post("/v1/prices/refresh", json={"feed": "aws_bulk"})
            wait(lambda: feeds_of(client)[1]["attempts"]["not_modified"] > 0, "a list that is unchanged")
            serve_bad(server, corpus, lies)
        turned_ns = time.time_ns()
        time.sleep(seconds)
        left = {"feeds": feeds_of(client), "metrics": client.get("/metrics").text, "asked_ns": time.time_ns()}
        left["answers"] = {name: client.get("/v1/prices", params=params).json() for name, params in QUESTIONS.items()}
        stop_ns = time.time_ns()
        process.terminate()
        status = process.wait(30)
        plan = {"seed": seed, "mutate": mutate, "every_s": EVERY_S, "per_page": per_page, "key": KEY, "corpus": str(corpus)}
        times = {"begin_ns": begin_ns, "turned_ns": turned_ns, "stop_ns": stop_ns, "stopped_ns": time.time_ns(), "status": status}
        plan["conditional"] = sum("If-None-Match" in asked.headers for asked in server.asked)
        plan |= {**times, "providers": [asdict(feed) for feed in feeds]}
        (work / "plan.json").write_text(json.dumps(plan))
        (work / "left.json").write_text(json.dumps(left))


def main() -> None:
    seed, mutate = int(os.environ.get("SEED") or 1), os.environ.get("MUTATE", "")
    seconds = float(os.environ.get("BAD_S") or 30)
    work = Path(tempfile.mkdtemp(prefix="joulemark-price-live-"))
    execute(work, seed, seconds, mutate)
    judged("tests.price_live.checker", work)


if __name__ == "__main__":
    main()
