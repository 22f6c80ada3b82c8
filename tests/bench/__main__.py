"""The goals of the engine, measured: `python -m tests.bench`, behind `make bench ONLY=E4,E5 SCALE=smoke`.

Writes build/bench.json and build/bench.md, and ends with one JSON line. Exits 1 for a goal that is missed without being known to be
(`known.MISSED`); a figure that is wrong, as bytes that come back differently, ends the run at once.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.bench.engine import page
from tests.bench.engine.goal import Goal
from tests.bench.engine.known import MISSED

OUT: Final = Path("build")
BENCHMARKS: Final = {
    "E1": "ingest",
    "E2": "front",
    "E3": "sealing",
    "E4": "density",
    "E5": "span",
    "E7": "footprint",
    "E8": "lateness",
    "E9": "routes",
    "E10": "accuracy",
    "E11": "kills",
    "E13": "neighbours",
}


def measured(names: Sequence[str], scale: str) -> list[dict[str, Any]]:
    """Every goal of the benchmarks `names`, with the load of the machine before and after it."""
    found = []
    for name in names:
        before, begun = os.getloadavg()[0], time.monotonic()
        goals: Callable[[str], list[Goal]] = import_module(f"tests.bench.engine.{BENCHMARKS[name]}").goals
        for goal in goals(scale):
            took_s = time.monotonic() - begun
            load = {"load_before": round(before, 2), "load_after": round(os.getloadavg()[0], 2)}
            found.append({**goal.to_json(), **load, "took_s": round(took_s, 1)})
            print(page.line(found[-1]), file=sys.stderr)
    return found


def machine() -> dict[str, Any]:
    """Where the figures are from."""
    model = next((text.partition(":")[2].strip() for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text), "")
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "cores": os.cpu_count(), "processor": model, **versions}


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many goals there are, how many are met, which are not; those that were not run stand apart."""
    not_run = [goal["id"] for goal in found if goal["not_run"]]
    missed = [goal["id"] for goal in found if not goal["met"] and not goal["not_run"]]
    told = {"goals": len(found) - len(not_run), "met": len(found) - len(not_run) - len(missed), "missed": missed}
    return {**told, "not_run": not_run} if not_run else told


def main() -> int:
    """Measure, write, and say how it went."""
    wanted = [name for name in (os.environ.get("ONLY") or "").split(",") if name] or list(BENCHMARKS)
    if unknown := [name for name in wanted if name not in BENCHMARKS]:
        print(f"no benchmark {unknown[0]}: ONLY takes {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    scale = os.environ.get("SCALE") or "full"
    found, where = measured(wanted, scale), machine()
    OUT.mkdir(exist_ok=True)
    (OUT / "bench.json").write_text(json.dumps({"machine": where, "scale": scale, "goals": found}, indent=1) + "\n")
    (OUT / "bench.md").write_text(page.text(found, where, scale))
    told = summary(found)
    print(json.dumps(told))
    return 1 if scale == "full" and set(told["missed"]) - MISSED.keys() else 0


if __name__ == "__main__":
    raise SystemExit(main())
