"""Nothing is lost and nothing invented: `python -m tests.conservation`, behind `make conservation SEED=n LONG=1 AGENTS=n`.

Agents with known waves, a collector, and a proxy between them; a seeded sequence of faults hits all of them. When every spool is
empty again, `oracle.py` compares what the spools witnessed with what the store holds.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.conservation.faults import AGENTS, BOUNDED, KINDS, PROVOCATIONS, provocation, sequence
from tests.conservation.fleet import Fleet
from tests.conservation.hands import Hands
from tests.verdict import judged

SHORT_S: Final = 50.0
LONG_FAULTS: Final = 200
LONG_READINGS: Final = 1_000_000
SETTLE_S: Final = 4.0
PROVOCATION_S: Final = 1.0
SAMPLES: Final = "SELECT sum(sample_count) FROM stream"
DUPLICATES: Final = "SELECT sum(duplicate_count) FROM stream"


async def execute(work: Path, seed: int, *, span_s: float, faults: int = 0, readings: int = 0, agents: int = AGENTS) -> None:
    """Faults for `span_s`, and on until there were `faults` of them and `readings` are stored; leaves in `work` what the oracle reads."""
    async with Fleet(work, agents=agents) as fleet:
        hands = Hands(fleet)
        await asyncio.sleep(SETTLE_S)
        suffering = []
        began = time.monotonic()
        for number, fault in enumerate(sequence(seed, agents)):
            if time.monotonic() > began + span_s and number >= faults and 2 * fleet.counted(SAMPLES) >= readings:
                break
            await asyncio.sleep(fault.after_s)
            suffering.append(asyncio.create_task(hands.inflict(fault)))
        await asyncio.gather(*suffering)
        for attempt in range(PROVOCATIONS):
            if missing(fleet):
                await fleet.delivered()
            for kind in missing(fleet):
                await hands.inflict(provocation(kind, attempt, agents))
                await asyncio.sleep(PROVOCATION_S)
        await fleet.drain()
        fleet.write_plan(seed)


def missing(fleet: Fleet) -> list[str]:
    """Kinds of fault that must still happen, because chance brought none, or not what they are for."""
    happened = {key.split()[0] for key in fleet.faults}
    lacking = {kind for kind in KINDS if kind not in happened}
    if not fleet.counted(DUPLICATES):
        lacking.add("late")
    if not fleet.witnesses[BOUNDED].thinned():
        lacking.add("dark")
    if not fleet.counted("SELECT sum(sample_count) FROM loss WHERE reason LIKE 'spool not writable%'"):
        lacking.add("full")
    if not any(link.torn_and_back for link in fleet.links.values()):
        lacking.add("tear")
    return sorted(lacking)


def main() -> None:
    """Run, check, print the oracle's line; keep the files when red."""
    seed = int(os.environ.get("SEED") or 1)
    agents = int(os.environ.get("AGENTS") or AGENTS)
    long = os.environ.get("LONG") == "1"
    work = Path(tempfile.mkdtemp(prefix="joulemark-conservation-"))
    faults, readings = (LONG_FAULTS, LONG_READINGS) if long else (0, 0)
    asyncio.run(execute(work, seed, span_s=SHORT_S, faults=faults, readings=readings, agents=agents))
    judged("tests.conservation.oracle", work)


if __name__ == "__main__":
    main()
