"""The real nvidia-ml-py against the compiled stand-in driver, whose energy is known exactly."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pynvml
import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterFault, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters import nvml, nvml_fields
from joulemark.meters.nvml import DRIVER
from joulemark.readings import Averaging, Quality, Sample, TimestampSource
from joulemark.timebase import SystemClock
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave

CLOCK = SystemClock()
CHANNELS = ["power_instant", "power_average", "energy"]
ENERGY = 2

Opened = Callable[..., nvml.NvmlMeter]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml_standin.build(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def opened(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Open the meter on a wave; the stand-in reads its environment at every first nvmlInit."""
    meters: list[nvml.NvmlMeter] = []

    def build(wave: NvmlWave, **options: object) -> nvml.NvmlMeter:
        for name, value in wave.env().items():
            monkeypatch.setenv(name, value)
        meter = DRIVER.build(MeterTable("nvml", {"library": str(library), **options}), host="node1")
        assert isinstance(meter, nvml.NvmlMeter)
        meters.append(meter)
        meter.open()
        return meter

    yield build
    for meter in meters:
        meter.close()


def channels(meter: nvml.NvmlMeter) -> list[str]:
    return [info.channel for info in meter.info[0].meters]


def energy_between(first: Sample, second: Sample) -> tuple[float, int, int]:
    """Counter difference in joules, and the driver's stamps of both readings."""
    (v0, v1), (t0, t1) = zip(*((s.values[ENERGY], s.t_device_ns[ENERGY]) for s in (first, second)), strict=True)
    assert None not in (v0, v1, t0, t1)
    return (v1 - v0) / 1000, t0, t1


def test_counter_is_the_exact_integral(opened: Opened) -> None:
    """Between the driver's own stamps the counter grew by the exact energy of the wave, on every GPU, to the millijoule."""
    wave = NvmlWave(gpus=8, half_period_ns=37_000_000, phase_ns=tuple(range(0, 64_000_000, 8_000_000)), energy_step_ns=20_000_000)
    meter = opened(wave)
    first = meter.read(CLOCK)
    time.sleep(0.35)
    second = meter.read(CLOCK)
    for gpu, pair in enumerate(zip(first, second, strict=True)):
        counted_j, t0_ns, t1_ns = energy_between(*pair)
        assert t1_ns - t0_ns >= 340_000_000
        assert counted_j == pytest.approx(wave.energy_j(t0_ns, t1_ns, gpu), abs=0.0011)


def test_what_was_taken_stays_as_it_was(opened: Opened) -> None:
    """Polls that are taken apart after later ones say what they would have said at once: the counter as it stood, by its own stamp."""
    wave = NvmlWave(gpus=2, half_period_ns=37_000_000, energy_step_ns=1_000_000)
    meter = opened(wave)
    sweeps = []
    for _ in range(4):
        sweeps.append(meter.take(CLOCK))
        time.sleep(0.02)
    polls = [sweep.samples() for sweep in sweeps]
    for before, after in pairwise(polls):
        for gpu in (0, 1):
            counted_j, t0_ns, t1_ns = energy_between(before[gpu], after[gpu])
            assert before[gpu].t_read1_ns < after[gpu].t_read0_ns
            assert t1_ns - t0_ns >= 19_000_000
            assert counted_j == pytest.approx(wave.energy_j(t0_ns, t1_ns, gpu), abs=0.0011)


def test_power_is_the_wave_at_the_drivers_time(opened: Opened) -> None:
    """Instant power is the level at the driver's stamp, which lies inside the read bracket in UTC."""
    wave = NvmlWave(half_period_ns=20_000_000)
    meter = opened(wave)
    for _ in range(12):
        [sample] = meter.read(CLOCK)
        stamp = sample.t_device_ns[0]
        assert stamp is not None
        edge_ns = min(stamp % wave.half_period_ns, -stamp % wave.half_period_ns)
        if edge_ns > 2000:
            assert sample.values[0] == wave.power_w(stamp) * 1000
        bracket = sample.t_read0_ns + sample.utc_minus_mono_ns, sample.t_read1_ns + sample.utc_minus_mono_ns
        assert bracket[0] - 50_000 <= stamp <= bracket[1] + 50_000
        time.sleep(0.007)


def test_average_is_the_mean_of_its_window(opened: Opened) -> None:
    """Average power is the mean of the wave over the second before the driver's stamp."""
    wave = NvmlWave(half_period_ns=300_000_000)
    [sample] = opened(wave).read(CLOCK)
    stamp, value = sample.t_device_ns[1], sample.values[1]
    assert stamp is not None
    assert value == pytest.approx(wave.energy_j(stamp - 1_000_000_000, stamp) * 1000, abs=2)


def test_one_call_reads_a_gpu(opened: Opened) -> None:
    """With calls of 20 ms two GPUs take 40 ms: one driver call each, and every bracket holds just its own.

    The quickest of some reads counts: on a busy machine any one may take longer.
    """
    meter = opened(NvmlWave(gpus=2, settings={"CALL_NS": 20_000_000}))
    for brackets in zip(*(meter.read(CLOCK) for _ in range(5)), strict=True):
        assert 20_000_000 <= min(sample.t_read1_ns - sample.t_read0_ns for sample in brackets) < 39_000_000


def test_description(opened: Opened) -> None:
    """Uuid, serial, limits, driver and the published sensor constants of an H100 are in the description, and that it is simulated."""
    [device] = opened(NvmlWave()).info
    instant, average, energy = device.meters
    assert [m.channel for m in device.meters] == CHANNELS
    assert instant.covers == (device.device_id.rsplit(":", 1)[1],)
    assert instant.rated_w == pytest.approx(840.0)
    assert instant.serial
    assert "575" in instant.firmware
    assert (instant.averaging_window_s, instant.update_period_s, instant.coverage) == (0.025, 0.1, 0.25)
    assert (average.averaging, average.averaging_window_s, average.coverage) == (Averaging.BOXCAR, 1.0, 1.0)
    assert (energy.modulus, energy.update_period_s, energy.coverage) == (None, 0.1, None)
    assert all(m.timestamp_source is TimestampSource.DRIVER and m.simulated for m in device.meters)


def test_open_constants_are_configurable(opened: Opened) -> None:
    """Window and period of the configuration take the place of the published ones, and the note says so."""
    [device] = opened(NvmlWave(), instant_window_s=0.05, power_period_s=0.2, average_window_s=0.5, energy_period_s=0.02).info
    instant, average, energy = device.meters
    assert (instant.averaging_window_s, instant.update_period_s, instant.coverage) == (0.05, 0.2, 0.25)
    assert "set by configuration" in instant.note
    assert (average.averaging_window_s, energy.update_period_s) == (0.5, 0.02)


def test_selected_gpus(opened: Opened) -> None:
    """Only the GPUs named by index or uuid are read; a name that matches none is unavailable."""
    meter = opened(NvmlWave(gpus=4), gpus=["2", "GPU-51a0d111-0000-4000-8000-000000000001"])
    assert [device.device_id[-1] for device in meter.info] == ["1", "2"]
    meter.close()
    with pytest.raises(MeterUnavailable, match="asked for"):
        opened(NvmlWave(gpus=4), gpus=["9"])


def test_lost_gpu_is_a_gap_and_the_others_go_on(opened: Opened) -> None:
    """When one GPU is lost its sample is a gap with the driver's words; the other GPU still gives numbers."""
    meter = opened(NvmlWave(gpus=2, settings={"LOST": f"1:{time.time_ns() + 150_000_000}"}))
    assert all(sample.values[0] for sample in meter.read(CLOCK))
    time.sleep(0.16)
    healthy, lost = meter.read(CLOCK)
    assert healthy.values[0]
    assert lost.values == (None, None, None)
    assert set(lost.qualities) == {Quality.GAP}
    assert "lost" in lost.reasons[0]


def test_all_lost_is_gone(opened: Opened) -> None:
    """When every GPU is lost the read ends the stream, with what to do next."""
    meter = opened(NvmlWave(gpus=2, settings={"LOST": f"-1:{time.time_ns() + 100_000_000}"}))
    time.sleep(0.11)
    with pytest.raises(MeterGone, match="dmesg"):
        meter.read(CLOCK)


def test_gpu_lost_before_open(opened: Opened) -> None:
    """A GPU that is lost at the start is left out, and the notes of the others say that it is not measured."""
    [device] = opened(NvmlWave(gpus=2, settings={"LOST": "0:1"})).info
    assert all("GPU 0 is lost" in meter.note for meter in device.meters)


def test_driver_reload_shows_a_falling_counter_as_read(opened: Opened) -> None:
    """After a driver reload the counter is small again; the value is given as read, judging it is the runner's part."""
    reload_ns = time.time_ns() + 100_000_000
    meter = opened(NvmlWave(energy_step_ns=10_000_000, settings={"RELOAD_NS": reload_ns}))
    [before] = meter.read(CLOCK)
    time.sleep(0.15)
    [after] = meter.read(CLOCK)
    assert before.values[ENERGY] is not None
    assert after.values[ENERGY] is not None
    assert after.values[ENERGY] < before.values[ENERGY]
    assert after.qualities[ENERGY] is Quality.OK


def test_mig_reports_the_physical_gpu_once(opened: Opened) -> None:
    """Under MIG there is one device for the physical GPU, marked as shared; the GPU without MIG is not."""
    first, second = opened(NvmlWave(gpus=2, settings={"MIG": 1})).info
    assert all("mig_shared" in meter.note for meter in first.meters)
    assert not any("mig_shared" in meter.note for meter in second.meters)


@pytest.mark.parametrize(
    ("unsupported", "expected"),
    [("185", ["power_instant", "energy"]), ("186", ["power_average", "energy"]), ("83,185", ["power_instant", "energy"])],
)
def test_missing_field_is_a_recorded_fact(opened: Opened, unsupported: str, expected: list[str]) -> None:
    """A field that the GPU lacks is no channel and is named in the note; the energy counter falls back to its plain call."""
    meter = opened(NvmlWave(settings={"UNSUPPORTED": unsupported}))
    assert channels(meter) == expected
    energy = meter.info[0].meters[-1]
    assert energy.timestamp_source is (TimestampSource.READ_BRACKET if "83" in unsupported else TimestampSource.DRIVER)
    assert "Not Supported" in energy.note
    [sample] = meter.read(CLOCK)
    assert all(sample.values)


@pytest.mark.parametrize(
    ("name", "architecture", "expected"),
    [("SIMULATED A100-SXM4-80GB", 7, "power_instant"), ("SIMULATED RTX A6000", 7, "power_average"), ("SIMULATED V100", 5, "power_instant")],
)
def test_plain_power_call_means_what_the_chip_says(opened: Opened, name: str, architecture: int, expected: str) -> None:
    """Without power fields the plain call stands in: a 1 s average on Ampere except GA100 and newer, instant before."""
    meter = opened(NvmlWave(settings={"UNSUPPORTED": "185,186", "NAME": name, "ARCHITECTURE": architecture}))
    assert channels(meter) == [expected, "energy"]
    [sample] = meter.read(CLOCK)
    assert sample.values[0]
    assert sample.t_device_ns[0] is None


def test_sentinels_are_no_numbers(opened: Opened) -> None:
    """All bits set, and 0 W, come back as sentinels without a number, the other channels with theirs."""
    [sample] = opened(NvmlWave(low_w=0, high_w=0, settings={"SENTINEL": "83"})).read(CLOCK)
    assert sample.values == (None, None, None)
    assert set(sample.qualities) == {Quality.SENTINEL}
    assert all(sample.reasons)


@pytest.mark.parametrize("number", [0xFFFFFFFFFFFFFFFF, 9223372036854775794, -1, float("nan"), float("inf")])
def test_blank_counters_are_sentinels(number: float) -> None:
    """The blanks of the driver stack, negative and non-finite numbers are never an energy."""
    outcome = nvml_fields.parse_value("energy", number)
    assert (outcome.value, outcome.quality) == (None, Quality.SENTINEL)


@pytest.mark.parametrize(("value_type", "member"), nvml_fields.UNION_MEMBER.items())
def test_union_member_follows_the_value_type(value_type: int, member: str) -> None:
    """Each value type is read through the union member that it names."""
    answer = pynvml.c_nvmlFieldValue_t()
    answer.valueType, answer.timestamp = value_type, 1_790_000_000_000_000
    setattr(answer.value, member, 4321)
    outcome = nvml_fields.parse_field("power_instant", answer)
    assert (outcome.value, outcome.t_device_ns, outcome.quality) == (4321, 1_790_000_000_000_000_000, Quality.OK)


def test_each_value_has_its_own_return_code() -> None:
    """A field that failed inside a call that succeeded is a gap with the driver's words, whatever number lies in it."""
    answer = pynvml.c_nvmlFieldValue_t()
    answer.valueType, answer.nvmlReturn, answer.value.uiVal = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, pynvml.NVML_ERROR_TIMEOUT, 4321
    outcome = nvml_fields.parse_field("power_instant", answer)
    assert (outcome.value, outcome.quality, outcome.reason) == (None, Quality.GAP, "driver: Timeout")


def test_unknown_value_type_is_a_gap() -> None:
    """A value type of a later driver gives a gap that names it, never a guess."""
    answer = pynvml.c_nvmlFieldValue_t()
    answer.valueType = 42
    outcome = nvml_fields.parse_field("power_instant", answer)
    assert outcome.value is None
    assert "42" in outcome.reason


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({pynvml.NVML_ERROR_GPU_IS_LOST}, MeterGone),
        ({pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_TIMEOUT}, MeterTransient),
        ({pynvml.NVML_ERROR_UNINITIALIZED}, MeterFault),
        ({-1}, MeterTransient),
    ],
)
def test_failure_of_all_gpus(codes: set[int], expected: type[MeterError]) -> None:
    """All gone is gone; any that may answer again is transient; the rest is a fault."""
    assert type(nvml.all_failed(codes, "reason")) is expected


def test_library_that_is_not_there(opened: Opened, tmp_path: Path) -> None:
    """A named library that cannot be loaded is unavailable, with its path in the message."""
    with pytest.raises(MeterUnavailable, match=r"nowhere\.so"):
        opened(NvmlWave(), library=str(tmp_path / "nowhere.so"))


def test_unknown_option() -> None:
    """A misspelt key is an error that names the right one."""
    with pytest.raises(ConfigError, match="library"):
        DRIVER.build(MeterTable("nvml", {"libary": "x"}), host="node1")


FRESH = """
import sys
from joulemark.config import MeterTable
from joulemark.errors import MeterUnavailable
from joulemark.meters.nvml import DRIVER
from joulemark.timebase import SystemClock
meter = DRIVER.build(MeterTable("nvml", {"library": sys.argv[1]} if len(sys.argv) > 1 else {}), host="node1")
try:
    meter.open()
except MeterUnavailable as error:
    sys.exit(str(error))
[sample] = meter.read(SystemClock())
print(*(info.channel for info in meter.info[0].meters), *sample.t_device_ns, all(sample.values), DRIVER.discover())
meter.close()
"""


def fresh(*args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Open and read once in a new process: nvidia-ml-py keeps the first library it loaded."""
    return subprocess.run(
        [sys.executable, "-c", FRESH, *args], env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def test_driver_without_field_values(tmp_path: Path) -> None:
    """A driver older than the field call is read through plain calls, dated by the read bracket."""
    library = nvml_standin.build(tmp_path, field_values=False)
    done = fresh(str(library), env=NvmlWave().env())
    assert done.stdout.split() == ["power_average", "energy", "None", "None", "True", "[{}]"], done.stderr


def test_no_driver_on_the_machine(tmp_path: Path) -> None:
    """Without a usable driver library the meter is unavailable and says what to install."""
    (tmp_path / "libnvidia-ml.so.1").touch()
    done = fresh(env={"LD_LIBRARY_PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "install the NVIDIA driver" in done.stderr


def test_two_meters_share_the_driver(opened: Opened, library: Path) -> None:
    """Closing one meter leaves another one's GPUs readable: the library counts its users."""
    first, second = opened(NvmlWave(gpus=2), gpus=["0"]), opened(NvmlWave(gpus=2), gpus=["1"])
    first.close()
    assert second.read(CLOCK)[0].values[0]
    second.close()
    assert ctypes.CDLL(str(library)).nvmlShutdown() == pynvml.NVML_ERROR_UNINITIALIZED


def test_duty_of_a_part_time_sensor(opened: Opened) -> None:
    """With 25 ms in 100 ms the instant power stands still between refreshes and is the mean of its own window."""
    wave = NvmlWave(half_period_ns=40_000_000, settings={"POWER_STEP_NS": 100_000_000, "INSTANT_NS": 25_000_000})
    [sample] = opened(wave).read(CLOCK)
    stamp = sample.t_device_ns[0]
    assert stamp is not None
    assert stamp % 100_000_000 == 0
    assert sample.values[0] == pytest.approx(wave.energy_j(stamp - 25_000_000, stamp) / 0.025 * 1000, abs=2)


def test_query_stamps(opened: Opened) -> None:
    """A driver that dates fields when asked, not when refreshed, gives one stamp to all of them."""
    [sample] = opened(NvmlWave(settings={"STAMP": "query"})).read(CLOCK)
    assert len(set(sample.t_device_ns)) == 1


def test_recorded_trace(opened: Opened, tmp_path: Path) -> None:
    """The stand-in follows a trace instead of the wave, linear between its points."""
    origin_ns = time.time_ns() - 1_000_000_000
    (tmp_path / "trace.csv").write_text("-1,0,100000\n-1,100000000000,300000\n")
    [sample] = opened(NvmlWave(origin_ns=origin_ns, settings={"TRACE": str(tmp_path / "trace.csv")})).read(CLOCK)
    stamp = sample.t_device_ns[0]
    assert stamp is not None
    assert sample.values[0] == pytest.approx(100_000 + (stamp - origin_ns) * 2e-6, abs=2)
