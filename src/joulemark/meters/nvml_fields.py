"""The fields of one GPU, asked for in one call of the driver: into one buffer that is kept, and all at once taken apart where all is well.

nvidia-ml-py's own nvmlDeviceGetFieldValues builds its objects anew for every read, which costs more than the call.

Source: NVML reference manual (nvmlFieldValue_t, nvmlDeviceGetFieldValues).
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pynvml

from joulemark.readings import Quality

ENERGY: Final = "energy"

UNION_MEMBER: Final[dict[int, str]] = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
}

POWER_BLANK: Final = 0x7FFFFFF0
ENERGY_BLANK: Final = 0x7FFFFFFFFFFFFFF0
"""From here up a number is one of the "no value" marks of the driver stack, not a measurement (32 and 64 bits)."""

HEAD, WIDE, NARROW = "8xq8xII", "Q", "I4x"
"""nvmlFieldValue_t: field and scope, time stamp in µs, latency in µs, type, return code; and a value of 64 bits, or of 32 and what a
driver need not clear beside it.
"""
STAMP, TYPE, CODE, VALUE = range(4)
WIDTH: Final = 4


class Outcome(NamedTuple):
    """What one channel answered. `code`: the driver's error, 0 for none."""

    value: int | None
    t_device_ns: int | None = None
    quality: Quality = Quality.OK
    reason: str = ""
    code: int = pynvml.NVML_SUCCESS


class Sound(NamedTuple):
    """What all fields answered where nothing is wrong: integers in mW and mJ, and UTC times of the driver in ns."""

    values: tuple[int, ...]
    stamps_ns: tuple[int, ...]


class Fields:
    """The fields `numbers` of the GPU behind `handle`, each of the channel of that name. For one thread at a time."""

    def __init__(self, handle: Any, names: Sequence[str], numbers: Sequence[int]) -> None:
        self.names = tuple(names)
        self._answers = (pynvml.c_nvmlFieldValue_t * len(numbers))()
        for answer, number in zip(self._answers, numbers, strict=True):
            answer.fieldId = number
        self._call = pynvml.nvmlLib.nvmlDeviceGetFieldValues
        self._arguments = handle, ctypes.c_int32(len(numbers)), ctypes.byref(self._answers)
        is_energy = [name == ENERGY for name in names]
        self._unpack = struct.Struct("=" + "".join(HEAD + (WIDE if energy else NARROW) for energy in is_energy)).unpack
        self._codes = (pynvml.NVML_SUCCESS,) * len(numbers)
        self._types = tuple(
            pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG if energy else pynvml.NVML_VALUE_TYPE_UNSIGNED_INT for energy in is_energy
        )
        self._least = tuple(0 if energy else 1 for energy in is_energy)
        self._blank = tuple(ENERGY_BLANK if energy else POWER_BLANK for energy in is_energy)

    def ask(self) -> None:
        """Let the driver fill the buffer. Raises pynvml.NVMLError when the call fails as a whole."""
        if code := self._call(*self._arguments):
            raise pynvml.NVMLError(code)

    def answers(self) -> bytes:
        """What the buffer holds now."""
        return bytes(self._answers)

    def answered(self, answers: bytes) -> bool:
        """Whether any field is there."""
        return pynvml.NVML_SUCCESS in self._unpack(answers)[CODE::WIDTH]

    def sound(self, answers: bytes) -> Sound | None:
        """`answers`, if every field is there, of its usual type, dated, and no mark of a missing one; else None."""
        flat = self._unpack(answers)
        values, stamps_us = flat[VALUE::WIDTH], flat[STAMP::WIDTH]
        if flat[CODE::WIDTH] != self._codes or flat[TYPE::WIDTH] != self._types or min(stamps_us) <= 0:
            return None
        for value, least, blank in zip(values, self._least, self._blank, strict=True):
            if not least <= value < blank:
                return None
        return Sound(values, tuple([stamp * 1000 for stamp in stamps_us]))

    def outcomes(self, answers: bytes) -> list[Outcome]:
        """Each answer by itself."""
        return [parse_field(name, answer) for name, answer in zip(self.names, type(self._answers).from_buffer_copy(answers), strict=True)]


def parse_value(channel: str, number: float) -> Outcome:
    """`number` as the driver gave it: an integer in mW or mJ, or the mark of a missing one.

    The marks are all bits set, the blanks of the driver stack, anything negative, and 0 W, which a powered GPU cannot draw.
    """
    blank = ENERGY_BLANK if channel == ENERGY else POWER_BLANK
    if not math.isfinite(number) or number < 0 or number >= blank or (channel != ENERGY and number == 0):
        return Outcome(None, quality=Quality.SENTINEL, reason=f"the driver answered {number}, which is no measurement")
    return Outcome(round(number))


def parse_field(channel: str, answer: Any) -> Outcome:
    """A nvmlFieldValue_t: its own return code, the union member that its type names, its time stamp in microseconds UTC."""
    if answer.nvmlReturn != pynvml.NVML_SUCCESS:
        return failed(pynvml.NVMLError(answer.nvmlReturn))
    member = UNION_MEMBER.get(answer.valueType)
    if member is None:
        return Outcome(None, quality=Quality.GAP, reason=f"the driver answered with the unknown value type {answer.valueType}")
    t_device_ns = answer.timestamp * 1000 if answer.timestamp > 0 else None
    return parse_value(channel, getattr(answer.value, member))._replace(t_device_ns=t_device_ns)


def failed(error: pynvml.NVMLError) -> Outcome:
    """A gap with the driver's own words as its reason."""
    return Outcome(None, quality=Quality.GAP, reason=f"driver: {error}", code=error.value)
