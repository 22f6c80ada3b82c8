"""E11: SIGKILL at random moments to the collector and to its agents; what was acknowledged is stored, and stored once.

The fleet, the hands and the oracle are those of `tests.conservation`; here every fault is a kill.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.engine import offline
from tests.bench.engine.goal import Goal
from tests.conservation.faults import COLLECTOR, Fault, agent_name
from tests.conservation.fleet import Fleet
from tests.conservation.hands import Hands

AGENTS = 2
SETTLE_S = 3.0
WANTED = 200
OTHER_FAULTS = (
    "no duplicate was suppressed",
    "no agent came back after a cut",
    "fewer than",
    "no clock was stepped",
    "the bounded spool was never thinned",
    "no full disk",
    "no fault of the kind",
)


async def killed(work: Path, *, kills: int, seed: int) -> None:
    """`kills` of them, about half of the collector, each some tenths of a second after the last one is back; leaves what was seen."""
    rng = random.Random(seed)
    async with Fleet(work, agents=AGENTS) as fleet:
        hands = Hands(fleet)
        await asyncio.sleep(SETTLE_S)
        for _ in range(kills):
            target = COLLECTOR if rng.random() < 0.5 else agent_name(rng.randrange(AGENTS))
            await asyncio.sleep(rng.uniform(0.05, 0.6))
            await hands.inflict(Fault(0.0, "kill", target, rng.uniform(0.0, 0.3), rng.random()))
        await fleet.drain()
        fleet.write_plan(seed)


def judged(work: Path) -> dict[str, Any]:
    """What the oracle of the conservation run says, but for what it asks of the other kinds of fault."""
    done = subprocess.run([sys.executable, "-m", "tests.conservation.oracle", str(work)], capture_output=True, text=True, check=False)
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    line["complaints"] = [text for text in done.stderr.splitlines() if text.startswith("red: ") and not expected(text)]
    return line


def expected(complaint: str) -> bool:
    """Whether it only misses another kind of fault, or asks for a longer run."""
    return complaint.removeprefix("red: ").startswith(OTHER_FAULTS)


def goals(scale: str) -> list[Goal]:
    """As many as the goal wants, or KILLS of the environment; at a smaller scale a few. Then those of a day without a collector."""
    kills = 2 if scale == "smoke" else int(os.environ.get("KILLS") or WANTED)
    work = Path(tempfile.mkdtemp(prefix="joulemark-kills-"))
    begun = time.monotonic()
    asyncio.run(killed(work, kills=kills, seed=11))
    line = judged(work)
    assert not line["complaints"], f"{line['complaints']}: files are in {work}"
    shutil.rmtree(work)
    counts = f"{line['sent']} readings sent, {line['acked']} acknowledged, {line['stored']} stored, {line['lost']} lost"
    said = f"{counts}, in {time.monotonic() - begun:.0f} s"
    return [
        Goal("E11a", "SIGKILLs of collector and agents that lost or doubled nothing", WANTED, float(kills), "kills", True, "not run", said),
        *offline.goals(scale),
    ]
