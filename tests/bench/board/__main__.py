"""10,000 cards on one board: how long its lists take over HTTP, beside a route that does nothing, asked in turn in the same run.

A real collector; the first cards are bundles of the conformance kit that were handed in and judged, the others were published through the
same store. COUNT: cards, 10000 unless set; ASKED: questions of each kind; SEED. What was seen is written down and judged by `checker`.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joulemark.board.store import BoardStore
from joulemark.client import Client
from tests.bench.board.cards import cards
from tests.board import archives
from tests.collector.conftest import Collector
from tests.verdict import judged

REAL = 2
TRIVIAL = "/healthz"
QUESTIONS = ("/v1/board", "/v1/board?page=5", "/v1/board?level=ES2", "/v1/board/feed.json", "/v1/board/feed.json?page=5")
BATCH = 500


def handed_in(collector: Collector, folder: Path) -> int:
    """Bundles of the kit, handed in over REST and waited for; how many were published."""
    done = 0
    for seed in range(1, REAL + 1):
        path = folder / f"{seed}.zip"
        path.write_bytes(archives.kit("ES1", seed=seed))
        found = Client(collector.rest).hand_in(path, "application/zip", level="ES1")
        while found["state"] in ("received", "validating"):
            time.sleep(0.2)
            found = Client(collector.rest).call("GET", f"/v1/board/submissions/{found['submission_id']}")
        done += found["state"] == "published"
    return done


def published(path: Path, count: int, *, seed: int) -> float:
    """Publish `count` generated cards into the store of the running collector; seconds."""
    begun = time.monotonic()
    made = list(cards(count, seed=seed))
    with BoardStore(path) as store:
        for first in range(0, count, BATCH):
            store.publish_all(made[first : first + BATCH])
    return time.monotonic() - begun


def total(collector: Collector) -> int:
    """Entries that the board shows."""
    return int(Client(collector.rest).call("GET", "/v1/board", timeout_s=120.0)["total"])


def asked(rest: str, times: int) -> Iterator[dict[str, Any]]:
    """Each question in turn with the trivial one, over one connection, without and with a tag; nanoseconds are until the last byte."""
    connection = http.client.HTTPConnection(urlsplit(rest).netloc, timeout=120)
    tags: dict[str, str] = {}
    for turn in range(times + 5):
        for path in (TRIVIAL, *QUESTIONS):
            for known in (False, True) if path in tags else (False,):
                headers = {"If-None-Match": tags[path]} if known else {}
                begun = time.perf_counter_ns()
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                size = len(answer.read())
                taken_ns = time.perf_counter_ns() - begun
                if answer.headers["ETag"]:
                    tags[path] = answer.headers["ETag"]
                if turn >= 5:  # the first turns warm both sides up
                    yield {"path": path, "tag": known, "status": answer.status, "taken_ns": taken_ns, "bytes": size}
    connection.close()


def walked(rest: str) -> dict[str, list[str]]:
    """The ids on all pages of the list, by their numbers, and of the feed, by its own next addresses."""
    client = Client(rest)
    listed: list[str] = []
    page = pages = 1
    while page <= pages:
        found = client.call("GET", f"/v1/board?page={page}", timeout_s=120.0)
        board, pages, page = found["board"], found["pages"], page + 1
        listed += [one["entry_id"] for part in board["classes"] for one in part["entries"]]
        listed += [one["entry_id"] for name in ("informative", "not_comparable", "simulated", "withdrawn") for one in board[name]]
    fed: list[str] = []
    url: str | None = "/v1/board/feed.json"
    while url:
        found = client.call("GET", url, timeout_s=120.0)
        fed += [item["id"] for item in found["items"]]
        url = found.get("next_url", "").removeprefix(rest) or None
    return {"listed": listed, "fed": fed}


def resident_mb(collector: Collector) -> float:
    """Resident memory of the process that serves the board."""
    assert collector.process is not None
    children = subprocess.run(["pgrep", "-P", str(collector.process.pid)], capture_output=True, text=True, check=True).stdout.split()
    sizes = [Path(f"/proc/{child}/status").read_text().partition("VmRSS:")[2].split()[0] for child in children]
    return max(map(int, sizes)) / 1024


def main() -> None:
    """Fill the board, ask it, write down what was seen, and have it judged."""
    count, times, seed = (int(os.environ.get(name) or usual) for name, usual in (("COUNT", "10000"), ("ASKED", "300"), ("SEED", "1")))
    work = Path(tempfile.mkdtemp(prefix="joulemark-board-"))
    collector = Collector(work / "collector", tables="[board]\nkit = true\n").start()
    try:
        real = handed_in(collector, work)
        print(f"{real} bundles of the kit handed in, judged and published", file=sys.stderr)
        filled_s = published(collector.folder / "data/board.db", count - real, seed=seed)
        begun = time.monotonic()
        while total(collector) < count:
            assert time.monotonic() - begun < 120, "the board does not show what was published"
            time.sleep(0.1)
        print(f"{count - real} more published in {filled_s:.1f} s, shown {time.monotonic() - begun:.1f} s later", file=sys.stderr)
        with (work / "asked.jsonl").open("w") as out:
            out.writelines(json.dumps(one) + "\n" for one in asked(collector.rest, times))
        seen = {"count": count, "real": real, "filled_s": filled_s, "rss_mb": resident_mb(collector), **walked(collector.rest)}
        (work / "seen.json").write_text(json.dumps(seen))
    finally:
        collector.stop()
    judged("tests.bench.board.checker", work)


if __name__ == "__main__":
    sys.exit(main())
