"""How far a driver is to be trusted: rules with their evidence, in a file beside the driver, and the tier that follows from them.

`<driver>.toml` stands next to `<driver>.py`, in this package or in that of a third party:

    boundaries = ["outlet"]           # where its meters may sit
    accuracy = "3 % of reading"       # the formula in words, or where it comes from
    [rules]
    stable_id = "tests/meters/test_x.py::test_serial"    # evidence: a test, a page, or a golden case
    ring_test = { open = "no ring has been run" }         # not done yet, and why
    traceable_calibration = { exempt = "it has no ranges to calibrate" }

Idea of graded integrations: Home Assistant's integration quality scale.
"""

from __future__ import annotations

import enum
import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.errors import FormatError
from joulemark.readings import Boundary


class Tier(enum.StrEnum):
    """Highest tier of which, and below which, every rule is done or exempt."""

    NONE = "none"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"


RULES: Final[Mapping[str, tuple[Tier, str]]] = {
    "probed_first": (Tier.BRONZE, "open() identifies the device and takes a reading before the first poll"),
    "stable_id": (Tier.BRONZE, "the meter id holds what stays with the device: serial, uuid or MAC"),
    "suitable_polling": (Tier.BRONZE, "the update period is stated, or left open so that the agent measures it"),
    "conformance": (Tier.BRONZE, "the conformance suite passes against a real counterpart"),
    "doc_page": (Tier.BRONZE, "a page tells wiring, permissions, configuration, accuracy, refresh and traps"),
    "gaps_counted": (Tier.SILVER, "what the device cannot tell is a gap with a reason, never a number"),
    "clock_stated": (Tier.SILVER, "whose clock dates a reading is stated, and tested with a clock that is wrong"),
    "firmware_recorded": (Tier.SILVER, "vendor, model, serial and firmware are part of the description"),
    "captured_input": (Tier.SILVER, "a golden case holds what real hardware said"),
    "accuracy_formula": (Tier.GOLD, "the accuracy comes from the whitelist or the device, at its range"),
    "certificate_fields": (Tier.GOLD, "a calibration certificate can be given and is carried to the card"),
    "ring_test": (Tier.GOLD, "it has taken part in a ring test"),
    "traceable_calibration": (Tier.PLATINUM, "a specimen with a traceable calibration younger than 12 months was compared"),
}


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality file of one driver. `done`: rule to its evidence; `exempt`, `open`: rule to the reason."""

    boundaries: tuple[Boundary, ...]
    accuracy: str
    done: Mapping[str, str]
    exempt: Mapping[str, str]
    open: Mapping[str, str]

    @property
    def tier(self) -> Tier:
        """The tier that the rules come to."""
        reached = Tier.NONE
        for tier in list(Tier)[1:]:
            if any(rule in self.open for rule, (of, _) in RULES.items() if of is tier):
                break
            reached = tier
        return reached


def of(module: str) -> Quality | None:
    """The quality file beside the driver `module`, which is not loaded for it; None where there is none. Raises FormatError."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not (path := Path(spec.origin).with_suffix(".toml")).is_file():
        return None
    try:
        return parsed(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, AttributeError) as error:
        raise FormatError(f"{path}: {error}", "compare it with the quality file of another driver") from error


def parsed(data: Mapping[str, Any]) -> Quality:
    """The contents of a quality file. Raises ValueError, KeyError or AttributeError for what is none: every rule has to be there."""
    rules = dict(data["rules"])
    if rules.keys() != RULES.keys():
        raise ValueError(f"rules missing or unknown: {', '.join(sorted(rules.keys() ^ RULES.keys()))}")
    judged: dict[str, dict[str, str]] = {"done": {}, "exempt": {}, "open": {}}
    for rule, said in rules.items():
        [(state, text)] = [("done", said)] if isinstance(said, str) else said.items()
        if state not in judged or not text:
            raise ValueError(f"rule {rule} says neither evidence, nor why it is exempt or open")
        judged[state][rule] = text
    return Quality(tuple(Boundary(name) for name in data["boundaries"]), data["accuracy"], **judged)
