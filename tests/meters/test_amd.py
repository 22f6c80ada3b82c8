"""The real Python package amdsmi against the compiled stand-in library, whose energy is known exactly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.agent.watch import MeterWatch, watched
from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.amd import AVERAGE, CURRENT, DRIVER, AmdMeter, parse_energy, parse_power
from joulemark.readings import Averaging, Quality, TimestampSource
from joulemark.timebase import SystemClock
from tests.conftest import ManualClock
from tests.standins import amd_standin
from tests.standins.amd_standin import AmdWave
from tests.standins.switches import Switches
from tests.waiting import eventually

CLOCK = SystemClock()
S = 1_000_000_000
UNIT_UJ = Fraction(15.300000190734863)
"""15.3 as the library's float holds it."""

NOT_SUPPORTED, NO_PERM, BUSY, DRIVER_NOT_LOADED = 2, 10, 30, 34

Opened = Callable[..., AmdMeter]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Make the meter on a wave; the stand-in reads its environment when it is initialised."""
    meters: list[AmdMeter] = []

    def build(wave: AmdWave, **options: object) -> AmdMeter:
        for name, value in wave.env().items():
            monkeypatch.setenv(name, value)
        meter = DRIVER.build(MeterTable("amd", {"library": str(amd_standin.library()), **options}), host="node1")
        assert isinstance(meter, AmdMeter)
        meters.append(meter)
        return meter

    yield build
    for meter in meters:
        meter.close()


@pytest.fixture
def opened(built: Opened) -> Opened:
    """`built`, and open."""

    def build(wave: AmdWave, **options: object) -> AmdMeter:
        meter = built(wave, **options)
        meter.open()
        return meter

    return build


def channels(meter: AmdMeter, gpu: int = 0) -> list[str]:
    return [info.channel for info in meter.info[gpu].meters]


def test_counter_is_the_exact_integral(opened: Opened) -> None:
    """Between two reads the counter grew by the exact energy of the wave, to the width of both brackets, on each GPU."""
    wave = AmdWave(gpus=2, half_period_ns=37_000_000)
    meter = opened(wave)
    first = meter.read(CLOCK)
    time.sleep(0.3)
    second = meter.read(CLOCK)
    for one, other in zip(first, second, strict=True):
        (v0, v1) = (sample.values[channels(meter).index("energy")] for sample in (one, other))
        assert v0 is not None
        assert v1 is not None
        t0_ns, t1_ns = (sample.t_read0_ns + sample.utc_minus_mono_ns for sample in (one, other))
        slack_ns = max(sample.t_read1_ns - sample.t_read0_ns for sample in (one, other)) + 2_000_000
        counter = meter.info[0].meters[channels(meter).index("energy")]
        assert counter.si(v1 - v0) == pytest.approx(wave.energy_j(t0_ns, t1_ns), abs=2 * 500 * slack_ns / 1e9)


def test_power_in_watts(opened: Opened) -> None:
    """Current power is the level of the wave in whole watts, and instant; average power has a window that nobody states."""
    meter = opened(AmdWave(low_w=431.0, high_w=431.0, settings={"AVERAGE": "429"}))
    assert channels(meter) == ["power_current", "power_average", "energy"]
    [sample] = meter.read(CLOCK)
    assert sample.values[:2] == (431, 429)
    current, average, _ = meter.info[0].meters
    assert current.si(431) == 431.0
    assert (current.averaging, average.averaging) == (Averaging.INSTANT, Averaging.UNKNOWN)
    assert current.averaging_window_s is None


@given(st.integers(1, 2**59), st.floats(0.0078125, 1000, width=32))
def test_energy_is_rounded_once(counts: int, unit_uj: float) -> None:
    """Counts times resolution is the nearest whole microjoule of the exact product, and never falls as the counts grow."""
    value = parse_energy({"energy_accumulator": counts, "counter_resolution": unit_uj}).value
    after = parse_energy({"energy_accumulator": counts + 1, "counter_resolution": unit_uj}).value
    assert value is not None
    assert after is not None
    assert abs(value - Fraction(unit_uj) * counts) <= Fraction(1, 2)
    assert after >= value


@pytest.mark.parametrize(("counts", "microjoules"), [(65_628, 1_004_108), (59_230, 906_219), (8_589_935, 131_426_007)])
@pytest.mark.parametrize("key", ["energy_accumulator", "power"])
def test_published_counts(key: str, counts: int, microjoules: int) -> None:
    """Counts that real MI100 printed make the energies printed beside them (ROCm/amdsmi issues 38 and 22), under the old key too."""
    assert parse_energy({key: counts, "counter_resolution": 15.300000190734863, "timestamp": 1}).value == microjoules


def test_every_energy_fits_64_bits() -> None:
    """At 15.3 uJ the counter of a 1 kW GPU leaves 64 bits after 292 years, not before."""
    century = 100 * 365 * 86_400 * 1000 * 1_000_000
    value = parse_energy({"energy_accumulator": round(century / UNIT_UJ), "counter_resolution": 15.3}).value
    assert value is not None
    assert century * 0.99 < value < 2**63


@pytest.mark.parametrize("said", ["N/A", 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0, -1, None])
def test_marks_are_no_power(said: object) -> None:
    """Text, all bits set in any width, nothing and 0 W, which no powered GPU draws, are sentinels."""
    for channel, key in ((CURRENT, "current_socket_power"), (AVERAGE, "average_socket_power")):
        outcome = parse_power({key: said}, channel)
        assert (outcome.value, outcome.quality) == (None, Quality.SENTINEL)
        assert str(said) in outcome.reason
    assert parse_power({}, CURRENT).value is None


@pytest.mark.parametrize("said", ["N/A", 0xFFFFFFFFFFFFFFFF, 0])
def test_marks_are_no_energy(said: object) -> None:
    """A counter at all bits set, or at 0, counts nothing."""
    assert parse_energy({"energy_accumulator": said, "counter_resolution": 15.3}).quality is Quality.SENTINEL


def test_resolution_of_the_configuration(opened: Opened) -> None:
    """`resolution_uj` takes the place of the library's, which is not that of the kernel's header; the note tells both."""
    fixed = {"ACCUMULATOR": "8589935"}
    assert opened(AmdWave(settings=fixed), resolution_uj=15.2587890625).read(CLOCK)[0].values[-1] == 131_072_006
    stated = opened(AmdWave(settings=fixed))
    assert stated.read(CLOCK)[0].values[-1] == 131_426_007
    assert "15.2588 uJ" in stated.info[0].meters[-1].note


def test_frozen_counter_is_found_by_the_watch(opened: Opened, manual_clock: ManualClock) -> None:
    """A counter that a driver lets stand still while power goes on is stale after half a minute, and never a flat energy before that."""
    meter = opened(AmdWave(settings={"FROZEN_NS": 1_790_000_000_000_000_000, "AVERAGE": "34"}))
    watches = [MeterWatch(info) for info in meter.info[0].meters]
    seen = []
    for _ in range(4):
        [sample] = [watched(sample, watches) for sample in meter.read(manual_clock)]
        seen.append(dict(zip(channels(meter), sample.qualities, strict=True)))
        manual_clock.advance(15 * S)
    assert [one["energy"] for one in seen] == [Quality.OK, Quality.OK, Quality.OK, Quality.STALE]
    assert {one["power_average"] for one in seen} == {Quality.OK}


def test_stamp_of_the_library_dates_nothing(opened: Opened) -> None:
    """The library's stamp is of an unnamed clock: however wrong it is, the read bracket dates the reading."""
    meter = opened(AmdWave(settings={"STAMP_NS": 3_824_190_842_400_799}))
    [sample] = meter.read(CLOCK)
    assert sample.t_device_ns == (None, None)
    assert {info.timestamp_source for info in meter.info[0].meters} == {TimestampSource.READ_BRACKET}


def test_description(opened: Opened) -> None:
    """Uuid, PCI address, serial, driver, limit and that it is simulated are in the description."""
    meter = opened(AmdWave(gpus=2))
    first, second = (device.meters[0] for device in meter.info)
    assert first.meter_id == "amd:node1:51ff74a1-0000-1000-8000-000000000000:power_current"
    assert (first.vendor, first.model, first.firmware) == ("AMD", "SIMULATED AMD Instinct MI300X", "driver 6.12.12-SIMULATED")
    assert (first.serial, second.serial) == ("0x00000000005A1D00", "0x00000000005A1D01")
    assert (first.covers, second.covers) == (("node1/0000:c1:00.0",), ("node1/0000:c2:00.0",))
    assert first.rated_w == pytest.approx(1125.0)
    assert first.simulated


def test_serial_that_the_package_stumbles_over(opened: Opened) -> None:
    """Amdsmi raises ValueError for a serial that is no hex number: the rest of the description stands."""
    described = opened(AmdWave(settings={"SERIAL": "not hex "})).info[0].meters[0]
    assert described.serial == ""
    assert described.model == "SIMULATED AMD Instinct MI300X"


def test_selected_gpus(opened: Opened) -> None:
    """Only the GPUs named by uuid or PCI address are read; a name that matches none is unavailable."""
    assert [device.device_id[-1] for device in opened(AmdWave(gpus=3), gpus=["0000:c2:00.0"]).info] == ["1"]
    assert [device.device_id[-1] for device in opened(AmdWave(gpus=3), gpus=["51ff74a1-0000-1000-8000-000000000002"]).info] == ["2"]
    with pytest.raises(MeterUnavailable, match="no GPU that was asked for"):
        opened(AmdWave(), gpus=["0000:ff:00.0"])


def test_second_die_is_left_out(opened: Opened) -> None:
    """The second die of a card gives 0 W and no counts: the first tells for both, and its notes say so."""
    meter = opened(AmdWave(gpus=2, settings={"CURRENT": "65535,65535", "AVERAGE": "237,0", "ACCUMULATOR": f"65628,{2**64 - 1}"}))
    assert [device.device_id[-1] for device in meter.info] == ["0"]
    assert meter.read(CLOCK)[0].values == (237, 1_004_108)
    assert "0000:c2:00.0 tells neither power nor energy" in meter.info[0].meters[0].note


def test_lost_gpu_is_a_gap_and_the_others_go_on(opened: Opened) -> None:
    """When one GPU is lost its sample is a gap with the library's words; the other GPU still gives numbers."""
    lost_ns = time.time_ns() + 2_000_000_000
    meter = opened(AmdWave(gpus=2, settings={"LOST": f"1:{lost_ns}"}))
    assert [sample.values[0] is not None for sample in meter.read(CLOCK)] == [True, True]
    eventually(lambda: time.time_ns() > lost_ns, "one is lost")
    alive, lost = meter.read(CLOCK)
    assert alive.values[0] is not None
    assert lost.qualities == (Quality.GAP, Quality.GAP)
    assert lost.reasons[0] == "library: AMDSMI_STATUS_NOT_FOUND - Device Not found"


@pytest.mark.parametrize(
    ("code", "expected"), [(31, MeterGone), (DRIVER_NOT_LOADED, MeterGone), (BUSY, MeterTransient), (14, MeterTransient)]
)
def test_no_gpu_answers(opened: Opened, tmp_path: Path, code: int, expected: type[MeterError]) -> None:
    """All gone is gone, so that the meter is opened anew; any other failure of all may pass."""
    switches = Switches(tmp_path / "switches")
    meter = opened(AmdWave(settings={"SWITCHES": str(switches.folder), "ERROR_LOST": code}))
    switches.lose()
    with pytest.raises(expected, match="AMDSMI_STATUS"):
        meter.read(CLOCK)


def test_power_that_follows_the_switches(opened: Opened, tmp_path: Path) -> None:
    """A power set while it runs is the next reading, and the counter goes on with it."""
    switches = Switches(tmp_path / "switches")
    meter = opened(AmdWave(settings={"SWITCHES": str(switches.folder)}))
    switches.set_power_w(321)
    before = meter.read(CLOCK)
    time.sleep(0.1)
    after = meter.read(CLOCK)
    (w0, j0), (w1, j1) = before[0].values, after[0].values
    assert w0 == w1 == 321
    assert j0 is not None
    assert j1 is not None
    elapsed_s = (after[0].t_read0_ns - before[0].t_read0_ns) / S
    assert (j1 - j0) / 1e6 == pytest.approx(321 * elapsed_s, rel=0.2)


@pytest.mark.parametrize(("missing", "left"), [("ERROR_POWER", ["energy"]), ("ERROR_ENERGY", ["power_current"])])
def test_call_that_a_gpu_lacks(opened: Opened, missing: str, left: list[str]) -> None:
    """A GPU that lacks one of the two calls measures by the other."""
    assert channels(opened(AmdWave(settings={missing: NOT_SUPPORTED}))) == left


def test_gpu_that_tells_nothing_at_the_start(built: Opened) -> None:
    """open() takes a reading: where every GPU fails it is unavailable with the library's words."""
    with pytest.raises(MeterUnavailable, match="AMDSMI_STATUS_BUSY") as caught:
        built(AmdWave(settings={"ERROR_POWER": BUSY, "ERROR_ENERGY": NOT_SUPPORTED})).open()
    assert caught.value.next_step


@pytest.mark.parametrize("where", ["ERROR_INIT", "ERROR_LIST", "ERROR_POWER"])
def test_no_permission_names_the_groups(built: Opened, where: str) -> None:
    """A user who may not open the devices is told the groups, wherever the library says so."""
    with pytest.raises(MeterUnavailable) as caught:
        built(AmdWave(settings={where: NO_PERM, "ERROR_ENERGY": NO_PERM})).open()
    assert "usermod -aG render,video" in caught.value.next_step


def test_two_meters_share_the_library(opened: Opened) -> None:
    """Closing one meter leaves another one's GPUs readable, though one shut-down ends the library for everybody."""
    first, second = opened(AmdWave()), opened(AmdWave())
    first.close()
    assert second.read(CLOCK)[0].values[0] is not None


def test_calls_go_one_at_a_time(opened: Opened) -> None:
    """Two meters in two threads never are in the library together: with 20 ms a call their reads take the sum."""
    meters = [opened(AmdWave(settings={"CALL_NS": 20_000_000})) for _ in range(2)]
    threads = [threading.Thread(target=meter.read, args=(CLOCK,)) for meter in meters]
    begin_s = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begin_s >= 2 * 2 * 0.020


@pytest.mark.parametrize(
    ("options", "match"),
    [({"library": "/opt/rocm/libamd_smi.so.26"}, "lib/libamd_smi.so"), ({"resolution_uj": 0.0}, "resolution_uj"), ({"gpu": ["0"]}, "gpus")],
)
def test_bad_configuration(options: dict[str, object], match: str) -> None:
    """A path that the package cannot be led to, a unit of nothing and a misspelt key are told with what to write."""
    with pytest.raises(ConfigError, match=match) as caught:
        DRIVER.build(MeterTable("amd", options), host="node1")
    assert caught.value.next_step
