"""Stage of the kind `serving`: a server with the page of vLLM that wants a password.

A golden case is a page, and in `meter.toml` the keys of the table that reads it, its path and its content type.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.page_standin import TEXT, PageServer
from tests.standins.serving_standin import MODEL, Replica, Service, load

DEADLINE_S = 1.0
PASSWORD = "secret12"


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    now_ns = time.time_ns()
    service = Service([Replica(MODEL, str(n), load(n, now_ns, 60.0, rate_per_s=5.0)) for n in range(2)], started_ns=now_ns)
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "wrong").write_text(WRONG_SECRET)
    with PageServer(service, account=f"monitor:{PASSWORD}") as server:
        options: Options = {
            "url": server.url,
            "user": "monitor",
            "password_file": str(folder / "password"),
            "deadline_s": DEADLINE_S,
        }
        yield Living(
            options,
            unplug=server.stop,
            replug=server.start,
            hang=server.pause,
            resume=server.resume,
            wrong={**options, "password_file": str(folder / "wrong")},
            deadline_s=DEADLINE_S,
        )


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A server with the page of the case, which stands still."""
    about = tomllib.loads((case / "meter.toml").read_text(encoding="utf-8"))
    path = about.pop("path", "/metrics")
    kind = about.pop("content_type", TEXT)
    text = (case / "page.txt").read_text(encoding="utf-8")
    with PageServer(lambda: text, content_type=kind) as server:
        yield {"url": server.url.removesuffix("/metrics") + path, **about}
