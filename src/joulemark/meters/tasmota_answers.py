"""Answers of the firmware Tasmota: powers, energies and the name of the device. Pure.

Numbers are kept as they are printed, since their digits tell the step. Source: Tasmota documentation, page Commands (Status 5 and 8,
PowerRes, EnergyRes, SetOption129).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from joulemark.errors import MeterTransient
from joulemark.units import scaled

NO_MAC: Final = ("", "00:00:00:00:00:00")
MAC: Final = re.compile("([0-9A-Fa-f]{2}:?){6}")
MOST_CHANNELS: Final = 32
MOST_DECIMALS: Final = 9
"""Digits behind the point beyond these are no plug's, and 10 to their number has no end."""


@dataclass(frozen=True, slots=True)
class Energy:
    """What a plug says of energy: one entry per channel. `totals_kwh` has one entry where the plug adds its channels up."""

    powers_w: tuple[Decimal | None, ...]
    totals_kwh: tuple[Decimal | None, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of powers and of counters."""
        return len(self.powers_w), len(self.totals_kwh)


def parse_answer(payload: bytes, key: str) -> dict[str, Any] | None:
    """What stands below `key` in an answer, with exact numbers; None for the answer to another question. Raises MeterTransient."""
    try:
        said = json.loads(payload, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise MeterTransient(f"answered {payload[:60]!r}, which is no JSON") from error
    found = said.get(key) if isinstance(said, dict) else None
    return found if isinstance(found, dict) else None


def parse_energy(sensors: Mapping[str, Any]) -> Energy | None:
    """Powers and counters of an answer to Status 8; None for a device that has none. Raises MeterTransient for more than a plug has."""
    energy = sensors.get("ENERGY")
    if not isinstance(energy, Mapping):
        return None
    if any(isinstance(said, list) and len(said) > MOST_CHANNELS for said in (energy.get("Power"), energy.get("Total"))):
        raise MeterTransient(f"tells of more than {MOST_CHANNELS} channels")
    found = Energy(numbers(energy.get("Power", [])), numbers(energy.get("Total", [])))
    return found if any(found.shape) else None


def numbers(said: Any) -> tuple[Decimal | None, ...]:
    """A number, or the list of numbers of several channels; None for what is no finite number."""
    return tuple(number(one) for one in (said if isinstance(said, list) else [said]))


def number(said: Any) -> Decimal | None:
    """A number as it was printed, also in quotes; None for anything else."""
    if isinstance(said, bool) or not isinstance(said, int | Decimal | str):
        return None
    if isinstance(said, str) and (not said.isascii() or "_" in said):
        return None
    try:
        value = Decimal(said)
    except InvalidOperation:
        return None
    return value if value.is_finite() and value.copy_abs() < Decimal(10) ** 12 else None


def decimals(value: Decimal | None) -> int:
    """Digits behind the point, as printed, at most MOST_DECIMALS."""
    exponent = 0 if value is None else value.as_tuple().exponent
    return min(max(0, -exponent), MOST_DECIMALS) if isinstance(exponent, int) else 0


def mac_of(network: Mapping[str, Any]) -> str:
    """The MAC of a plug, of its cable where its radio is off, as twelve hex digits; empty where it tells none."""
    cable = network.get("Ethernet")
    for said in (network.get("Mac"), cable.get("Mac") if isinstance(cable, Mapping) else None):
        if isinstance(said, str) and said not in NO_MAC and MAC.fullmatch(said):
            return said.replace(":", "").upper()
    return ""


def read_as(printed: Decimal | None, si_per_unit: int, exponent: int) -> int | None:
    """The integer that stands for a printed number."""
    return None if printed is None else scaled(printed * si_per_unit, exponent)
