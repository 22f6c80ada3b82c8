"""Registers: where a number stands in a Modbus device, how it is written, and what it is worth.

Free of I/O: words in, integers at a power of ten of the SI unit out.

Source: MODBUS Application Protocol Specification V1.1b3, section 4.2 (16-bit registers, high byte first); the order of words in a
longer number is each maker's own choice.
"""

from __future__ import annotations

import enum
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from joulemark.config import INT64_END
from joulemark.errors import ConfigError
from joulemark.readings import Quality, Quantity

FLOAT_EXPONENT: Final = -3
INTEGER_EXPONENTS: Final = (0, -1, -2, -3, -6, -9)
READ_CODES: Final = (3, 4)


class Encoding(enum.StrEnum):
    """How a number is written in registers."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    TEXT = "text"
    VERSION = "version"

    @property
    def is_float(self) -> bool:
        """Whether it is an IEEE 754 number."""
        return self in (Encoding.FLOAT32, Encoding.FLOAT64)


FORMAT: Final = {
    Encoding.INT16: ">h",
    Encoding.UINT16: ">H",
    Encoding.VERSION: ">H",
    Encoding.INT32: ">i",
    Encoding.UINT32: ">I",
    Encoding.INT64: ">q",
    Encoding.UINT64: ">Q",
    Encoding.FLOAT32: ">f",
    Encoding.FLOAT64: ">d",
}


class WordOrder(enum.StrEnum):
    """Which word of a longer number stands first: the high one (big) or the low one (little)."""

    BIG = "big"
    LITTLE = "little"


class Unit(enum.StrEnum):
    """Unit of a register, before its scale."""

    W = "W"
    KW = "kW"
    J = "J"
    WH = "Wh"
    KWH = "kWh"
    MWH = "MWh"

    @property
    def quantity(self) -> Quantity:
        """Watts are power, the others count energy."""
        return Quantity.POWER if self in (Unit.W, Unit.KW) else Quantity.ENERGY_COUNTER

    @property
    def si(self) -> int:
        """Watts or joules in one unit."""
        return {Unit.W: 1, Unit.KW: 1000, Unit.J: 1, Unit.WH: 3600, Unit.KWH: 3_600_000, Unit.MWH: 3_600_000_000}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where something stands and how it is written. Keys that a table of the map does not set come from the top of the map."""

    address: int
    type: Encoding
    function_code: int = 4
    word_order: WordOrder = WordOrder.BIG
    scale: float = 1.0
    count: int = 0
    not_available: tuple[int, ...] = ()
    over_range_from: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.address <= self.end - 1 < 1 << 16 or (self.type is Encoding.TEXT and self.count < 1):
            raise ConfigError(
                f"address {self.address}, {self.size} registers long, lies outside 0..65535",
                "write address and count as the protocol counts, from 0",
            )
        if self.function_code not in READ_CODES:
            raise ConfigError(f"function_code = {self.function_code} does not read registers", "use 3 (holding) or 4 (input registers)")
        if not self.scale:
            raise ConfigError("scale = 0 makes every value 0", "write what one count is worth, 0.1 for tenths")

    @property
    def size(self) -> int:
        """Registers that it takes."""
        return self.count if self.type is Encoding.TEXT else struct.calcsize(FORMAT[self.type]) // 2

    @property
    def end(self) -> int:
        """Address after its last register."""
        return self.address + self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRegister(Register):
    """Power or energy. `phase` names the phase that it is of, none for the whole device; it is read where phases are asked for."""

    channel: str
    unit: Unit
    phase: str = ""

    def __post_init__(self) -> None:
        Register.__post_init__(self)
        if not self.channel or ":" in self.channel or self.type in (Encoding.TEXT, Encoding.VERSION):
            raise ConfigError(f"channel {self.channel!r} of type {self.type} cannot be a meter", "use a name without ':' and a number")
        if not self.type.is_float and not any(_is_whole(self._count_si.scaleb(-e)) for e in INTEGER_EXPONENTS):
            raise ConfigError(f"channel {self.channel!r}: one count is {self._count_si} W or J, finer than 1e-9", "correct its scale")

    @property
    def exponent(self) -> int:
        """Power of ten of the values: whole counts for integers, thousandths for floating point."""
        if self.type.is_float:
            return FLOAT_EXPONENT
        return next(e for e in INTEGER_EXPONENTS if _is_whole(self._count_si.scaleb(-e)))

    def step(self, words: Sequence[int]) -> int:
        """Smallest change of the value, as an integer at `exponent`: one count, or the next floating point number at the present one."""
        if not self.type.is_float:
            return abs(int(self._count_si.scaleb(-self.exponent)))
        now = float(number(self, words))
        gap = _gap_to_next(self.type, now) if math.isfinite(now) else Decimal(0)
        return min(max(1, round(gap * self._count_si.scaleb(-self.exponent))), INT64_END)

    def value(self, words: Sequence[int]) -> int:
        """The value in `words` as an integer at `exponent`. Raises ValueError when it is none, or beyond 64 bits."""
        read = number(self, words)
        if isinstance(read, float) and not math.isfinite(read):
            raise ValueError(f"{read} is no number")
        value = int((Decimal(read) * self._count_si).scaleb(-self.exponent).to_integral_value())
        if abs(value) >= INT64_END:
            raise ValueError(f"{read} {self.unit} does not fit 64 bits")
        return value

    @property
    def _count_si(self) -> Decimal:
        return Decimal(str(self.scale)) * self.unit.si


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRegister(Register):
    """Something whose believable range is known before: a voltage, a frequency, a model code. What cannot be told is passed over."""

    name: str
    low: float
    high: float

    def believable(self, words: Sequence[int]) -> bool:
        """Whether the value lies between `low` and `high`, or the device says that it has none."""
        if marked(self, words) is not None:
            return True
        return self.low <= float(number(self, words)) * self.scale <= self.high


class Identity(enum.StrEnum):
    """What an identity register tells."""

    SERIAL = "serial"
    FIRMWARE = "firmware"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRegister(Register):
    """A serial number or a firmware version. A device that does not answer it has none."""

    field: Identity

    def text(self, words: Sequence[int]) -> str:
        """It in words; empty where it is blank."""
        if self.type is Encoding.TEXT:
            raw = b"".join(word.to_bytes(2, "big") for word in words)
            return "".join(c for c in raw.decode("ascii", "replace").split("\0")[0].strip() if c.isalnum() or c in "-._")
        (code,) = struct.unpack(FORMAT[self.type], _packed(self, words))
        if self.type is Encoding.VERSION:
            return f"{code >> 12}.{code >> 8 & 0xF}.{code & 0xFF}"
        return str(code) if code else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRegister(Register):
    """Bits that say that an input is beyond its range: then no value of this poll may be integrated."""

    name: str
    mask: int = 0xFFFF


def number(register: Register, words: Sequence[int]) -> int | float:
    """The number in `words` as it is written, before its scale; NaN and infinity are possible."""
    (value,) = struct.unpack(FORMAT[register.type], _packed(register, words))
    return value  # type: ignore[no-any-return]  # struct knows no types


def marked(register: Register, words: Sequence[int]) -> tuple[Quality, str] | None:
    """Quality and reason where the device says that it has no value; None where it gives one."""
    pattern = int.from_bytes(_packed(register, words), "big")
    read = number(register, words)
    if pattern in register.not_available or (isinstance(read, float) and math.isnan(read)):
        return Quality.SENTINEL, f"device answered 0x{pattern:0{4 * register.size}X}, which stands for no value"
    if (isinstance(read, float) and math.isinf(read)) or (register.over_range_from is not None and read >= register.over_range_from):
        return Quality.OVER_RANGE, f"device answered 0x{pattern:0{4 * register.size}X}, which stands for over range"
    return None


def judged(register: MeterRegister, words: Sequence[int]) -> tuple[int | None, Quality, str]:
    """Value at `register.exponent`, quality and reason."""
    mark = marked(register, words)
    if mark is not None:
        return None, *mark
    try:
        return register.value(words), Quality.OK, ""
    except ValueError as error:
        return None, Quality.SENTINEL, str(error)


def _packed(register: Register, words: Sequence[int]) -> bytes:
    ordered = words if register.word_order is WordOrder.BIG else list(reversed(words))
    return b"".join(word.to_bytes(2, "big") for word in ordered)


def _is_whole(value: Decimal) -> bool:
    return value == value.to_integral_value()


def _gap_to_next(encoding: Encoding, value: float) -> Decimal:
    """Distance from `value` to the next larger number that the encoding can write; 0 where there is none."""
    if encoding is Encoding.FLOAT64:
        return Decimal(math.ulp(value))
    (bits,) = struct.unpack(">I", struct.pack(">f", abs(value)))
    (beyond,) = struct.unpack(">f", struct.pack(">I", bits + 1))
    return Decimal(beyond) - Decimal(abs(value)) if math.isfinite(beyond) else Decimal(0)
