"""A price list of the size of AWS: streamed within 200 MB of memory, its time beside that of csv.reader on the same file in the same run.

MB: size of the list, 300 unless set. Ends with one JSON line; fails when memory or time is beyond its bound.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.prices import lists
from tests.standins.price_server import Answer, PriceServer

MOST_RSS_MB = 200.0
LIST = "/offers/v1.0/aws/AmazonEC2/current/us-east-1/index.csv"


def worked(*arguments: object) -> dict[str, Any]:
    """What a process of its own says after its work, so that its memory is its own."""
    command = [sys.executable, "-m", "tests.bench.prices.work", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(size_mb: float, folder: Path) -> dict[str, Any]:
    """A list of `size_mb` gathered, and read by csv.reader."""
    path = folder / "index.csv"
    lists.write(path, int(size_mb * 1e6))
    with PriceServer() as server:
        server.serve(LIST, Answer(file=path, etag='"1"'))
        ours = worked("gather", server.origin, folder)
    theirs = worked("limit", path)
    return {
        "list_mb": round(path.stat().st_size / 1e6, 1),
        "rows": theirs["rows"],
        "records": ours["records"],
        "rss_mb": round(ours["rss_mb"], 1),
        **{name: round(ours[name], 3) for name in ("parse_cpu_s", "parse_s", "gather_cpu_s", "gather_s")},
        **{name: round(theirs[name], 3) for name in ("csv_cpu_s", "csv_s")},
        "parse_to_csv": round(ours["parse_cpu_s"] / theirs["csv_cpu_s"], 3),
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = measured(float(os.environ.get("MB", "300")), Path(folder))
    passed = found["rss_mb"] <= MOST_RSS_MB and found["parse_to_csv"] < 1.0 and found["records"] == 2
    print(json.dumps({**found, "most_rss_mb": MOST_RSS_MB, "passed": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
