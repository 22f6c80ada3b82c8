"""What an exporter calls its metrics, as data: one file per exporter in `prometheus_sources/`, or a file of the user's own.

A file says which metrics are power or energy, in which unit, which labels tell one device from another, and whether the exporter
measures when it is asked or by itself. The shipped ones name the document they were checked against.
"""

from __future__ import annotations

import math
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.config import build
from joulemark.errors import ConfigError, FormatError
from joulemark.readings import Averaging, Boundary, Current, Quality, Quantity
from joulemark.units import scaled

FOLDER: Final = Path(__file__).with_name("prometheus_sources")
MAX_BYTES: Final = 1 << 20

UNITS: Final[Mapping[str, tuple[Quantity, Decimal, int]]] = {
    "W": (Quantity.POWER, Decimal(1), -3),
    "kW": (Quantity.POWER, Decimal(1000), -3),
    "mW": (Quantity.POWER, Decimal("1e-3"), -3),
    "uW": (Quantity.POWER, Decimal("1e-6"), -6),
    "J": (Quantity.ENERGY_COUNTER, Decimal(1), -6),
    "mJ": (Quantity.ENERGY_COUNTER, Decimal("1e-3"), -3),
    "uJ": (Quantity.ENERGY_COUNTER, Decimal("1e-6"), -6),
    "Wh": (Quantity.ENERGY_COUNTER, Decimal(3600), -3),
    "kWh": (Quantity.ENERGY_COUNTER, Decimal(3_600_000), -3),
}
"""Unit on the page -> quantity, SI units in one of it, and the exponent of the integers that it becomes."""

INT64_END: Final = 2**63


@dataclass(frozen=True, slots=True)
class Metric:
    """`[[device.metric]]`: one quantity of a device.

    `names`: what it is called, by version of the exporter; a page has one of them. `channel`: last part of the meter id. `blanks`:
    numbers that mean "no value". `zero_is_missing`: whether 0 cannot be measured there and so says that nothing was.
    """

    names: tuple[str, ...]
    unit: str
    channel: str = ""
    averaging: Averaging = Averaging.UNKNOWN
    blanks: tuple[int, ...] = ()
    zero_is_missing: bool = False

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"unit {self.unit!r} of {self.names} is not known", f"use one of {', '.join(UNITS)}")
        if not all(self.names) or not self.names or ":" in self.channel:
            raise ConfigError(f"a metric has no name, or a ':' in its channel {self.channel!r}", "name it as on the page")

    @property
    def quantity(self) -> Quantity:
        """Power, or the counter of an energy."""
        return UNITS[self.unit][0]

    @property
    def exponent(self) -> int:
        """Of the integers that values become."""
        return UNITS[self.unit][2]

    @property
    def channel_name(self) -> str:
        """`channel`, else what it measures."""
        return self.channel or ("power" if self.quantity is Quantity.POWER else "energy")

    def judged(self, printed: float) -> tuple[int | None, Quality, str]:
        """The number on the page as value, quality and reason: what an exporter prints where it has nothing is no number."""
        name = self.names[0]
        if not math.isfinite(printed):
            return None, Quality.SENTINEL, f"the page says {printed} for {name}"
        if float(printed) in {float(blank) for blank in self.blanks}:
            return None, Quality.SENTINEL, f"the exporter has no value for {name}: it prints {printed}"
        if printed < 0 or (printed == 0 and self.zero_is_missing):
            return None, Quality.SENTINEL, f"{printed} {self.unit} of {name} is no measurement"
        _, factor, exponent = UNITS[self.unit]
        value = scaled(Decimal(str(printed)) * factor, exponent)
        if value >= INT64_END:
            return None, Quality.SENTINEL, f"{printed} {self.unit} of {name} is beyond belief"
        return value, Quality.OK, ""


@dataclass(frozen=True, slots=True)
class Devices:
    """`[[device]]`: devices of one sort on a page, and the labels that tell them apart.

    `serial`: labels whose values together name a device; `a|b` is label a, or b where there is no a. `local`: whether that name holds
    on its host only. `select`: label -> pattern that its value must match. `model`, `maker`, `firmware`, `host`: labels that say so.
    `instance`: label of a part of the device, whose row repeats the whole. `covers`: what it measures, made of labels.
    """

    serial: tuple[str, ...]
    boundary: Boundary
    current: Current = Current.DC
    vendor: str = ""
    local: bool = False
    select: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    maker: str = ""
    firmware: str = ""
    host: str = ""
    instance: str = ""
    covers: str = ""
    note: str = ""
    metric: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        if not self.metric:
            raise ConfigError("a [[device]] has no [[device.metric]]", "name at least one metric of it")
        if len({metric.channel_name for metric in self.metric}) < len(self.metric):
            raise ConfigError(f"two metrics of a [[device]] have one channel: {self.metric[0].names}", "name one with the key channel")
        for label, pattern in self.select.items():
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ConfigError(f"label {label} of select is no pattern: {error}", "write a regular expression") from error
        try:
            labels = [label for _, label, _, _ in string.Formatter().parse(self.covers) if label is not None]
        except ValueError as error:
            raise ConfigError(f"covers = {self.covers!r}: {error}", 'write labels in { }, as "package-{index}"') from error
        if not all(label.isidentifier() for label in labels):
            raise ConfigError(f"covers = {self.covers!r} names what is no label", 'write labels in { }, as "package-{index}"')

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a row with these labels belongs here."""
        return all(re.fullmatch(pattern, labels.get(label, "")) for label, pattern in self.select.items())


@dataclass(frozen=True, slots=True)
class Source:
    """An exporter. `on_scrape`: it measures when it is asked, so that an equal value is a new one; else it renews its page by itself,
    and a page that has not changed repeats old values. `pulse`: further metrics that show that the page was renewed.
    """

    about: str
    reference: str = ""
    verified: bool = False
    on_scrape: bool = False
    update_period_s: float | None = None
    pulse: tuple[str, ...] = ()
    device: tuple[Devices, ...] = ()

    def __post_init__(self) -> None:
        if not self.device:
            raise ConfigError(f"the exporter {self.about!r} has no [[device]]", "describe at least one sort of device")

    @property
    def names(self) -> frozenset[str]:
        """Every metric that is read."""
        return frozenset(name for devices in self.device for metric in devices.metric for name in metric.names) | {*self.pulse}


def shipped() -> tuple[str, ...]:
    """Names of the exporters that are known."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(path: Path) -> Source:
    """The exporter that a file describes. Raises ConfigError naming the file and the key."""
    try:
        return build(Source, tomllib.loads(foreign.text(path, max_bytes=MAX_BYTES, errors="strict")), str(path))
    except FormatError as error:
        raise ConfigError(error.what, "name a file like those that the page of the kind prometheus shows") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "mend the line it names") from error
