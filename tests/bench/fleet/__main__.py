"""10,000 hosts of eight GPUs at 10 Hz, time-scaled: `python -m tests.bench.fleet`, behind `make fleet HOSTS=n SECONDS=n STREAMS=n`.

The real ingest code takes as many batches of a sample of hosts as it can in some seconds, at batch periods of 1, 5 and 10 s; what one costs
times how many the fleet sends is what the fleet takes. Writes build/fleet.json and build/fleet.md and ends with one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.bench.fleet import page
from tests.bench.fleet.known import HOSTS, RECKONED
from tests.bench.fleet.measured import costs


def main() -> int:
    """Measure, write, and say the sum of it."""
    hosts, seconds = int(os.environ.get("HOSTS") or HOSTS), float(os.environ.get("SECONDS") or 5)
    streams, reads = int(os.environ.get("STREAMS") or 100), int(os.environ.get("READS") or 6000)
    load = round(os.getloadavg()[0], 2)
    found = [costs(period_s, streams=streams, seconds=seconds, reads=reads) for period_s in RECKONED]
    table, out = page.text(found, hosts), Path("build")
    print(table, file=sys.stderr)
    out.mkdir(exist_ok=True)
    (out / "fleet.json").write_text(json.dumps(page.report(found, hosts, load), indent=1) + "\n")
    (out / "fleet.md").write_text(f"# A fleet of {hosts:,} hosts\n\nLoad of the machine before it: {load}.\n\n{table}")
    fleets = [page.fleet(one, hosts) for one in found]
    print(json.dumps({"hosts": hosts, "cores": {f"{one.period_s}s": round(one.front_cores + one.log_seal_cores, 2) for one in fleets}}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
