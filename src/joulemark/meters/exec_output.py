"""The value in what a command printed: found by a pattern or a place in JSON, and read in its unit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from joulemark.errors import ConfigError, MeterTransient
from joulemark.meters.descriptions import legible
from joulemark.readings import Quality, Quantity
from joulemark.units import J_PER_KWH, J_PER_WH, scaled

ID: Final = "id"
VALUE: Final = "value"
NUMBER: Final = re.compile(r"[+-]?(\d{1,60}\.?\d{0,60}|\.\d{1,60})([eE][+-]?\d{1,2})?", re.ASCII)
NO_NUMBERS: Final = frozenset({"nan", "inf", "infinity"})
INT64_END: Final = 2**63
SHOWN: Final = 60
LONGEST_LINE: Final = 2048
"""Of what a pattern is tried on: to look for a number in a longer one takes the square of its length."""
MOST_IDS: Final = 256

PARTS: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]|\(\?>|[()]|(?:[*+]|\{\d*,\})[?+]?|.", re.DOTALL)
"""Of a regular expression: an escape, a set, a bracket, a repetition without end, any other character."""


class Unit(NamedTuple):
    """A unit that a command may print: its quantity, its size in W or J, and the exponent that its values are kept at."""

    quantity: Quantity
    si: Decimal
    exponent: int


UNITS: Final[Mapping[str, Unit]] = {
    "W": Unit(Quantity.POWER, Decimal(1), -6),
    "mW": Unit(Quantity.POWER, Decimal("0.001"), -6),
    "kW": Unit(Quantity.POWER, Decimal(1000), -3),
    "J": Unit(Quantity.ENERGY_COUNTER, Decimal(1), -6),
    "mJ": Unit(Quantity.ENERGY_COUNTER, Decimal("0.001"), -6),
    "kJ": Unit(Quantity.ENERGY_COUNTER, Decimal(1000), -3),
    "Wh": Unit(Quantity.ENERGY_COUNTER, Decimal(J_PER_WH), -3),
    "kWh": Unit(Quantity.ENERGY_COUNTER, Decimal(J_PER_KWH), -3),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the values stand: the group `value` (or the only group) of `pattern`, or the JSON pointer `pointer` (RFC 6901)."""

    pattern: re.Pattern[str] | None = None
    pointer: str = ""

    @classmethod
    def of(cls, pattern: str, pointer: str) -> Place:
        """The place that two keys describe, of which one is empty. Raises ConfigError."""
        if bool(pattern) == bool(pointer):
            raise ConfigError("exec wants either pattern or json_pointer", 'set for example pattern = "Power: ([0-9.]+) W"')
        if pointer:
            if not pointer.startswith("/"):
                raise ConfigError(f"exec.json_pointer = {pointer!r} does not begin with '/'", 'write it as "/power/watts"')
            return cls(pointer=pointer)
        try:
            compiled = re.compile(pattern, re.MULTILINE)
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"exec.pattern = {pattern!r} is no regular expression: {error}", "correct it") from error
        if VALUE not in compiled.groupindex and compiled.groups - (ID in compiled.groupindex) != 1:
            raise ConfigError(
                f"exec.pattern = {pattern!r} does not say which group is the value", "give it one group, or name it (?P<value>...)"
            )
        if repeats_itself(pattern):
            raise ConfigError(
                f"exec.pattern = {pattern!r} repeats a group that itself repeats, which may take for ever", "write ++ or *+ in the group"
            )
        return cls(compiled)

    def values(self, text: str) -> dict[str, str]:
        """Id to printed value of everything that is found; the id is empty where the pattern has no group of that name.

        Raises MeterTransient when nothing is found, or two values that nothing tells apart, and for longer lines than a tool prints.
        """
        if self.pattern is None:
            return {"": pointed(text, self.pointer)}
        found: dict[str, str] = {}
        if any(len(line) > LONGEST_LINE for line in text.splitlines()):
            raise MeterTransient(f"a line has more than {LONGEST_LINE} characters", "name a command that prints short lines, or JSON")
        for match in self.pattern.finditer(text):
            key = legible(match[ID]) if ID in self.pattern.groupindex else ""
            if key in found:
                told = f"twice for {key!r}" if key else "more than once"
                raise MeterTransient(f"the pattern finds a value {told}", "make it narrower, or tell them apart with a group (?P<id>...)")
            if len(found) == MOST_IDS:
                raise MeterTransient(f"the pattern finds more than {MOST_IDS} values", "make it narrower")
            found[key] = self._value(match)
        if not found:
            raise MeterTransient(f"the pattern finds nothing in {shown(text)}", "compare it with what the command prints")
        return found

    def _value(self, match: re.Match[str]) -> str:
        assert self.pattern is not None
        names = self.pattern.groupindex
        group = names[VALUE] if VALUE in names else next(i for i in (1, 2) if i != names.get(ID))
        return (match[group] or "").strip()


def repeats_itself(pattern: str) -> bool:
    """Whether a repetition without end stands in a group that is repeated so, as in (a+)+: two ways to match the same are tried each.

    Possessive repetitions (a++) and atomic groups (?>a+) are tried once only.
    """
    groups: list[tuple[bool, bool]] = [(False, False)]  # whether the group repeats something, and whether it is atomic
    repeats = False
    for part in PARTS.findall(pattern):
        if part in ("(", "(?>"):
            groups.append((False, part == "(?>"))
        elif part == ")" and len(groups) > 1:
            holds, atomic = groups.pop()
            repeats = holds and not atomic
            groups[-1] = (groups[-1][0] or repeats, groups[-1][1])
        elif part[0] in "*+" or (part[0] == "{" and "," in part):
            if repeats and not part.endswith("++") and not part.endswith("*+"):
                return True
            repeats = len(part) == 1 or part[-1] != "+"
            groups[-1] = (groups[-1][0] or repeats, groups[-1][1])
        else:
            repeats = False
    return False


def pointed(text: str, pointer: str) -> str:
    """The number or text at `pointer` in the JSON document `text`, exactly as written. Raises MeterTransient when there is none."""
    try:
        at: Any = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise MeterTransient(f"{shown(text)} is no JSON") from error
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(at, list) and key.isdecimal() and int(key) < len(at):
            at = at[int(key)]
        elif isinstance(at, dict) and key in at:
            at = at[key]
        else:
            raise MeterTransient(f"there is no {pointer} in the JSON {shown(text)}")
    if not isinstance(at, str):
        raise MeterTransient(f"{pointer} is a JSON {type(at).__name__}, which is no number")
    return at.strip()


def judged(printed: str, unit: Unit, *, zero_is_gap: bool) -> tuple[int | None, Quality, str]:
    """Value at the unit's exponent, quality and reason of a printed number. 0 W is no value where `zero_is_gap`; a counter may be 0."""
    if printed.lower().lstrip("+-") in NO_NUMBERS:
        return None, Quality.SENTINEL, f"the command printed {printed}"
    if not NUMBER.fullmatch(printed):
        return None, Quality.GAP, f"the command printed {shown(printed)}, which is no number"
    counts = unit.quantity is Quantity.ENERGY_COUNTER
    value = scaled(Decimal(printed) * unit.si, unit.exponent)
    if abs(value) >= INT64_END or (counts and value < 0):
        return None, Quality.SENTINEL, f"the command printed {printed}, which no meter counts to"
    if value == 0 and zero_is_gap and not counts:
        return None, Quality.SENTINEL, "the command printed 0 W, which is how failed readings look"
    return value, Quality.OK, ""


def step_of(printed: str, unit: Unit, *, resolution: float) -> int:
    """Smallest change of the value, at the unit's exponent: `resolution`, or where it is 0 the last digit that was printed."""
    digit = Decimal(str(resolution))
    if not resolution and NUMBER.fullmatch(printed):
        exponent = Decimal(printed).as_tuple().exponent
        digit = Decimal(10) ** exponent if isinstance(exponent, int) else Decimal(0)
    return min(max(1, scaled(digit * unit.si, unit.exponent)), INT64_END)


def shown(text: str) -> str:
    """The beginning of `text`, in quotes."""
    return repr(text.strip()[:SHOWN])
