"""Whether the stored rows are dated as the agents' clocks stood, stepped or not, and none was read while its agent was dead."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any, Final

import numpy as np

from tests.conservation.evidence import Evidence
from tests.conservation.rows import Rows, Start, decoded
from tests.conservation.wave import Int64

SLOW_NS: Final = 4 * 10**9
"""A stopped process may have read its clock that long before it went on and read its meter."""

AGREE_NS: Final = 500_000_000
NOTICE_NS: Final = 6 * 10**9
"""A collector that runs has noticed a step of its own clock by then, however loaded the machine."""


def dates(plan: dict[str, Any], stored: dict[Start, Rows]) -> list[str]:
    """Complaints in words."""
    wrong = dead = 0
    for (agent, _, _), rows in stored.items():
        wrong += int(np.count_nonzero(~dated_by(plan, agent, rows)))
        for gap in plan["down"]:
            if gap["target"] == agent:
                dead += int(np.count_nonzero((rows.mono_ns > gap["from_mono_ns"]) & (rows.mono_ns < gap["to_mono_ns"])))
    complaints = {"samples dated by no clock that the agent had": wrong, "samples read while the agent was dead": dead}
    return [f"{count} {what}" for what, count in complaints.items() if count]


def dated_by(plan: dict[str, Any], agent: str, rows: Rows) -> Any:
    """bool[n]: whether UTC minus monotonic of each row is what the clock of `agent` said, now or a moment before."""
    found = rows.utc_minus_mono_ns - plan["utc_minus_mono_ns"]
    shift, since = 0, -(2**62)
    right = np.zeros(len(rows), bool)
    steps = [step for step in plan["steps"] if step["target"] == agent]
    for step in [*steps, {"mono_ns": 2**62, "step_ns": 0}]:
        right |= in_force(rows.mono_ns, since, step["mono_ns"]) & (np.abs(found - shift) < AGREE_NS)
        shift, since = shift + step["step_ns"], step["mono_ns"]
    return right


def in_force(mono_ns: Int64, since_ns: int, until_ns: int) -> Any:
    """bool[n]: whether a clock state between two steps may have dated a row."""
    return (mono_ns >= since_ns - AGREE_NS) & (mono_ns <= until_ns + SLOW_NS)


def steps(plan: dict[str, Any], evidence: Evidence) -> list[str]:
    """Every step of a clock is an event in the store, of the right size, and there is no event without a step."""
    kept = Counter((agent, round(step_ns / 1e9)) for agent, step_ns in evidence.steps if abs(step_ns) > AGREE_NS)
    wanted: Counter[tuple[str, int]] = Counter()
    for agent in plan["agents"]:
        bodies = [body for key, body in sorted(evidence.stored) if key[0] == agent]
        for before, after in pairwise(decoded(body).utc_minus_mono_ns for body in bodies):
            if abs(after - before) > AGREE_NS:
                wanted[agent, round((after - before) / 1e9)] += 1
    agents = Counter({key: count for key, count in kept.items() if key[0]})
    own = Counter({key: count for key, count in kept.items() if not key[0]})
    complaints = {
        "steps of an agent's clock that are no event": (wanted - agents).total(),
        "events of an agent's clock without a step": (agents - wanted).total(),
        "steps of the collector's clock that are no event": (unmissable(plan) - own).total(),
    }
    return [f"{count} {what}" for what, count in complaints.items() if count]


def unmissable(plan: dict[str, Any]) -> Counter[tuple[str, int]]:
    """Steps of the collector's clock after which it went on for a while, neither killed nor stepped again."""
    mine = [step for step in plan["steps"] if step["target"] == "collector"]
    disturbed = [*(step["mono_ns"] for step in mine), *(gap["from_mono_ns"] for gap in plan["down"] if gap["target"] == "collector")]
    return Counter(
        ("", round(step["step_ns"] / 1e9))
        for step in mine
        if not any(0 < abs(t_ns - step["mono_ns"]) < NOTICE_NS for t_ns in [*disturbed, plan["ended_mono_ns"]])
    )
