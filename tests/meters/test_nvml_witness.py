"""Temperature, utilization and throttling of GPUs, through the real nvidia-ml-py and the compiled stand-in driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError
from joulemark.meters.nvml import DRIVER, NvmlMeter
from joulemark.meters.nvml_witness import THERMAL
from joulemark.readings import Boundary, Quality, Quantity, Sample
from joulemark.timebase import SystemClock
from tests.conftest import ManualClock
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave

HOT, CAPPED = 0x40, 0x04
S = 1_000_000_000

Opened = Callable[..., NvmlMeter]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml_standin.build(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def opened(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Open the meter on a wave whose driver tells conditions, unless `WITNESSES` says otherwise."""
    meters: list[NvmlMeter] = []

    def build(settings: dict[str, str | int] | None = None, *, gpus: int = 1, **options: Any) -> NvmlMeter:
        for name, value in NvmlWave(gpus=gpus, settings={"WITNESSES": 1, **(settings or {})}).env().items():
            monkeypatch.setenv(name, value)
        meter = DRIVER.build(MeterTable("nvml", {"library": str(library), **options}), host="node1")
        assert isinstance(meter, NvmlMeter)
        meters.append(meter)
        meter.open()
        return meter

    yield build
    for meter in meters:
        meter.close()


def conditions(samples: list[Sample]) -> list[Sample]:
    """The samples that are no power."""
    return [sample for sample in samples if sample.device_id.endswith("-conditions")]


def test_each_gpu_has_a_witness_beside_its_power(opened: Opened) -> None:
    """It covers the same GPU at the same place, in C, shares of one and a flag, and no energy can be made of it."""
    meter = opened(gpus=2)
    powers, witnesses = meter.info[:2], meter.info[2:]
    for power, witness in zip(powers, witnesses, strict=True):
        assert witness.seldom
        assert not power.seldom
        assert [one.quantity for one in witness.meters] == [Quantity.TEMPERATURE, Quantity.UTILIZATION, Quantity.THROTTLE]
        assert [one.exponent for one in witness.meters] == [0, -2, 0]
        for one in witness.meters:
            assert one.covers == power.meters[0].covers
            assert one.boundary is Boundary.GPU
            assert one.simulated
            assert not one.quantity.measures_energy
            assert one.update_period_s == 10.0
            assert all(one.bounds().values())


def test_what_a_gpu_is_like_is_read(opened: Opened) -> None:
    """The numbers are the driver's own; a cap of power is no throttling by heat."""
    for reasons, held_back in ((HOT, 1), (0x20, 1), (CAPPED, 0), (0, 0)):
        meter = opened({"CELSIUS": 71, "REASONS": reasons})
        (witness,) = conditions(meter.read(ManualClock()))
        assert (witness.values[0], witness.values[2]) == (71, held_back)
        assert witness.values[1] in (0, 100)
        assert set(witness.qualities) == {Quality.OK}
        meter.close()


def test_conditions_are_looked_at_now_and_then(opened: Opened) -> None:
    """The first poll looks, and then one poll each ten seconds; power is in every poll."""
    clock, meter = ManualClock(), opened()
    seen = []
    for second in range(21):
        samples = meter.read(clock)
        assert len(samples) - len(conditions(samples)) == 1
        if conditions(samples):
            seen.append(second)
        clock.advance(S)
    assert seen == [0, 10, 20]


def test_the_interval_is_configured(opened: Opened) -> None:
    """Each two seconds where that is asked for, and never with 0."""
    clock, meter = ManualClock(), opened(witness_interval_s=2.0)
    looks = []
    for _ in range(5):
        looks.append(len(conditions(meter.read(clock))))
        clock.advance(S)
    assert looks == [1, 0, 1, 0, 1]
    assert len(opened(witness_interval_s=0.0).info) == 1


def test_an_interval_below_zero_is_refused() -> None:
    """It is a time."""
    with pytest.raises(ConfigError, match="witness_interval_s"):
        DRIVER.build(MeterTable("nvml", {"witness_interval_s": -1.0}), host="node1")


def test_a_driver_that_tells_no_conditions_has_no_witness(opened: Opened) -> None:
    """What a GPU cannot tell is found out once and left out."""
    meter = opened({"WITNESSES": 0})
    assert len(meter.info) == 1
    assert conditions(meter.read(ManualClock())) == []


def test_a_temperature_that_is_none_is_no_number(opened: Opened) -> None:
    """A mark of a missing value is told as such, without a value, and the others stay."""
    (witness,) = conditions(opened({"CELSIUS": 255}).read(ManualClock()))
    assert witness.values[0] is None
    assert witness.qualities[0] is Quality.SENTINEL
    assert "255" in witness.reasons[0]
    assert witness.qualities[2] is Quality.OK


def test_a_gpu_that_gets_lost_leaves_gaps_in_its_conditions(opened: Opened) -> None:
    """Of two GPUs the one that is lost after the meter was opened has gaps with the driver's words; the other goes on."""
    meter = opened({"LOST": f"1:{time.time_ns() + 300_000_000}"}, gpus=2, witness_interval_s=1e-3)
    clock = SystemClock()
    deadline_s = time.monotonic() + 10.0
    while time.monotonic() < deadline_s:
        good, lost = conditions(meter.read(clock))
        if lost.values[0] is None:
            break
        time.sleep(0.02)
    assert set(lost.qualities) == {Quality.GAP}
    assert "lost" in lost.reasons[0].lower()
    assert set(good.qualities) == {Quality.OK}


def test_heat_is_two_reasons() -> None:
    """Slowdown by software and by hardware for heat, and nothing else."""
    assert THERMAL == 0x60
