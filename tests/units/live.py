"""Both units started by a real systemd, hung, and started again by it: `python -m tests.units.live`, behind `make units-live`.

`joulemark collector install` and `joulemark agent install` make them services of a machine that nobody keeps (see `box`). Then the main
process of each is stopped (SIGSTOP), the watchdog has to end it within its time and a second start has to be ready, with the samples of
before. The watchdogs are shortened to WATCHDOG_S. The last line says how long it took; exit 0 only when all is well, 5 where it cannot be.
`MUTATE=deaf` takes the watchdog out of the units, which must end red.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Final

from joulemark.errors import EnvironmentFailed
from tests.units.box import PROGRAM, Box
from tests.waiting import eventually

WATCHDOG_S: Final = 5
PATIENCE_S: Final = 30.0
METER: Final = '[agent]\ncollector = "127.0.0.1:7470"\n[[meter]]\nkind = "fake"\n'


def written(box: Box, place: str, text: str) -> None:
    """Put a file into the box."""
    box.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1"', "sh", place, text)


def installed(box: Box, name: str, *, watchdog: bool) -> bool:
    """Whether the command makes it a service that is ready."""
    limit = f"WatchdogSec={WATCHDOG_S if watchdog else 0}\n"
    written(box, f"/etc/systemd/system/joulemark-{name}.service.d/test.conf", f"[Service]\n{limit}StandardError=append:/run/{name}.log\n")
    status, said = box.run(PROGRAM, name, "install", "--program", PROGRAM)
    print(said)
    if status:
        print(box.run("sh", "-c", f"tail -n 5 /run/{name}.log")[1])
    return status == 0 and box.shows(f"joulemark-{name}", "ActiveState") == "active"


def samples(box: Box) -> int:
    """How many samples the collector has, over its REST interface."""
    status, said = box.run("/opt/python/bin/python3", "-c", ASK)
    return int(float(said)) if status == 0 and said else 0


ASK: Final = """
import urllib.request
lines = urllib.request.urlopen("http://127.0.0.1:7471/metrics", timeout=5).read().decode().splitlines()
print(next((line.split()[1] for line in lines if line.startswith("joulemark_samples_total ")), 0))
"""


def recovered(box: Box, name: str) -> float | None:
    """Seconds from the moment that the daemon hangs until its successor is ready; None when that does not come."""
    unit = f"joulemark-{name}"
    before, began_s = box.shows(unit, "MainPID"), time.monotonic()
    box.run("kill", "-STOP", before)
    try:
        eventually(lambda: box.shows(unit, "NRestarts") == "1" and box.shows(unit, "ActiveState") == "active", "again", within_s=PATIENCE_S)
    except AssertionError:
        return None
    print(
        f"{unit}: process {before} hung, {box.shows(unit, 'MainPID')} is ready; ended by {'watchdog' if watchdog_said(box, unit) else '?'}"
    )
    return round(time.monotonic() - began_s, 1)


def watchdog_said(box: Box, unit: str) -> bool:
    """Whether systemd says that its watchdog ended the service."""
    return f"{unit}.service: Watchdog timeout" in box.said()


def told(*, mutate: str) -> dict[str, object]:
    """What the last line says."""
    with Box() as box:
        box.run("ip", "link", "set", "lo", "up")
        written(box, "/etc/joulemark/agent.toml", METER)
        line: dict[str, object] = {f"{name}_ready": installed(box, name, watchdog=mutate != "deaf") for name in ("collector", "agent")}
        eventually(lambda: samples(box) > 0, "samples arrive")
        at_first = samples(box)
        for name in ("agent", "collector"):
            line[f"{name}_recovered_s"] = recovered(box, name)
        if None not in line.values():
            eventually(lambda: samples(box) > at_first, "samples go on")
        line["samples"] = [at_first, samples(box)]
        line["agent_user"] = box.shows("joulemark-agent", "User") or "dynamic"
        for name in ("agent", "collector"):
            status, _ = box.run(PROGRAM, name, "uninstall", "--purge")
            gone = box.run("sh", "-c", f"ls /etc/systemd/system/joulemark-{name}.service /var/lib/private/joulemark* 2>/dev/null")[1]
            line[f"{name}_uninstalled"] = status == 0 and f"{name}.service" not in gone
    return line


if __name__ == "__main__":
    try:
        found = told(mutate=os.environ.get("MUTATE", ""))
    except EnvironmentFailed as error:
        print(f"{error.what}; {error.next_step}", file=sys.stderr)
        raise SystemExit(5) from None
    print(json.dumps(found))
    raise SystemExit(0 if all(found.values()) else 1)
