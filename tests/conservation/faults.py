"""What goes wrong, and when: an endless sequence of faults that depends on the seed alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

AGENTS: Final = 3
COLLECTOR: Final = "collector"
KINDS: Final = {
    "kill": 3,
    "stop": 3,
    "cut": 2,
    "tear": 3,
    "half_close": 2,
    "delay": 2,
    "late": 4,
    "step": 3,
    "full": 3,
    "dark": 0.5,
}
"""Weight of each kind. On a process: kill and stop are SIGKILL, and SIGSTOP with SIGCONT; step moves its clock by five seconds either
way; full forbids its files to grow. On a link:

cut: both sides are reset. tear: the next large piece from the agent is delivered by half, then the link is reset. half_close: one
direction ends, the other goes on. delay: every piece waits. late: what the agent sends is held; its side is reset, and the pieces
reach the collector only when the agent has opened its next stream. dark: nothing passes and nothing connects, for so long that the
agent with the small spool must thin it.
"""

ON_BOTH_SIDES: Final = {"kill": 0.4, "stop": 0.4, "step": 0.3, "full": 0.5}
"""Share of these kinds that hits the collector."""

SPACING_S: Final = (0.3, 1.1)
DOWN_S: Final = (0.2, 1.5)
DARK_S: Final = (14.0, 18.0)
PROVOCATIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: `after_s` later than the one before, on `target` (an agent's name, or the collector), for `hold_s`."""

    after_s: float
    kind: str
    target: str
    hold_s: float
    choice: float
    """Uniform in [0, 1]: which direction, how long each piece waits."""


def agent_name(number: int) -> str:
    return f"conserved-{number}"


BOUNDED: Final = agent_name(0)
"""The one agent that may lose readings, counted: its spool has the smallest bound there is, and its disk fills up."""


def sequence(seed: int, agents: int = AGENTS) -> Iterator[Fault]:
    """The faults of `seed`, without an end: each kind once, the longest first, then as their weights have it."""
    rng = random.Random(seed)
    kinds, weights = list(KINDS), list(KINDS.values())
    first = ["dark", *rng.sample([kind for kind in kinds if kind != "dark"], len(kinds) - 1)]
    for kind in itertools.chain(first, iter(lambda: rng.choices(kinds, weights)[0], None)):
        agent = BOUNDED if kind in {"full", "dark"} else agent_name(rng.randrange(agents))
        target = COLLECTOR if rng.random() < ON_BOTH_SIDES.get(kind, 0.0) else agent
        yield Fault(rng.uniform(*SPACING_S), kind, target, rng.uniform(*(DARK_S if kind == "dark" else DOWN_S)), rng.random())


def provocation(kind: str, attempt: int, agents: int = AGENTS) -> Fault:
    """A fault of a kind that chance has not brought: each agent in turn, longer with every attempt."""
    target = BOUNDED if kind in {"full", "dark"} else agent_name(attempt % agents)
    hold_s = 20.0 + 10.0 * attempt if kind == "dark" else 1.0
    return Fault(0.0, kind, target, hold_s, attempt / PROVOCATIONS)
