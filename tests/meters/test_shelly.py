from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.config import build
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.shelly import Channel, ShellyConfig, ShellyMeter, counted, judged, parse_channels
from joulemark.readings import Boundary, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import SystemClock
from tests.standins.bytes_standin import always, answer, serving
from tests.standins.shelly_standin import Shelly, plug, three_phase

CLOCK = SystemClock()
SECRET = "k7-9s-secret"


@contextmanager
def reading(device: Shelly, **options: Any) -> Iterator[ShellyMeter]:
    """A meter over a device that listens, not open."""
    device.start()
    meter = ShellyMeter(ShellyConfig(**{"host": "127.0.0.1", "port": device.port, "deadline_s": 5.0, **options}), host="node1")
    try:
        yield meter
    finally:
        meter.close()
        device.close()


@contextmanager
def opened(device: Shelly, **options: Any) -> Iterator[ShellyMeter]:
    with reading(device, **options) as meter:
        meter.open()
        yield meter


def channels(meter: ShellyMeter, sample: Sample | None = None) -> dict[str, tuple[int | None, Quality, str]]:
    """What each channel says."""
    [sample] = [sample] if sample else meter.read(CLOCK)
    said = zip(sample.values, sample.qualities, sample.reasons, strict=True)
    return {info.channel: one for info, one in zip(meter.info[0].meters, said, strict=True)}


def refused(meter: ShellyMeter) -> MeterUnavailable:
    with pytest.raises(MeterUnavailable) as raised:
        meter.open()
    assert raised.value.next_step
    return raised.value


def test_a_plug_describes_itself() -> None:
    """A plug is an outlet with its MAC as serial, power in tenths of a watt and a counter of thousandths of a watt-hour."""
    with opened(Shelly()) as meter:
        power, energy = meter.info[0].meters
        assert (power.meter_id, energy.meter_id) == (
            "shelly:node1:A8032AB12345:switch-0-power",
            "shelly:node1:A8032AB12345:switch-0-energy",
        )
        assert (power.vendor, power.model, power.serial, power.firmware) == ("Shelly", "SNPL-00112EU", "A8032AB12345", "1.4.4")
        assert (power.boundary, power.interface, power.update_period_s, power.accuracy) == (Boundary.OUTLET, "HTTP RPC", None, None)
        assert (power.si(power.step), energy.si(energy.step)) == (0.1, 3.6)
        assert power.covers == energy.covers == ("A8032AB12345-switch-0",)
        assert channels(meter) == {"switch-0-power": (120_500, Quality.OK, ""), "switch-0-energy": (180_000_000, Quality.OK, "")}


def test_one_request_reads_every_component() -> None:
    """Four sockets of a strip are read by one request, so that they share one bracket, and each covers its own place."""
    sockets = {f"switch:{i}": plug(10.0 * i, 100.0) for i in range(4)}
    device = Shelly(status=sockets)
    with opened(device) as meter:
        assert len({info.covers for info in meter.info[0].meters}) == 4
        device.asked.clear()
        said = channels(meter)
        assert [said[f"switch-{i}-power"][0] for i in range(4)] == [0, 10_000, 20_000, 30_000]
        assert device.asked == ["/rpc/Shelly.GetStatus"]


def test_three_phases_are_read_where_asked_for() -> None:
    """A three-phase meter is one whole; with phases each is a meter beside it, and the whole covers them."""
    status = three_phase((2407.9, 408.8, 222.8), (5631.61, 5934.31, 8703.38))
    identity = {"mac": "0C", "gen": 2, "model": "SPEM-003CEBEU", "ver": "1.4.4", "id": "x"}
    with opened(Shelly(identity=identity, status=dict(status))) as meter:
        assert set(channels(meter)) == {"em-0-power", "em-0-energy"}
        power, energy = meter.info[0].meters
        assert (power.covers, energy.update_period_s) == (("0C-em-0",), 60.0)
        assert power.accuracy is None
        assert energy.accuracy is not None
        assert energy.accuracy.limit_w(1000.0) == 10.0
    with opened(Shelly(identity=identity, status=dict(status)), phases=True) as meter:
        said = channels(meter)
        assert said["em-0-power"][0] == 3_039_500
        assert [said[f"em-0-{phase}-power"][0] for phase in "abc"] == [2_407_900, 408_800, 222_800]
        assert [said[f"em-0-{phase}-energy"][0] for phase in "abc"] == [202_737_960, 213_635_160, 313_321_680]
        covers = {info.channel: info.covers for info in meter.info[0].meters}
        assert covers["em-0-power"] == ("0C-em-0-a", "0C-em-0-b", "0C-em-0-c")
        assert covers["em-0-b-energy"] == ("0C-em-0-b",)


def test_a_model_with_other_transformers_is_not_of_the_class() -> None:
    """The class belongs to the model with its own transformers of 120 A; the one for 400 A has none stated."""
    identity = {"mac": "0C", "gen": 2, "model": "SPEM-003CEBEU400", "ver": "1", "id": "x"}
    with opened(Shelly(identity=identity, status=three_phase((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)))) as meter:
        assert all(info.accuracy is None for info in meter.info[0].meters)


@given(wh_thousandths=st.integers(0, 10**12), tenths_w=st.integers(-(10**6), 10**6))
def test_decimal_fractions_are_kept_exactly(wh_thousandths: int, tenths_w: int) -> None:
    """Every thousandth of a watt-hour is 36 tenths of a joule, and every tenth of a watt 100 milliwatts, without rounding."""
    assert counted(Decimal(wh_thousandths).scaleb(-3), Quantity.ENERGY_COUNTER, "x") == (36 * wh_thousandths, Quality.OK, "")
    assert counted(Decimal(tenths_w).scaleb(-1), Quantity.POWER, "x") == (100 * tenths_w, Quality.OK, "")


leaves = st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=8)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=4
)
FIELDS = ("apower", "act_power", "total_act_power", "aenergy", "errors", "a_errors", "total_act", "a_act_power", "total_act_energy")
component = anything | st.fixed_dictionaries({}, optional={field: anything for field in FIELDS})
statuses = st.fixed_dictionaries({}, optional={key: component for key in ("switch:0", "em:0", "emdata:0", "em1:0", "em1data:0", "sys")})


@settings(max_examples=60, deadline=None)
@given(status=statuses)
def test_no_status_breaks_the_reading(status: dict[str, Any]) -> None:
    """Whatever a device says, each channel is an integer, or no value with a reason."""
    for channel in parse_channels(status, phases=True):
        value, quality, reason = judged(channel, status)
        assert (value is None) == (not quality.integrable) == bool(reason)


POWER = Channel("p", ("switch:0", "apower"), Quantity.POWER, "switch:0")


@pytest.mark.parametrize(
    ("component", "quality", "reason"),
    [
        (plug(apower=None), Quality.GAP, "null"),
        (plug(apower=Decimal("NaN")), Quality.SENTINEL, "no number"),
        (plug(apower=Decimal("Infinity")), Quality.SENTINEL, "no number"),
        (plug(apower=True), Quality.SENTINEL, "no number"),
        (plug(apower="12.5"), Quality.SENTINEL, "no number"),
        (plug(apower=10**30), Quality.SENTINEL, "64 bits"),
        ({"id": 0}, Quality.GAP, "missing"),
        (None, Quality.GAP, "nothing of switch:0"),
        (plug(Decimal("1.5"), errors=["power_meter:shut_down"]), Quality.GAP, "power_meter:shut_down"),
        (plug(Decimal("1.5"), errors=["out_of_range:act_power"]), Quality.OVER_RANGE, "out_of_range:act_power"),
    ],
)
def test_what_is_no_measurement_is_no_number(component: Any, quality: Quality, reason: str) -> None:
    """Null, NaN, text, a missing component and a meter that reports a fault are gaps with their reason."""
    value, found, why = judged(POWER, {"switch:0": component})
    assert (value, found) == (None, quality)
    assert reason in why


def test_errors_of_other_parts_leave_the_value() -> None:
    """A relay that is too hot, or phases in another order, are no fault of the meter; nor is power that flows back."""
    assert judged(POWER, {"switch:0": plug(Decimal("-626.6"), errors=["overtemp"])}) == (-626_600, Quality.OK, "")
    status = three_phase((1, 2, 3), (1, 2, 3), errors=["phase_sequence"])
    [power, _] = parse_channels(status, phases=False)
    assert judged(power, status) == (6000, Quality.OK, "")


def test_a_fault_of_one_phase_takes_the_whole() -> None:
    """The sum of three phases is no value while one of them is not measured; the others go on."""
    status = three_phase((1, 2, 3), (1, 2, 3), b_errors=["power_meter_failure"])
    said = {channel.name: judged(channel, status)[1] for channel in parse_channels(status, phases=True)}
    assert {name for name, quality in said.items() if quality is Quality.GAP} == {
        "em-0-power",
        "em-0-energy",
        "em-0-b-power",
        "em-0-b-energy",
    }


def test_a_component_that_vanishes_is_a_gap() -> None:
    """When a profile is switched while the agent runs, what is no longer told is a gap, and nothing takes its place."""
    device = Shelly()
    with opened(device) as meter:
        gone = device.status.pop("switch:0")
        device.status["pm1:0"] = gone
        assert {quality for _, quality, _ in channels(meter).values()} == {Quality.GAP}


def test_a_counter_that_was_reset_is_told_as_it_stands() -> None:
    """After a reset the counter is read as it is: that it fell is for the collector to judge."""
    device = Shelly()
    with opened(device) as meter:
        device.status["switch:0"]["aenergy"]["total"] = 0.001
        assert channels(meter)["switch-0-energy"] == (36, Quality.OK, "")


def test_the_clock_of_the_device_is_information() -> None:
    """A device that is a year off, or has no time yet, moves no reading: the bracket dates it."""
    device = Shelly()
    device.status["sys"]["unixtime"] = 1_600_000_000
    with opened(device) as meter:
        assert {info.timestamp_source for info in meter.info[0].meters} == {TimestampSource.READ_BRACKET}
        before_ns = CLOCK.mono_ns()
        [sample] = meter.read(CLOCK)
        assert before_ns <= sample.t_read0_ns <= sample.t_read1_ns <= CLOCK.mono_ns()
        assert sample.t_device_ns == (1_600_000_000_000_000_000,) * 2
        device.status["sys"]["unixtime"] = None
        assert meter.read(CLOCK)[0].t_device_ns == (None, None)


def test_another_device_under_the_same_address_ends_the_stream() -> None:
    """A status with another MAC is not taken for the device that was opened."""
    device = Shelly()
    with opened(device) as meter:
        device.status["sys"]["mac"] = "A8032AB99999"
        with pytest.raises(MeterGone, match="another device now: MAC A8032AB99999"):
            meter.read(CLOCK)


@pytest.mark.parametrize("reuses_nonce", [True, False])
def test_a_password_is_used_with_new_and_with_old_firmware(tmp_path: Path, reuses_nonce: bool) -> None:
    """Digest authentication by SHA-256 works whether a nonce may be used again (firmware 2.0) or for one request only."""
    secret = tmp_path / "password"
    secret.write_text(SECRET + "\n")
    device = Shelly(password=SECRET, reuses_nonce=reuses_nonce)
    with opened(device, password_file=secret) as meter:
        device.asked.clear()
        for _ in range(3):
            assert channels(meter)["switch-0-power"][1] is Quality.OK
        assert len(device.asked) == (3 if reuses_nonce else 6)


def test_a_missing_and_a_wrong_password_are_told(tmp_path: Path) -> None:
    """Without password_file, and with a wrong one, open() names the key; no message ever holds the password."""
    secret = tmp_path / "password"
    secret.write_text(SECRET)
    with reading(Shelly(password="other")) as meter:
        error = refused(meter)
        assert "wants a password" in error.what
        assert "password_file" in error.next_step
    with reading(Shelly(password="other"), password_file=secret) as meter:
        error = refused(meter)
        assert "refuses the password of user admin" in error.what
        assert "password_file" in error.next_step
        assert SECRET not in str(error)
    with reading(Shelly(password="other"), password_file=tmp_path / "none") as meter, pytest.raises(ConfigError, match="chmod 600"):
        meter.open()


def test_a_password_that_changes_while_it_runs_asks_for_opening_again(tmp_path: Path) -> None:
    """A device that begins to refuse the password is opened again, which reads the file again."""
    secret = tmp_path / "password"
    secret.write_text("one")
    device = Shelly(password="one")
    with opened(device, password_file=secret) as meter:
        device.password = "two"
        with pytest.raises(MeterGone, match="refuses the password"):
            meter.read(CLOCK)
        secret.write_text("two")
        meter.close()
        meter.open()
        assert channels(meter)["switch-0-power"][1] is Quality.OK


@pytest.mark.parametrize(
    ("identity", "what"),
    [
        ({"type": "SHPLG-S", "mac": "A8032AB12345", "auth": False, "fw": "v1.14.0"}, "first generation (SHPLG-S)"),
        ({"hello": "world"}, "not as a Shelly does"),
    ],
)
def test_what_speaks_another_protocol_is_told(identity: dict[str, Any], what: str) -> None:
    """A device of the first generation, and a web server that is no Shelly, are refused in words."""
    with reading(Shelly(identity={"id": "x", **identity})) as meter:
        assert what in refused(meter).what


def test_a_device_that_measures_nothing_is_refused() -> None:
    """A relay without a meter has nothing to read."""
    with reading(Shelly(status={"switch:0": {"id": 0, "output": True}})) as meter:
        assert "no component that measures" in refused(meter).what


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>", "200 OK"), (b"[1, 2]", "200 OK"), (b'{"code":404}', "404 Not Found"), (b"", "500 Internal Server Error")],
)
def test_answers_that_are_no_status_fail_the_poll(body: bytes, status: str) -> None:
    """HTML, a list, an unknown method and a server error are failed polls that say what was answered."""
    with serving(always(answer(body, status=status))) as server:
        port = int(server.base.rpartition(":")[2])
        meter = ShellyMeter(ShellyConfig(host="127.0.0.1", port=port, deadline_s=5.0), host="node1")
        error = refused(meter)
        assert "/shelly answers" in error.what
    device = Shelly()
    with opened(device) as meter:
        device.status = "nothing"  # type: ignore[assignment]  # what a broken device says
        with pytest.raises(MeterTransient, match="no table of components"):
            meter.read(CLOCK)


def test_a_device_that_is_away_fails_polls_and_comes_back() -> None:
    """While it restarts each poll fails; afterwards it is read without being opened again."""
    device = Shelly()
    with opened(device) as meter:
        device.stop()
        with pytest.raises(MeterError) as raised:
            meter.read(CLOCK)
        assert raised.value.next_step
        device.start()
        assert channels(meter)["switch-0-power"][1] is Quality.OK


def test_power_and_counter_see_the_same_load() -> None:
    """What the counter grows by is the power over the time between two reads."""
    device = Shelly()
    with opened(device) as meter:
        device.set_power_w(360_000.0)
        [first] = meter.read(CLOCK)
        for _ in range(20):
            [last] = meter.read(CLOCK)
        assert first.values[1] is not None
        assert last.values[1] is not None
        grown_j = (last.values[1] - first.values[1]) / 10
        assert grown_j == pytest.approx(360_000.0 * (last.t_read1_ns - first.t_read1_ns) / 1e9, rel=0.2)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"host": "http://10.0.0.1"}, "shelly.host"),
        ({"host": ""}, "shelly.host"),
        ({"host": "h", "port": 0}, "shelly.port"),
        ({"host": "h", "deadline_s": 0.0}, "shelly.deadline_s"),
        ({"host": "h", "password": "x"}, "'password'"),
        ({}, "missing host"),
    ],
)
def test_a_wrong_configuration_names_key_and_mending(options: dict[str, Any], what: str) -> None:
    """Each key that cannot be is refused with what to set; a password is never taken as text."""
    with pytest.raises(ConfigError) as raised:
        build(ShellyConfig, options, "[[meter]]")
    assert what in raised.value.what
    assert raised.value.next_step


def test_the_secret_stays_out_of_what_is_printed() -> None:
    """The configuration holds the path of the password, never itself."""
    assert {f.name for f in dataclasses.fields(ShellyConfig)} == {"host", "port", "password_file", "phases", "deadline_s"}
