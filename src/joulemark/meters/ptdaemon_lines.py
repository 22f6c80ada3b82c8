"""The lines of SPEC PTDaemon's protocol, apart from any connection: what an answer says, and what a sample row is worth.

Source: replies kept in `server.json`, and rows in `spl.txt`, of published MLPerf Inference results (v1.0 to v4.1). A row is
`Time,MM-DD-YYYY HH:MM:SS.mmm,Watts,W,Volts,V,Amps,A,PF,p,Mark,text[,Ch1,Watts,W,...]`, the sum first, then each channel.
`joulemark.traces.spl` reads the same rows from the daemon's log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final

from joulemark.errors import MeterTransient, UsageError
from joulemark.readings import MeterRange, Quality, Quantity
from joulemark.timebase import datetime_ns
from joulemark.units import scaled

TOTAL: Final = "total"
EXPONENT: Final = -6
"""Watts are printed with six decimals."""

WITNESSES: Final = {
    "Volts": (Quantity.VOLTAGE, -6),
    "Amps": (Quantity.CURRENT, -6),
    "PF": (Quantity.POWER_FACTOR, -6),
}
"""What stands in a row beside the watts, by its word: quantity and exponent."""

NOT_AVAILABLE: Final = Decimal(-1)
SCPI_INFINITY: Final = Decimal("9.9E+37")
LIMIT_W: Final = Decimal(10**9)
LARGEST: Final = 1e6
"""No range has more volts or amperes."""
NUMBER: Final = re.compile(r"[+-]?\d{1,60}(\.\d{0,60})?([eE][+-]?\d{1,3})?", re.ASCII)
STAMP: Final = "%m-%d-%Y %H:%M:%S.%f"
HEADER: Final = re.compile(r"Last (\d{1,9}) samples?\b.*", re.ASCII)
LAST_LIMIT: Final = Decimal("0.01")
"""Relative uncertainty above which a sample is not good for a submission (MET-5)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What `Identify` says. `name`: PTDaemon's own name of the analyser. `dummy`: the daemon's built-in analyser that measures nothing."""

    name: str
    vendor: str
    model: str
    serial: str
    firmware: str
    version: str
    calibrated: bool
    dummy: bool


def parse_identity(line: str) -> Identity:
    """The answer to `Identify`; its last field is `vendor;model;serial;firmware`, where the analyser tells them.

    The meaning of most fields is not public. Raises MeterTransient when it is no such answer.
    """
    fields = [part.strip() for part in line.split(",")]
    if len(fields) < 2 or not fields[0] or not any(part.startswith("version=") for part in fields):
        raise MeterTransient(f"PTDaemon answered {line[:60]!r} to Identify", "see in its window whether it has found the analyser")
    version = next(part.removeprefix("version=") for part in fields if part.startswith("version="))
    told = [part.strip() for part in fields[-1].split(";")]
    vendor, model, serial, firmware = told if len(told) == 4 else ("", fields[0], "", "")
    dummy = "dummy" in fields[0].lower() or fields[1] == "0"
    return Identity(fields[0], vendor, model, serial, firmware, version, "no_cal_date" not in fields, dummy)


def parse_ranges(line: str) -> MeterRange:
    """The answer to `RR`: `Ranges,<A auto>,<A>,<V auto>,<V>`; -1 is not known. Raises MeterTransient when it is no such answer."""
    word, *fields = [part.strip() for part in line.split(",")]
    if word != "Ranges" or len(fields) != 4 or not all(NUMBER.fullmatch(part) for part in fields):
        raise MeterTransient(f"PTDaemon answered {line[:60]!r} to RR")
    amps_auto, amps, volts_auto, volts = (float(part) for part in fields)
    auto = True if 1 in (amps_auto, volts_auto) else False if amps_auto == volts_auto == 0 else None
    return MeterRange(volts=volts if 0 < volts < LARGEST else None, amps=amps if 0 < amps < LARGEST else None, auto=auto)


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The answer to `Uncertainty`, since `Go`: the largest relative one, and how many samples it is not known of."""

    largest: Decimal = Decimal(0)
    unknown: int = 0


def parse_uncertainty(line: str) -> Uncertainty | None:
    """The answer to `Uncertainty`: `Uncertainty,<mean>,<least>,<largest>,<n>,?,<known>,<unknown>`; None where the daemon tells none."""
    word, *fields = [part.strip() for part in line.split(",")]
    if word != "Uncertainty" or len(fields) != 7 or not all(NUMBER.fullmatch(part) for part in fields):
        return None
    return Uncertainty(Decimal(fields[2]), int(Decimal(fields[6])))


def worsened(before: Uncertainty, now: Uncertainty) -> str:
    """What to tell of the samples between two answers: one's uncertainty is not known, or above 1 % and above all before it; else empty."""
    if now.unknown > before.unknown:
        return "uncertainty not known to PTDaemon"
    if now.largest > max(before.largest, LAST_LIMIT):
        return f"uncertainty {now.largest * 100:.2f} % is above {LAST_LIMIT * 100:.2f} %"
    return ""


def parse_header(line: str) -> int:
    """How many rows follow `Last N samples...`. Raises MeterTransient when it is no such answer."""
    match = HEADER.fullmatch(line)
    if match is None:
        raise MeterTransient(f"PTDaemon answered {line[:60]!r} to a question for its samples")
    return int(match[1])


@dataclass(frozen=True, slots=True)
class Row:
    """One sample. `watts`: as printed, by channel in lower case, the sum under `total`; `details`: of each channel what else is printed, by
    its word (`WITNESSES`). `trouble`: the line that stood in its place.
    """

    stamp: str = ""
    mark: str = ""
    watts: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    details: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels beside the sum, as ordered in the row."""
        return tuple(name for name in self.watts if name != TOTAL)

    def printed(self, channel: str, quantity: Quantity) -> str:
        """What it shows of a meter's channel, where that of a witness names its quantity too (`ch1-voltage`); empty for nothing."""
        if quantity is Quantity.POWER:
            return self.watts.get(channel, "")
        word = next((word for word, (of, _) in WITNESSES.items() if of is quantity), "")
        return self.details.get(channel.partition("-")[0], {}).get(word, "")


def parse_row(line: str) -> Row:
    """The sample in `line`; any other line (an `Error` between two samples) is a row without watts that says so."""
    word, *fields = line.split(",")
    if word != "Time" or len(fields) < 3:
        return Row(trouble=f"PTDaemon said {line[:80]!r} instead of a sample")
    stamp, channel, mark, watts = fields[0].strip(), TOTAL, "", {}
    details: dict[str, dict[str, str]] = {}
    rest = iter(fields[1:])
    for name in rest:
        if name.startswith("Ch") and name[2:].isdecimal():
            channel = name.lower()
            continue
        value = next(rest, "")
        if name == "Watts":
            watts[channel] = value.strip()
        elif name == "Mark":
            mark = value.strip()
        elif name in WITNESSES:
            details.setdefault(channel, {})[name] = value.strip()
    return Row(stamp, mark, watts, details=details) if TOTAL in watts else Row(trouble=f"PTDaemon said {line[:80]!r}, which names no Watts")


def judged(printed: str, *, exponent: int = EXPONENT) -> tuple[int | None, Quality, str]:
    """The value times 10**-exponent, quality and reason of a printed number. Zero and less stay as read: a channel may have nothing
    plugged in.
    """
    if printed.lower().lstrip("+-") == "nan":
        return None, Quality.SENTINEL, f"the analyser has no value ({printed})"
    if printed.lower().lstrip("+-") in ("inf", "infinity"):
        return None, Quality.OVER_RANGE, "the analyser is over its range"
    if not NUMBER.fullmatch(printed):
        return None, Quality.GAP, f"{printed[:40]!r} is no power" if printed else "the row tells no power"
    value = Decimal(printed)
    if value == NOT_AVAILABLE:
        return None, Quality.GAP, "not available (-1)"
    if abs(value) == SCPI_INFINITY:
        return None, Quality.OVER_RANGE, "the analyser is over its range"
    if abs(value) >= LIMIT_W:
        return None, Quality.SENTINEL, f"the analyser has no value ({printed})"
    return scaled(value, exponent), Quality.OK, ""


def stamp_ns(stamp: str, zone: tzinfo) -> int | None:
    """UTC nanoseconds of a row's local time in `zone`; None where it is none, or where the zone has that hour twice or not at all."""
    try:
        return datetime_ns(datetime.strptime(stamp, STAMP), zone, where="PTDaemon")  # noqa: DTZ007  # datetime_ns gives it the zone
    except (ValueError, OverflowError, UsageError):
        return None
