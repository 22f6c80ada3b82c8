from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterTransient, MeterUnavailable
from joulemark.meters.async_meter import GRACE_S
from joulemark.meters.exec import DRIVER, ExecConfig, ExecMeter, presets
from joulemark.meters.exec_process import KILL_S
from joulemark.readings import Averaging, Boundary, Current, Quality, Quantity, Sample
from joulemark.timebase import SystemClock
from tests.meters.living.exec_ import options as ipmitool_options
from tests.standins.ipmi_standin import PASSWORD, Bmc

CLOCK = SystemClock()
PATTERN = r"^power (\S+)$"
POWER = {"pattern": PATTERN, "unit": "W", "boundary": "server_input"}


@pytest.fixture
def opened() -> Iterator[Callable[..., ExecMeter]]:
    """Opens a meter of the keys of a table; closed with the test."""
    meters: list[ExecMeter] = []

    def open_(**keys: Any) -> ExecMeter:
        meter = DRIVER.build(MeterTable("exec", {"timeout_s": 2.0, **keys}), host="node1")
        assert isinstance(meter, ExecMeter)
        meters.append(meter)
        meter.open()
        return meter

    yield open_
    for meter in meters:
        meter.close()


Open = Callable[..., ExecMeter]


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Bmc]:
    simulated = Bmc(tmp_path / "bmc")
    simulated.start()
    yield simulated
    simulated.stop()


class Tool:
    """A program of the laboratory, whose text is written anew by the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "labtool"
        self.does("echo power 300.5")

    def does(self, script: str) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"#!/bin/sh\n{script}\n")
        fresh.chmod(fresh.stat().st_mode | stat.S_IXUSR)
        fresh.replace(self.path)

    @property
    def argv(self) -> list[str]:
        return [str(self.path)]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def one(meter: ExecMeter) -> Sample:
    (sample,) = meter.read(CLOCK)
    return sample


def test_ipmitool_reads_a_bmc(bmc: Bmc, opened: Open) -> None:
    """The preset for ipmitool reads the watts of a simulated BMC over LAN, dated by a bracket around the run; inactive is no value."""
    meter = opened(**ipmitool_options(bmc, bmc.password_file))
    for watts in (512, 731):
        bmc.set_watts(watts)
        before_ns = CLOCK.mono_ns()
        sample = one(meter)
        assert sample.values == (watts * 10**6,)
        assert before_ns <= sample.t_read0_ns < sample.t_read1_ns <= CLOCK.mono_ns()
        assert sample.t_device_ns == (None,)
    info = meter.info[0].meters[0]
    assert (info.boundary, info.current, info.step, info.update_period_s) == (Boundary.SERVER_INPUT, Current.AC, 10**6, 1.0)
    bmc.set_watts(512, active=False)
    with pytest.raises(MeterTransient, match="finds nothing"):
        one(meter)
    bmc.set_watts(0)
    assert one(meter).qualities == (Quality.SENTINEL,)


def test_ipmi_dcmi_reads_a_bmc(bmc: Bmc, opened: Open, tmp_path: Path) -> None:
    """The preset for FreeIPMI reads the same BMC, its account kept in a file; inactive is no value."""
    account = tmp_path / "freeipmi.conf"
    account.write_text(f"username {bmc.user}\npassword {PASSWORD}\n")
    account.chmod(0o600)
    lan = ["-D", "LAN_2_0", "-h", f"127.0.0.1:{bmc.port}", "-W", "opensesspriv", f"--config-file={account}"]
    meter = opened(preset="ipmi-dcmi", argv=["/usr/sbin/ipmi-dcmi", *lan, "--get-system-power-statistics"])
    assert one(meter).values == (512_000_000,)
    bmc.set_watts(512, active=False)
    with pytest.raises(MeterTransient, match="finds nothing"):
        one(meter)


def test_description(tool: Tool, opened: Open) -> None:
    """The configuration says what the device is; nothing of the arguments is told, and what it does not say stays unknown."""
    meter = opened(argv=[*tool.argv, "--password", "secret"], serial="psu:7", vendor="Example", model="X1", **POWER)
    (device,) = meter.info
    (info,) = device.meters
    assert info.meter_id == "exec:node1:psu-7:power"
    assert (info.vendor, info.model, info.quantity) == ("Example", "X1", Quantity.POWER)
    assert (info.averaging, info.averaging_window_s, info.update_period_s) == (Averaging.UNKNOWN, None, None)
    assert (info.accuracy, info.simulated) == (None, False)
    assert info.interface == "command labtool"
    assert "secret" not in str(info)
    assert one(meter).values == (300_500_000,)


def test_stated_averaging_and_refresh(tool: Tool, opened: Open) -> None:
    """Averaging and update period are those of the configuration, and the current is direct behind the power supply."""
    keys = {**POWER, "boundary": "gpu"}
    info = opened(argv=tool.argv, averaging="boxcar", averaging_window_s=1.0, update_period_s=2.0, **keys).info[0].meters[0]
    assert (info.averaging, info.averaging_window_s, info.update_period_s) == (Averaging.BOXCAR, 1.0, 2.0)
    assert info.current is Current.DC
    assert opened(argv=tool.argv, current="ac", **keys).info[0].meters[0].current is Current.AC


def test_an_energy_counter(tool: Tool, opened: Open) -> None:
    """A unit of energy makes a counter, with the step of its last digit."""
    tool.does("echo energy 1234.5")
    meter = opened(argv=tool.argv, pattern=r"energy (\S+)", unit="kWh", boundary="pdu_inlet")
    info = meter.info[0].meters[0]
    assert (info.meter_id, info.quantity) == ("exec:node1:labtool:energy", Quantity.ENERGY_COUNTER)
    assert info.si(info.step) == 360_000
    assert [info.si(value) for value in one(meter).values if value is not None] == [4_444_200_000.0]


@pytest.mark.parametrize("program", [["echo", "power 300"], ["printf", "power 300"], ["/bin/echo", "power 300"]])
def test_a_constant_is_simulated(opened: Open, program: list[str]) -> None:
    """A program that can only repeat its arguments is a simulated meter, and its description says why (INT-6)."""
    info = opened(argv=program, **POWER).info[0].meters[0]
    assert info.simulated
    assert "constant" in info.note


def test_several_devices(tool: Tool, opened: Open) -> None:
    """Each id is a device; one that leaves the output is a gap, one that comes is not taken for another."""
    tool.does("echo 'card 1: 200 W'; echo 'card 0: 100 W'")
    meter = opened(argv=tool.argv, pattern=r"card (?P<id>\d): (?P<value>\S+) W", unit="W", boundary="gpu", serial="cards")
    assert [device.device_id for device in meter.info] == ["exec:node1:cards-1", "exec:node1:cards-0"]
    tool.does("echo 'card 0: 101 W'; echo 'card 2: 300 W'")
    first, second = meter.read(CLOCK)
    assert (first.values, first.qualities) == ((None,), (Quality.GAP,))
    assert "'1'" in first.reasons[0]
    assert second.values == (101_000_000,)


def test_another_encoding(tool: Tool, opened: Open) -> None:
    """Output in GB2312, or in no encoding at all, does not hide the value."""
    tool.does(r"printf '\265\347\316\302 \377\npower 68.0\n'")
    assert one(opened(argv=tool.argv, encoding="gb18030", **POWER)).values == (68_000_000,)
    assert one(opened(argv=tool.argv, **POWER)).values == (68_000_000,)


def test_failures_are_errors_with_reasons(tool: Tool, opened: Open) -> None:
    """A status, a silent or changed output and a program that was removed are errors of that read; the next one may succeed."""
    meter = opened(argv=tool.argv, **POWER)
    for script, said in (
        ("echo cannot open device >&2; exit 1", "labtool ended with status 1: cannot open device"),
        ("true", "labtool: the pattern finds nothing"),
        ("echo temperature 50", "labtool: the pattern finds nothing in 'temperature 50'"),
    ):
        tool.does(script)
        with pytest.raises(MeterTransient, match=said):
            one(meter)
    tool.path.unlink()
    with pytest.raises(MeterTransient, match="cannot be started"):
        one(meter)
    tool.does("echo power 301")
    assert one(meter).values == (301_000_000,)


def test_what_open_refuses(tool: Tool, opened: Open) -> None:
    """A command that is missing, fails or prints no value makes the meter unavailable, with what to do."""
    for argv, script in ((["no-such-program"], "true"), (tool.argv, "exit 1"), (tool.argv, "echo nothing")):
        tool.does(script)
        with pytest.raises(MeterUnavailable) as raised:
            opened(argv=argv, **POWER)
        assert raised.value.next_step


def test_hung_commands_do_not_gather(tool: Tool, opened: Open) -> None:
    """Each read of a command that hangs ends in time and takes its process with it; the command is read again when it answers."""
    meter = opened(argv=tool.argv, **{**POWER, "timeout_s": 0.3})
    tool.does("sleep 60")
    for _ in range(3):
        begin_s = time.monotonic()
        with pytest.raises(MeterTransient, match=r"did not end within 0\.3 s"):
            one(meter)
        assert time.monotonic() - begin_s < 0.3 + 2 * KILL_S + GRACE_S + 10.0
        assert meter.pid is not None
        assert not psutil.pid_exists(meter.pid)
    assert psutil.Process().children() == []
    tool.does("echo power 302")
    assert one(meter).values == (302_000_000,)


def test_two_meters_do_not_wait_for_each_other(tmp_path: Path, tool: Tool, opened: Open) -> None:
    """While one command hangs, another is read at its own pace."""
    slow = opened(argv=tool.argv, **POWER)
    (tmp_path / "other").mkdir()
    quick_tool = Tool(tmp_path / "other")
    quick = opened(argv=quick_tool.argv, serial="quick", **POWER)
    tool.does("sleep 1; echo power 1")

    waiting = threading.Thread(target=one, args=(slow,))
    waiting.start()
    reads = [one(quick) for _ in range(10)]
    assert waiting.is_alive()
    waiting.join()
    assert {sample.values for sample in reads} == {(300_500_000,)}


def test_presets_are_whole() -> None:
    """Each preset is a configuration by itself, and each key of a table wins over the preset's."""
    assert set(presets()) == {"npu-smi", "npu-smi-310", "ipmitool-dcmi", "ipmi-dcmi"}
    for name in presets():
        config = ExecConfig(preset=name)
        assert config.argv
        assert config.boundary is not None
    chosen = ExecConfig(preset="npu-smi", argv=("npu-smi", "info", "-t", "power", "-i", "3", "-c", "1"), boundary=Boundary.MODULE)
    assert (chosen.argv[5], chosen.boundary, chosen.unit) == ("3", Boundary.MODULE, "W")


def test_a_rated_power_is_no_measurement(tool: Tool, opened: Open) -> None:
    """The rating that chips of an Ascend 310 print under a like key is never read as power."""
    tool.does("echo '  Rated Power Dissipation(W) : 8.0'")
    for preset in ("npu-smi", "npu-smi-310"):
        with pytest.raises(MeterUnavailable, match="finds nothing"):
            opened(preset=preset, argv=tool.argv)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({}, r"argv is empty.*ipmitool-dcmi"),
        ({"argv": ["x"], "pattern": "(a)", "boundary": "gpu"}, r"unit = ''.*kWh"),
        ({"argv": ["x"], "pattern": "(a)", "unit": "MW", "boundary": "gpu"}, "unit = 'MW'"),
        ({"argv": ["x"], "pattern": "(a)", "unit": "W"}, r"boundary is not set.*server_input"),
        ({"argv": ["x"], "pattern": "(a)", "unit": "W", "boundary": "moon"}, "boundary"),
        ({"argv": ["x"], "unit": "W", "boundary": "gpu"}, "pattern or json_pointer"),
        ({"argv": "x y", "pattern": "(a)", "unit": "W", "boundary": "gpu"}, r"argv.*list"),
        ({"preset": "cnmon"}, r"preset = 'cnmon'.*npu-smi"),
        ({"preset": "npu-smi", "encoding": "hex"}, "encoding"),
        ({"preset": "npu-smi", "encoding": "klingon"}, "encoding"),
        ({"preset": "npu-smi", "timeout_s": 0}, "timeout_s"),
        ({"preset": "npu-smi", "max_bytes": 0}, "max_bytes"),
        ({"preset": "npu-smi", "resolution": -1}, "resolution"),
        ({"preset": "npu-smi", "update_period_s": -1}, "update_period_s"),
        ({"preset": "npu-smi", "patern": "(a)"}, "did you mean 'pattern'"),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, Any], named: str) -> None:
    """A key that is missing or cannot be used is an error of the configuration that names it and what to write."""
    with pytest.raises(ConfigError, match=named) as raised:
        DRIVER.build(MeterTable("exec", keys), host="node1")
    assert raised.value.next_step
