"""Stage of the kind `prometheus`: a server with the page of a simulated dcgm-exporter that wants a password.

A golden case is a page, and in `meter.toml` the keys of the table that reads it, its path and its content type.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.page_standin import TEXT, DcgmPage, PageServer

DEADLINE_S = 1.0
WATCH_S = 0.35
PASSWORD = "secret12"


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    page = DcgmPage()
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "wrong").write_text(WRONG_SECRET)

    def set_power_w(power_w: float) -> None:
        page.power_w = power_w

    with PageServer(page, account=f"monitor:{PASSWORD}") as server:
        options: Options = {
            "url": server.url,
            "user": "monitor",
            "password_file": str(folder / "password"),
            "deadline_s": DEADLINE_S,
            "watch_s": WATCH_S,
            "update_period_s": page.refresh_s,
        }
        yield Living(
            options,
            unplug=server.stop,
            replug=server.start,
            hang=server.pause,
            resume=server.resume,
            wrong={**options, "password_file": str(folder / "wrong")},
            set_power_w=set_power_w,
            deadline_s=DEADLINE_S,
        )


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A server with the page of the case, which stands still."""
    about = tomllib.loads((case / "meter.toml").read_text(encoding="utf-8"))
    path = about.pop("path", "/metrics")
    kind = about.pop("content_type", TEXT)
    if "source_file" in about:
        about["source_file"] = str(case / about["source_file"])
    text = (case / "page.txt").read_text(encoding="utf-8")
    with PageServer(lambda: text, content_type=kind) as server:
        yield {"url": server.url.removesuffix("/metrics") + path, "watch_s": 0.0, **about}
