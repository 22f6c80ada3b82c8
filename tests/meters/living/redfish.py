"""Stage of the kind `redfish`: a simulated BMC over TLS. A golden case holds resources by path in `resources.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.redfish_standin import RedfishServer

DEADLINE_S = 1.5


def options(server: RedfishServer) -> Options:
    table: Options = {"url": server.url, "user": "admin", "password_file": str(server.password_file), "deadline_s": DEADLINE_S}
    return {**table, "ca_file": str(server.ca_file)} if server.ca_file else table


@contextmanager
def serving(folder: Path, *, tls: bool = True) -> Iterator[RedfishServer]:
    """A simulated service that runs."""
    server = RedfishServer(folder, tls=tls)
    server.start()
    try:
        yield server
    finally:
        server.resume()
        server.end()


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    with serving(folder / "bmc") as server:
        server.inlet_c = 23.5
        wrong = folder / "wrong"
        wrong.write_text(WRONG_SECRET)
        yield Living(
            {**options(server), "witness_interval_s": 0.001},
            unplug=server.stop,
            replug=server.start,
            hang=server.hang,
            resume=server.resume,
            wrong={**options(server), "password_file": str(wrong)},
            set_power_w=server.set_power_w,
            deadline_s=DEADLINE_S,
        )


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A service that has exactly the resources of `resources.json`, and answers any login without a token."""
    with serving(folder / "bmc", tls=False) as server:
        server.login_status = 204
        resources = json.loads((case / "resources.json").read_text(encoding="utf-8"))
        server.overrides = {**dict.fromkeys(server.resources(), 404), **resources}
        yield {**options(server), "url": f"http://localhost:{server.port}", "stream": False}
