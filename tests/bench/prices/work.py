"""What one process does, measured by itself: gather a list from a server, read it with csv.reader, or nothing. Prints one JSON line.

python -m tests.bench.prices.work gather http://127.0.0.1:PORT FOLDER
python -m tests.bench.prices.work limit FILE
"""

from __future__ import annotations

import asyncio
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

from joulemark.pricing.http_web import HttpWeb
from joulemark.pricing.sources.aws_bulk import Config, file_of, gather, parse_list
from joulemark.pricing.web import origins
from joulemark.timebase import SystemClock


async def gathered(url: str, folder: Path) -> dict[str, Any]:
    """What the source makes of a list, with all that belongs to it: reading, hash, file, parsing."""
    config = Config(region="us-east-1", instance_types=("p5.48xlarge",), url=url)
    begun = time.process_time(), time.perf_counter()
    async with HttpWeb(origins(config), clock=SystemClock(), folder=folder) as web:
        harvest = await gather(config, web)
    whole = time.process_time() - begun[0], time.perf_counter() - begun[1]
    async with HttpWeb(origins(config), clock=SystemClock(), folder=folder) as web:
        reply = await web.stream(f"{config.folder}/current/us-east-1/index.csv")
        begun = time.process_time(), time.perf_counter()
        parse_list(file_of(reply), reply, config.selection)
        parsing = time.process_time() - begun[0], time.perf_counter() - begun[1]
    counts = {"records": len(harvest.records), "rejected": len(harvest.rejected)}
    return {**counts, "gather_cpu_s": whole[0], "gather_s": whole[1], "parse_cpu_s": parsing[0], "parse_s": parsing[1]}


def limit(path: Path) -> dict[str, Any]:
    """The time in which csv.reader takes every line apart and does nothing with it: what a reader without our prefilter needs at least."""
    begun = time.process_time(), time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.reader(file))
    return {"rows": rows, "csv_cpu_s": time.process_time() - begun[0], "csv_s": time.perf_counter() - begun[1]}


def most_rss_mb() -> float:
    """The most memory this process ever had. `ru_maxrss` would count that of the process which started it, too."""
    (line,) = [line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    found = asyncio.run(gathered(rest[0], Path(rest[1]))) if what == "gather" else limit(Path(rest[0]))
    print(json.dumps({**found, "rss_mb": most_rss_mb()}))
