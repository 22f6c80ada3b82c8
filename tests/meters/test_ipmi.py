"""The real pyghmi, in its child process, against Debian's ipmi_sim with the DCMI module of the stand-in."""

from __future__ import annotations

import os
import re
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterTransient, MeterUnavailable
from joulemark.meters.ipmi import DRIVER, IpmiConfig, IpmiMeter, judged, parse_power_reading, serial_of
from joulemark.readings import Boundary, Current, Quality, Sample
from joulemark.timebase import SystemClock
from tests.standins.ipmi_standin import PASSWORD, Bmc, free_udp_port

DEADLINE_S = 2.0
SLACK_S = 5.0
"""pyghmi alone waits for half a minute."""
CLOCK = SystemClock()


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Bmc]:
    standin = Bmc(tmp_path / "bmc")
    standin.start()
    yield standin
    standin.stop()


Opened = Callable[[Bmc], IpmiMeter]


@pytest.fixture
def opened() -> Iterator[Opened]:
    meters: list[IpmiMeter] = []

    def build(bmc: Bmc) -> IpmiMeter:
        meter = IpmiMeter(config_of(bmc), host="node1")
        meters.append(meter)
        meter.open()
        return meter

    yield build
    for meter in meters:
        meter.close()


def config_of(bmc: Bmc) -> IpmiConfig:
    return IpmiConfig("127.0.0.1", bmc.user, bmc.password_file, port=bmc.port, deadline_s=DEADLINE_S)


def one(meter: IpmiMeter) -> Sample:
    (sample,) = meter.read(CLOCK)
    return sample


def gaps_until_value(meter: IpmiMeter, timeout_s: float = 60.0) -> list[Sample]:
    """Poll at 5 Hz until a value comes; the samples before it. Every poll must keep the deadline."""
    gaps = []
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        begin = time.monotonic()
        sample = one(meter)
        assert time.monotonic() - begin < DEADLINE_S + SLACK_S
        if sample.values[0] is not None:
            return gaps
        gaps.append(sample)
        time.sleep(0.2)
    raise AssertionError(f"no value within {timeout_s} s; last gap: {gaps[-1].reasons}")


def test_reading_is_what_the_bmc_says(bmc: Bmc, opened: Opened) -> None:
    """Each read gives the watts set at the BMC at that moment, dated by the read bracket, with the BMC's time beside it."""
    meter = opened(bmc)
    for watts in (512, 731, 6499):
        bmc.set_watts(watts)
        before = CLOCK.mono_ns()
        sample = one(meter)
        assert sample.values == (watts,)
        assert sample.qualities == (Quality.OK,)
        assert before <= sample.t_read0_ns < sample.t_read1_ns <= CLOCK.mono_ns()
        assert sample.t_device_ns[0] is not None
        assert abs(sample.t_device_ns[0] - CLOCK.utc_ns()) < 60e9


def test_meter_describes_itself(bmc: Bmc, opened: Opened) -> None:
    """The meter is AC server input in whole watts, and its id holds the GUID of the system."""
    (device,) = opened(bmc).info
    (meter,) = device.meters
    assert meter.meter_id == f"ipmi:node1:{bmc.guid}:power"
    assert (meter.boundary, meter.current, meter.exponent) == (Boundary.SERVER_INPUT, Current.AC, 0)
    assert meter.update_period_s == 1.0


def test_password_is_seen_by_nobody(bmc: Bmc, opened: Opened) -> None:
    """The password stands neither in the child's arguments nor in its environment."""
    child = psutil.Process(opened(bmc).child_pid)
    assert all(PASSWORD not in word for word in child.cmdline())
    assert PASSWORD not in str(child.environ())


def test_pyghmi_stays_in_the_child(bmc: Bmc, opened: Opened) -> None:
    """The agent's own process never loads pyghmi."""
    opened(bmc)
    assert not [name for name in sys.modules if name.split(".")[0] == "pyghmi"]


def test_wrong_password(bmc: Bmc, opened: Opened) -> None:
    """A refused password fails `open` at once, names the account and the file, and leaves no child."""
    bmc.password_file.write_text("wrong")
    children = len(psutil.Process().children())
    with pytest.raises(MeterUnavailable, match=r"refuses user 'admin': Incorrect password.*password") as caught:
        opened(bmc)
    assert str(bmc.password_file) in caught.value.next_step
    assert len(psutil.Process().children()) == children


def test_missing_password_file(bmc: Bmc, opened: Opened) -> None:
    """A password file that does not exist is an error of the configuration, before any child is started."""
    bmc.password_file.unlink()
    with pytest.raises(ConfigError, match=r"password_file.*cannot be read"):
        opened(bmc)


def test_nobody_listens(bmc: Bmc, opened: Opened) -> None:
    """A BMC that is not there fails `open` within the deadline and the child's start, with the command to try by hand."""
    bmc.stop()
    begin = time.monotonic()
    with pytest.raises(MeterUnavailable, match=r"does not answer within 2 s.*ipmitool -I lanplus"):
        opened(bmc)
    assert time.monotonic() - begin < DEADLINE_S + 10.0


def test_unknown_host_name(bmc: Bmc) -> None:
    """A host name that nobody knows fails `open` and says which keys to correct."""
    meter = IpmiMeter(IpmiConfig("no-such-bmc.invalid", bmc.user, bmc.password_file, deadline_s=5.0), host="node1")
    with pytest.raises(MeterUnavailable, match="host and port"):
        meter.open()


def test_hung_bmc(bmc: Bmc, opened: Opened) -> None:
    """A BMC that hangs costs one deadline, then gaps with reasons; when it goes on, a new session reads it again."""
    meter = opened(bmc)
    first_child = meter.child_pid
    bmc.pause()
    begin = time.monotonic()
    sample = one(meter)
    assert DEADLINE_S <= time.monotonic() - begin < DEADLINE_S + SLACK_S
    assert sample.qualities == (Quality.GAP,)
    assert sample.reasons == ("no answer within 2 s",)
    begin = time.monotonic()
    assert re.fullmatch(r"child process in (back-off|start) after: no answer within 2 s", one(meter).reasons[0])
    assert time.monotonic() - begin < DEADLINE_S
    bmc.resume()
    gaps = gaps_until_value(meter)
    assert all("no answer within 2 s" in gap.reasons[0] for gap in gaps)
    assert meter.child_pid != first_child


def test_restarted_bmc(bmc: Bmc, opened: Opened) -> None:
    """A BMC that loses its power and comes back is read again without help."""
    meter = opened(bmc)
    bmc.stop()
    assert one(meter).qualities == (Quality.GAP,)
    bmc.set_watts(640)
    bmc.start()
    gaps_until_value(meter)
    assert one(meter).values == (640,)


def test_killed_child(bmc: Bmc, opened: Opened) -> None:
    """A child that dies is one gap with the reason, and is replaced."""
    meter = opened(bmc)
    assert meter.child_pid is not None
    os.kill(meter.child_pid, 9)
    assert one(meter).reasons == ("child process ended",)
    gaps_until_value(meter)


def test_inactive_and_zero(bmc: Bmc, opened: Opened) -> None:
    """Neither an inactive measurement nor 0 W nor all bits set become a number, and none of them costs the session."""
    meter = opened(bmc)
    child = meter.child_pid
    bmc.set_watts(512, active=False)
    sample = one(meter)
    assert (sample.values, sample.qualities) == ((None,), (Quality.GAP,))
    assert "not active" in sample.reasons[0]
    for watts in (0, 0xFFFF):
        bmc.set_watts(watts)
        sample = one(meter)
        assert (sample.values, sample.qualities) == ((None,), (Quality.SENTINEL,))
        assert f"{watts} W" in sample.reasons[0]
    bmc.set_watts(500)
    assert one(meter).values == (500,)
    assert meter.child_pid == child


def test_refused_reading(bmc: Bmc, opened: Opened) -> None:
    """A completion code of the BMC is a gap with its text, and the session goes on."""
    meter = opened(bmc)
    child = meter.child_pid
    watts = bmc.folder / "watts"
    watts.unlink()
    assert one(meter).qualities == (Quality.GAP,)
    assert one(meter).reasons[0]
    bmc.set_watts(501)
    assert one(meter).values == (501,)
    assert meter.child_pid == child


def test_second_meter_is_not_delayed(bmc: Bmc, opened: Opened, tmp_path: Path) -> None:
    """While the read of a hung BMC waits in its own thread, another BMC is read many times."""
    other = Bmc(tmp_path / "other", guid="6a6f756c656d61726b0000000000b3c2", watts=333)
    other.start()
    try:
        hung, quick = opened(bmc), opened(other)
        bmc.pause()
        waiting = threading.Thread(target=one, args=(hung,))
        waiting.start()
        seen = []
        while waiting.is_alive():
            seen.append(one(quick).values)
            time.sleep(0.02)
        waiting.join()
        assert len(seen) >= 3, "one where they wait for each other"
        assert set(seen) == {(333,)}
    finally:
        other.stop()


def test_lifecycle(bmc: Bmc, opened: Opened) -> None:
    """`close` is safe before `open` and twice and ends the child; `open` twice keeps one session, and works after `close`."""
    unopened = IpmiMeter(config_of(bmc), host="node1")
    unopened.close()
    assert unopened.info == ()
    with pytest.raises(MeterTransient, match="not open"):
        unopened.read(CLOCK)
    meter = opened(bmc)
    child = meter.child_pid
    meter.open()
    assert meter.child_pid == child
    meter.close()
    meter.close()
    assert child is not None
    assert not psutil.pid_exists(child)
    meter.open()
    assert one(meter).values == (512,)


def test_driver_builds_from_a_table(tmp_path: Path) -> None:
    """The driver builds a meter from its table and refuses a key it does not know."""
    options = {"host": "10.0.0.1", "user": "monitor", "password_file": str(tmp_path / "secret"), "port": free_udp_port()}
    assert DRIVER.build(MeterTable("ipmi", options), host="node1").info == ()
    with pytest.raises(ConfigError, match=r"unknown key 'pasword_file'.*password_file"):
        DRIVER.build(MeterTable("ipmi", {**options, "pasword_file": "x"}), host="node1")
    with pytest.raises(ConfigError, match="deadline_s"):
        DRIVER.build(MeterTable("ipmi", {**options, "deadline_s": 0}), host="node1")
    assert DRIVER.discover() == []


def test_parse_power_reading() -> None:
    """Every field of the DCMI layout arrives in its place; other bytes are refused."""
    data = struct.pack("<BHHHHIIB", 0xDC, 512, 480, 640, 523, 1_790_000_000, 1000, 0x40)
    reading = parse_power_reading(data)
    assert (reading.current_w, reading.minimum_w, reading.maximum_w, reading.average_w) == (512, 480, 640, 523)
    assert (reading.bmc_time_s, reading.period_ms, reading.active) == (1_790_000_000, 1000, True)
    assert judged(reading) == (512, Quality.OK, "")
    for bad in (b"", data[:17], b"\xdd" + data[1:]):
        with pytest.raises(MeterTransient, match="instead of a DCMI power reading"):
            parse_power_reading(bad)


def test_serial_of_empty_guid() -> None:
    """A GUID of equal bytes identifies nothing, so the BMC's address stands in."""
    assert serial_of(bytes(16), "10.0.0.1-623") == "10.0.0.1-623"
    assert serial_of(b"", "10.0.0.1-623") == "10.0.0.1-623"
    assert serial_of(bytes(range(16)), "x") == bytes(range(16)).hex()
