"""The fields of a GPU in one buffer: what is taken apart at once is what reading each field by itself gives."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import pynvml
import pytest

from joulemark.meters.nvml_fields import Fields, Sound
from joulemark.readings import Quality
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave

NAMES = ("power_instant", "power_average", "energy")
NUMBERS = (pynvml.NVML_FI_DEV_POWER_INSTANT, pynvml.NVML_FI_DEV_POWER_AVERAGE, pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION)
STAMP_US = 1_790_000_000_000_000


@pytest.fixture
def fields_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[NvmlWave], Fields]]:
    """Opens the stand-in of a wave and gives the fields of its first GPU."""
    opened = 0

    def build(wave: NvmlWave) -> Fields:
        nonlocal opened
        for name, value in wave.env().items():
            monkeypatch.setenv(name, value)
        ctypes.CDLL(str(nvml_standin.library()))
        pynvml.nvmlInit()
        opened += 1
        return Fields(pynvml.nvmlDeviceGetHandleByIndex(0), NAMES, NUMBERS)

    yield build
    for _ in range(opened):
        pynvml.nvmlShutdown()


def answered(
    fields: Fields, *, value: int = 4321, kind: int | None = None, stamp_us: int = STAMP_US, code: int = 0, place: int = 0
) -> None:
    """Write a sound answer into every field, and another one into that at `place`."""
    for i, answer in enumerate(fields._answers):
        energy = NAMES[i] == "energy"
        answer.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG if energy else pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
        answer.timestamp, answer.nvmlReturn, answer.value.ullVal = STAMP_US + i, 0, 1000 + i
    spoilt = fields._answers[place]
    spoilt.timestamp, spoilt.nvmlReturn, spoilt.value.ullVal = stamp_us, code, value
    if kind is not None:
        spoilt.valueType = kind


def test_sound_answers_are_those_of_each_field(fields_of: Callable[[NvmlWave], Fields]) -> None:
    """Values and times of the driver are the same, taken apart at once or one by one."""
    fields = fields_of(NvmlWave())
    fields.ask()
    sound = fields.sound(fields.answers())
    assert sound is not None
    assert [(one.value, one.t_device_ns) for one in fields.outcomes(fields.answers())] == list(zip(*sound, strict=True))
    assert sound.values[0] in (100_000, 650_000)


def test_what_lies_beside_32_bits_is_no_part_of_a_power(fields_of: Callable[[NvmlWave], Fields]) -> None:
    """A driver that leaves rubbish in the upper half of the union is read as it means it."""
    fields = fields_of(NvmlWave())
    answered(fields, value=0xDEADBEEF_00001000)
    assert fields.sound(fields.answers()) == Sound((0x1000, 1001, 1002), (STAMP_US * 1000, (STAMP_US + 1) * 1000, (STAMP_US + 2) * 1000))
    assert fields.outcomes(fields.answers())[0].value == 0x1000


@pytest.mark.parametrize(
    "spoilt",
    [
        {"value": 0},
        {"value": 0xFFFFFFFF},
        {"value": 0x7FFFFFF0},
        {"value": 0x7FFFFFFFFFFFFFF0, "place": 2},
        {"stamp_us": 0},
        {"code": pynvml.NVML_ERROR_TIMEOUT},
        {"kind": pynvml.NVML_VALUE_TYPE_DOUBLE},
        {"kind": 42},
    ],
)
def test_anything_unusual_is_looked_at_by_itself(fields_of: Callable[[NvmlWave], Fields], spoilt: dict[str, int]) -> None:
    """A mark of a missing value, a failed or undated field, another type: not taken apart at once; the other fields keep theirs."""
    fields = fields_of(NvmlWave())
    answered(fields, **spoilt)
    assert fields.sound(fields.answers()) is None
    others = [one for i, one in enumerate(fields.outcomes(fields.answers())) if i != spoilt.get("place", 0)]
    assert all(one.quality is Quality.OK and one.t_device_ns for one in others)


def test_a_call_that_fails_as_a_whole_says_so(fields_of: Callable[[NvmlWave], Fields]) -> None:
    """A lost GPU is the driver's error, not an old answer in the buffer."""
    fields = fields_of(NvmlWave(settings={"LOST": "0:0"}))
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        fields.ask()
