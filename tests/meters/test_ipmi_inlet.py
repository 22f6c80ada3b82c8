"""The air that a server takes in, from the real pyghmi and a simulated BMC: where it is told, how often it is read, what it may cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.errors import MeterTransient
from joulemark.meters.ipmi import IpmiConfig, IpmiMeter
from joulemark.meters.ipmi_inlet import inlet_of, judged, parse_temperatures, signed
from joulemark.readings import Boundary, Current, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import SystemClock
from tests.standins.ipmi_standin import Bmc

CLOCK = SystemClock()
DEADLINE_S = 2.0
S = 1_000_000_000
POWER = MeterInfo("ipmi:node1:guid:power", "ipmi", Quantity.POWER, 0, Boundary.SERVER_INPUT, Current.AC, update_period_s=1.0)


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Bmc]:
    standin = Bmc(tmp_path / "bmc")
    standin.set_inlet(23)
    standin.start()
    yield standin
    standin.stop()


@pytest.fixture
def meters() -> Iterator[list[IpmiMeter]]:
    opened: list[IpmiMeter] = []
    yield opened
    for meter in opened:
        meter.close()


def opened(meters: list[IpmiMeter], bmc: Bmc, *, every_s: float = 30.0) -> IpmiMeter:
    config = IpmiConfig("127.0.0.1", bmc.user, bmc.password_file, port=bmc.port, deadline_s=DEADLINE_S, witness_interval_s=every_s)
    meters.append(IpmiMeter(config, host="node1"))
    meters[-1].open()
    return meters[-1]


def values(samples: list[Sample]) -> list[int | None]:
    return [sample.values[0] for sample in samples]


def test_a_witness_beside_the_power(bmc: Bmc, meters: list[IpmiMeter]) -> None:
    """The inlet is a witness in whole degrees on a device of its own, read seldom, that covers the host and makes no energy."""
    power, inlet = opened(meters, bmc).info
    assert (inlet.device_id, inlet.seldom, power.seldom) == (f"ipmi:node1:{bmc.guid}-inlet", True, False)
    (info,) = inlet.meters
    assert (info.channel, info.quantity, info.exponent, info.accuracy) == ("inlet", Quantity.TEMPERATURE, 0, None)
    assert (info.boundary, info.covers, info.serial, info.update_period_s) == (Boundary.SERVER_INPUT, ("node1",), "", 30.0)
    assert not info.quantity.measures_energy


class Later(SystemClock):
    """A thousand seconds on."""

    def mono_ns(self) -> int:
        return super().mono_ns() + 1000 * S


def test_it_is_read_seldom(bmc: Bmc, meters: list[IpmiMeter]) -> None:
    """The first read brings it, then none until the interval has passed; below zero it stays the number that it is."""
    meter, later = opened(meters, bmc, every_s=1000.0), Later()
    assert values(meter.read(CLOCK)) == [512, 23]
    assert values(meter.read(CLOCK)) == [512]
    bmc.set_inlet(-7)
    power, inlet = meter.read(later)
    assert (inlet.values, inlet.qualities, inlet.t_device_ns) == ((-7,), (Quality.OK,), (None,))
    assert power.t_read1_ns <= inlet.t_read0_ns < inlet.t_read1_ns <= later.mono_ns()


def test_where_it_is_not_told(bmc: Bmc, meters: list[IpmiMeter]) -> None:
    """The older number of the entity is asked too; a BMC that refuses, or an interval of 0, leaves the power alone."""
    assert len(opened(meters, bmc, every_s=0.0).info) == 1
    meters[-1].close()
    bmc.set_inlet(19, entity=0x37)
    assert values(opened(meters, bmc).read(CLOCK)) == [512, 19]
    meters[-1].close()
    bmc.set_inlet(19, entity=0x41)
    assert len(opened(meters, bmc).info) == 1
    meters[-1].close()
    bmc.set_inlet("broken")
    assert values(opened(meters, bmc).read(CLOCK)) == [512]


def test_a_failing_thermometer_costs_no_power(bmc: Bmc, meters: list[IpmiMeter]) -> None:
    """A BMC that refuses, tells no inlet any more, or shows 127 C makes a gap of the inlet, in the same session."""
    meter = opened(meters, bmc, every_s=0.001)
    child = meter.child_pid
    for celsius, entity, quality, words in (
        ("broken", 0x40, Quality.GAP, ""),
        (23, 0x41, Quality.GAP, "no temperature"),
        (127, 0x40, Quality.SENTINEL, "no air"),
        (-127, 0x40, Quality.SENTINEL, "no air"),
    ):
        bmc.set_inlet(celsius, entity=entity)
        power, inlet = meter.read(CLOCK)
        assert (power.values, inlet.values, inlet.qualities) == ((512,), (None,), (quality,))
        assert inlet.reasons[0]
        assert words in inlet.reasons[0]
    bmc.set_inlet(25)
    assert values(meter.read(CLOCK)) == [512, 25]
    assert meter.child_pid == child


def test_a_hung_bmc_is_asked_for_its_power_only(bmc: Bmc, meters: list[IpmiMeter]) -> None:
    """Where the power does not come the inlet is not asked for, so that a read waits no longer than its deadline."""
    meter = opened(meters, bmc, every_s=0.001)
    bmc.pause()
    begin_s = time.monotonic()
    samples = meter.read(CLOCK)
    assert time.monotonic() - begin_s < DEADLINE_S + 4.0
    assert values(samples) == [None]
    bmc.resume()


def test_temperatures_of_a_reply() -> None:
    """Instances and degrees stand in pairs, with the sign in the highest bit; other bytes are refused."""
    assert parse_temperatures(bytes([0xDC, 2, 2, 23, 1, 0x80 | 5, 9])) == {1: 23, 9: -5}
    assert parse_temperatures(bytes([0xDC, 0, 0])) == {}
    assert [signed(byte) for byte in (0, 0x7F, 0x80, 0xFF)] == [0, 127, 0, -127]
    for bad in (b"", bytes([0xDC, 1]), bytes([0xDD, 0, 0]), bytes([0xDC, 1, 1, 23])):
        with pytest.raises(MeterTransient, match="instead of DCMI temperatures"):
            parse_temperatures(bad)


def test_limits_of_air() -> None:
    """99 C and -99 C are degrees, 100 C is no air, and none is a gap."""
    assert [judged(celsius)[0] for celsius in (99, -99, 0, 100, -100, None)] == [99, -99, 0, None, None, None]


def test_the_first_of_several_is_taken() -> None:
    """Of two inlets the one that the BMC names first is read, and goes on being that one."""
    found = inlet_of(lambda request: bytes([0xDC, 2, 2, 21, 4, 30, 2]), POWER, 30.0)
    assert found is not None
    assert (found.entity, found.instance) == (0x40, 4)
    swapped = found.read(lambda request: bytes([0xDC, 2, 2, 30, 2, 22, 4]), CLOCK, 0)
    assert swapped.values == (22,)
