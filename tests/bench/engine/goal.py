"""A goal of the engine, and the figure that a run saw beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """`figure` in `unit` has to be at most `limit`, or at least that. `beside`: the rival's figure of the same run, `ratio_beside` ours
    to it, None where the goal has no rival. `prototype`: what the prototype of the engine reached. `not_run`: why there is no figure.
    """

    id: str
    what: str
    limit: float
    figure: float
    unit: str
    at_least: bool = False
    prototype: str = ""
    beside: str = ""
    ratio_beside: float | None = None
    not_run: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is on the right side of the limit; one that is not a number, or was not measured, is not."""
        if self.not_run:
            return False
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {**asdict(self), "figure": None if self.not_run else self.figure, "met": self.met}


def middle(values: list[float]) -> float:
    """The median of repetitions, which one disturbance does not move."""
    return float(median(values))
