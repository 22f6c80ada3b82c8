"""Nothing is lost and nothing invented: `python -m tests.conservation`, behind `make conservation SEED=n LONG=1`.

Three agents with known waves, a collector, and a proxy between them; a seeded sequence of faults hits all of them. When every
spool is empty again, `oracle.py` compares what the spools witnessed with what the store holds.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conservation.faults import provocations, sequence
from tests.conservation.fleet import Fleet

SHORT_S = 60.0
LONG_FAULTS = 200
LONG_READINGS = 1_000_000
SETTLE_S = 4.0
PROVOCATION_S = 1.0


async def execute(work: Path, seed: int, *, span_s: float, faults: int = 0, readings: int = 0) -> None:
    """Faults for `span_s`, and on until there were `faults` of them and `readings` are stored; leaves in `work` what the oracle reads."""
    async with Fleet(work) as fleet:
        await asyncio.sleep(SETTLE_S)
        suffering = []
        began = time.monotonic()
        for number, fault in enumerate(sequence(seed)):
            if time.monotonic() > began + span_s and number >= faults and 2 * fleet.counted("sample_count") >= readings:
                break
            await asyncio.sleep(fault.after_s)
            suffering.append(asyncio.create_task(fleet.suffer(fault)))
        await asyncio.gather(*suffering)
        for fault in provocations():
            if fleet.counted("duplicate_count"):
                break
            await fleet.suffer(fault)
            await asyncio.sleep(PROVOCATION_S)
        await fleet.drain()
        fleet.write_plan(seed)


def main() -> None:
    """Run, check, print the oracle's line; keep the files when red."""
    seed = int(os.environ.get("SEED") or 1)
    long = os.environ.get("LONG") == "1"
    work = Path(tempfile.mkdtemp(prefix="joulemark-conservation-"))
    asyncio.run(execute(work, seed, span_s=SHORT_S, faults=LONG_FAULTS if long else 0, readings=LONG_READINGS if long else 0))
    verdict = subprocess.run([sys.executable, "-m", "tests.conservation.oracle", str(work)], check=False)
    if verdict.returncode == 0:
        shutil.rmtree(work)
    else:
        print(f"files kept in {work}", file=sys.stderr)
    raise SystemExit(verdict.returncode)


if __name__ == "__main__":
    main()
