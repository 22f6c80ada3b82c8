"""What serving engines call the counters of their work, as data: `serving_engines.toml` beside this file."""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from joulemark.errors import ConfigError
from joulemark.readings import WORK, Quantity
from joulemark.tables import build

FILE: Final = Path(__file__).with_suffix(".toml")

KNOWN: Final = (*WORK, Quantity.RUNNING_REQUESTS)
"""What a counter of an engine may stand for."""


class Booked(enum.StrEnum):
    """When an engine counts a token or a request: while tokens are made, with the first one, at the start or the end of the request."""

    STEP = "step"
    FIRST = "first"
    START = "start"
    END = "end"


class Role(enum.StrEnum):
    """Who counts: the engine that makes the tokens, or a frontend before several of them, whose counts are the same tokens again."""

    WORKER = "worker"
    FRONTEND = "frontend"


@dataclass(frozen=True, slots=True)
class Counter:
    """`[[engine.counter]]`: one metric and what it counts. `versions`: of the engine, that have it. `select`: label -> pattern that its
    value must match, where a row without the label has an empty one. `source`: the document that says so.
    """

    quantity: Quantity
    name: str
    source: str
    versions: str
    booked: Booked = Booked.STEP
    select: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.quantity not in KNOWN:
            raise ConfigError(f"{self.name} cannot count {self.quantity}", f"use one of {', '.join(KNOWN)}")

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a row with these labels counts."""
        return all(re.fullmatch(pattern, labels.get(label, "")) for label, pattern in self.select.items())


@dataclass(frozen=True, slots=True)
class Engine:
    """`[[engine]]`. `model`: labels that name the model, `a|b` is a, or b where there is no a; empty where the page does not tell.
    `energy_path`: where the engine tells an energy of its own.
    """

    name: str
    about: str
    model: str = ""
    role: Role = Role.WORKER
    energy_path: str = ""
    counter: tuple[Counter, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Every metric that is read."""
        return frozenset(counter.name for counter in self.counter)

    def of(self, quantity: Quantity) -> tuple[Counter, ...]:
        """The counters of `quantity`, the best first."""
        return tuple(counter for counter in self.counter if counter.quantity is quantity)

    def booked(self, quantity: Quantity, name: str) -> Booked:
        """When the metric `name` counts `quantity`; END, the latest, for one that is not known."""
        return next((counter.booked for counter in self.of(quantity) if counter.name == name), Booked.END)

    def model_of(self, labels: Mapping[str, str], unnamed: str) -> str:
        """The model of a row; `unnamed` where it names none."""
        return next((value for label in self.model.split("|") if (value := labels.get(label, ""))), unnamed)


@dataclass(frozen=True, slots=True)
class Engines:
    """The whole file."""

    engine: tuple[Engine, ...]


@cache
def engines() -> Mapping[str, Engine]:
    """Every engine that is known, by name."""
    found = build(Engines, tomllib.loads(FILE.read_text(encoding="utf-8")), FILE.name)
    return {engine.name: engine for engine in found.engine}
