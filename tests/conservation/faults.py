"""What goes wrong, and when: an endless sequence of faults that depends on the seed alone."""

from __future__ import annotations

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
}
"""Weight of each kind. kill and stop are SIGKILL and SIGSTOP with SIGCONT of a process, the others happen on a link:

cut: both sides are reset. tear: the next large piece from the agent is delivered by half, then the link is reset. half_close: one
direction ends, the other goes on. delay: every piece waits. late: what the agent sends is held; its side is reset, and the pieces
reach the collector only when the agent has opened its next stream.
"""

SPACING_S: Final = (0.3, 1.1)
DOWN_S: Final = (0.2, 1.5)
PROVOCATIONS: Final = 20


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


def sequence(seed: int) -> Iterator[Fault]:
    """The faults of `seed`, without an end."""
    rng = random.Random(seed)
    kinds, weights = list(KINDS), list(KINDS.values())
    while True:
        (kind,) = rng.choices(kinds, weights)
        agent = agent_name(rng.randrange(AGENTS))
        target = COLLECTOR if kind in {"kill", "stop"} and rng.random() < 0.4 else agent
        yield Fault(rng.uniform(*SPACING_S), kind, target, rng.uniform(*DOWN_S), rng.random())


def provocations() -> Iterator[Fault]:
    """Late pieces for each agent in turn, a few times: what brings a duplicate about if chance did not."""
    for number in range(PROVOCATIONS):
        yield Fault(0.0, "late", agent_name(number % AGENTS), 1.0, number / PROVOCATIONS)
