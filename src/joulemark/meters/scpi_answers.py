"""Answers of power analysers as numbers, and what stands for no number: pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from joulemark.errors import MeterTransient
from joulemark.readings import Quality
from joulemark.units import scaled

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d{1,3})?", re.ASCII)

NO_NUMBER: Final = Decimal("9.9E37")
"""From here on a number is a mark: 9.9E+37 is over-range, 9.91E+37 no data (SCPI-1999, 7.2.1.4 and 7.2.1.5), Hioki's lie higher."""

NO_DATA: Final = Decimal("9.91E37")

Judged = tuple[int | None, Quality, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of one answer: the values, then what the watched settings say."""

    values: tuple[str, ...]
    settings: tuple[str, ...]


def parse_answer(text: str, *, value_count: int, setting_count: int, separator: str) -> Answer:
    """The parts of `text`, without headers. Raises MeterTransient when it does not hold exactly as many as were asked for.

    Answers to the questions of one message are joined by `;` (IEEE 488.2), and some instruments join values by it too.
    """
    parts = text.split(";")
    if separator == ",":
        values, settings = parts[0].split(","), parts[1:]
    else:
        values, settings = parts[:value_count], parts[value_count:]
    if len(values) != value_count or len(settings) != setting_count:
        raise MeterTransient(
            f"answer {text[:80]!r} holds {len(values)} values and {len(settings)} settings instead of {value_count} and {setting_count}",
            "see that no other program sets up the instrument",
        )
    return Answer(tuple(map(bare, values)), tuple(map(bare, settings)))


def bare(text: str) -> str:
    """An answer without the header that some instruments put before it: no value holds a space."""
    words = text.split()
    return words[-1].upper() if words else ""


def judged(text: str, exponent: int, *, factor: int = 1) -> Judged:
    """`factor` times the number in `text` at `10**exponent`, or what it stands for: no data is a gap, infinity is over-range."""
    word = bare(text)
    if not word.strip("-") or word == "NAN":
        return None, Quality.GAP, "the instrument has no data"
    if word.strip("+-") in ("INF", "INFINITY", "OL", "OF"):
        return None, Quality.OVER_RANGE, "over range"
    if not NUMBER.fullmatch(word):
        return None, Quality.GAP, f"the instrument answered {text[:40]!r}, which is no number"
    number = Decimal(word)
    if number == NO_DATA:
        return None, Quality.GAP, "the instrument has no data"
    if abs(number) >= NO_NUMBER:
        return None, Quality.OVER_RANGE, "over range"
    return scaled(number * factor, exponent), Quality.OK, ""


def step_of(text: str, exponent: int, *, factor: int) -> int:
    """Smallest change that a number printed as `text` can show, in units of `10**exponent`; 1 where it is finer or no number."""
    word = bare(text)
    if not NUMBER.fullmatch(word):
        return 1
    last_digit = Decimal(word).as_tuple().exponent
    assert isinstance(last_digit, int)
    return max(1, scaled(Decimal(factor).scaleb(last_digit), exponent))


def number(text: str) -> float | None:
    """A setting as a number above 0; None where it is none, as the range of an external sensor."""
    word = bare(text).removeprefix("A")  # crest factor A6: 6, with a wider peak
    return float(word) or None if NUMBER.fullmatch(word) and 0 <= Decimal(word) < NO_NUMBER else None


def switched_on(text: str) -> bool:
    """Whether a switch is on. Raises MeterTransient when it says neither."""
    word = bare(text)
    if word not in ("0", "1", "ON", "OFF"):
        raise MeterTransient(f"the instrument answered {text[:40]!r} where it was asked for on or off")
    return word in ("1", "ON")


def running(state: str) -> bool:
    """Whether an integrator in `state` runs: START, or STAR for short."""
    return bare(state).startswith("STAR")


def peak_over(bits: str, element: int) -> bool:
    """Whether the peak of voltage or current of `element` is beyond its range: bits U1, I1, U2, I2 and so on (IM WT310E-17EN, :POVer?)."""
    word = bare(bits)
    return word.isdecimal() and bool(int(word) >> (2 * (element - 1)) & 0b11)
