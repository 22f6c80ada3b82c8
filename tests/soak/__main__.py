"""A day at accelerated time: `python -m tests.soak`, behind `make soak HOURS=n LEAK=1`; prints one JSON line, exits 1 when red.

A real agent reads 32 devices every four seconds (as many samples as eight devices at 1 Hz) and a real collector stores and seals
them, both 480 times faster than the day goes; runs, phases, cards and queries come over REST, and the connection is cut now and
then. Memory and descriptors of every process are watched from outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.soak.bench import RATE, Bench, descriptors
from tests.soak.slope import slope

HOURS: Final = 24.0
WARM_UP: Final = 1 / 3
"""Share of the time in which caches fill and the allocator finds its size; not part of the slope."""
LIMIT_MB_PER_H: Final = 0.25
"""A slope is about 0 unless it is surely above this: 6 MB a day, which a service of 100 MB could bear for weeks between restarts."""
LOOK_S: Final = 0.5
RUN_EVERY_H: Final = 0.5
CUT_EVERY_H: Final = 2.0
QUIET_S: Final = 1.5
LOOKS: Final = 8
LEAST_LOOKS: Final = 20

LATE: Final = 2
"""So many files may be open longer than their connection: SQLite closes one only when no other connection of the process locks it."""


async def execute(
    work: Path, hours: float, *, limit_mb_per_h: float = LIMIT_MB_PER_H, leak: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The line, and what is wrong, in words."""
    began = time.monotonic()
    marks: list[tuple[float, dict[str, float]]] = []
    async with Bench(work, leak=leak) as bench:
        await settled(bench)
        await bench.one_run()
        await bench.cut()
        first, warm = bench.hour, bench.hour + hours * WARM_UP
        await lived(bench, until=warm)
        processes = bench.processes()
        open_first = await quiet_descriptors(bench)
        watching = asyncio.create_task(watch(bench, marks))
        await lived(bench, until=max(first + hours, bench.hour + LEAST_LOOKS * LOOK_S * RATE / 3600))
        watching.cancel()
        open_last = await quiet_descriptors(bench)
        sample_count = await bench.samples()
        alive = {name: process.is_running() for name, process in processes.items()}
    fds_start, fds_end = open_first.total(), open_last.total()
    (work / "rss.json").write_text(json.dumps(marks))
    times = [hour for hour, _ in marks]
    slopes = {name: slope(times, [rss[name] for _, rss in marks]) for name in processes}
    worst = max(slopes, key=lambda name: slopes[name].per_x)
    red = [f"the {name} process did not live to the end" for name, lives in alive.items() if not lives]
    red += [
        f"the {name} process grows by {found.per_x:.2f} +- {2 * found.u:.2f} MB per hour, above {limit_mb_per_h}"
        for name, found in slopes.items()
        if found.surely_above > limit_mb_per_h
    ]
    if abs(fds_end - fds_start) > LATE:
        red.append(
            f"descriptors went from {fds_start} to {fds_end}: more {dict(open_last - open_first)}, fewer {dict(open_first - open_last)}"
        )
    return {
        "simulated_hours": round(hours, 1) if hours % 1 else int(hours),
        "rss_slope_mb_per_h": round(slopes[worst].per_x, 3),
        "fds_start": fds_start,
        "fds_end": fds_end,
        "rss_slope_u95_mb_per_h": round(2 * slopes[worst].u, 3),
        "rss_slopes_mb_per_h": {name: round(found.per_x, 3) for name, found in slopes.items()},
        "rss_mb": {name: round(value, 1) for name, value in marks[-1][1].items()},
        "samples": sample_count,
        "runs": bench.run_count,
        "cards": bench.card_count,
        "reconnects": bench.cut_count,
        "seconds": round(time.monotonic() - began, 1),
    }, red


async def settled(bench: Bench, limit_s: float = 60.0) -> None:
    """Until readings are in the store. Raises RuntimeError when none come."""
    deadline = time.monotonic() + limit_s
    while not await bench.samples():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no reading arrived in {limit_s} s, see {bench.agent.log}")
        await asyncio.sleep(0.2)


async def lived(bench: Bench, *, until: float) -> None:
    """A day's life up to the simulated hour `until`: runs, queries, lost connections."""
    next_run, next_cut = bench.hour + RUN_EVERY_H / 2, bench.hour + CUT_EVERY_H / 2
    while bench.hour < until:
        if bench.hour >= next_run:
            await bench.one_run()
            next_run = max(next_run + RUN_EVERY_H, bench.hour)
        if bench.hour >= next_cut:
            await bench.cut()
            next_cut = max(next_cut + CUT_EVERY_H, bench.hour)
        await asyncio.sleep(0.1)


async def watch(bench: Bench, marks: list[tuple[float, dict[str, float]]]) -> None:
    """Resident memory of every process in MB, again and again."""
    processes = bench.processes()
    while True:
        marks.append((bench.hour, {name: process.memory_info().rss / 1e6 for name, process in processes.items()}))
        await asyncio.sleep(LOOK_S)


async def quiet_descriptors(bench: Bench) -> Counter[str]:
    """What was open at each of several looks, when nobody asks for anything: a query or the sealer has files open while it lasts."""
    await asyncio.sleep(QUIET_S)
    always = descriptors(bench.processes())
    for _ in range(LOOKS):
        await asyncio.sleep(LOOK_S)
        always &= descriptors(bench.processes())
    return always


def main() -> None:
    """Run, print the line; keep the files when red."""
    hours = float(os.environ.get("HOURS") or HOURS)
    work = Path(tempfile.mkdtemp(prefix="joulemark-soak-"))
    line, red = asyncio.run(execute(work, hours, leak=os.environ.get("LEAK") == "1"))
    for complaint in red:
        print(f"red: {complaint}", file=sys.stderr)
    if red:
        print(f"files kept in {work}", file=sys.stderr)
    else:
        shutil.rmtree(work)
    print(json.dumps(line))
    raise SystemExit(1 if red else 0)


if __name__ == "__main__":
    main()
