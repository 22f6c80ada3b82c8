from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from joulemark.config import build
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.modbus import EXCEPTIONS, ModbusConfig, ModbusMeter
from joulemark.readings import Boundary, MeterRange, Quality, Quantity, Sample
from joulemark.timebase import SystemClock
from tests.meters.test_modbus_map import OWN
from tests.standins.modbus_standin import Line, Sdm, Unit, words

CLOCK = SystemClock()
DEADLINE_S = 5.0
SHORT_S = 1.0
"""Deadline of the tests that wait for it."""


def wt310e(*, status: int = 0, power: float = 4968.5) -> Unit:
    items = [230.1, 21.6, power, 4970.2, 130.0, 0.9997, 1.5, 50.0]
    return Unit({2: [status], 0x07D0: [word for item in items for word in words("f", item)]})


@contextmanager
def reading(unit: Unit, **options: Any) -> Iterator[tuple[ModbusMeter, Line]]:
    """A meter over a line with one unit, not open."""
    line = Line({1: unit})
    line.start()
    options = {"host": "127.0.0.1", "port": line.port, "deadline_s": DEADLINE_S, **options}
    if "map_file" not in options:
        options.setdefault("device", "sdm630")
    meter = ModbusMeter(ModbusConfig(**options), host="node1")
    try:
        yield meter, line
    finally:
        meter.close()
        line.close()


def channels(meter: ModbusMeter, sample: Sample) -> dict[str, tuple[int | None, Quality, str]]:
    """What each channel says."""
    said = zip(sample.values, sample.qualities, sample.reasons, strict=True)
    return {info.channel: one for info, one in zip(meter.info[0].meters, said, strict=True)}


def eventually(meter: ModbusMeter) -> Sample:
    """The first sample after polls that failed, as the runner gets it."""
    for _ in range(10):
        with contextlib.suppress(MeterTransient):
            [sample] = meter.read(CLOCK)
            return sample
    raise AssertionError("the meter is not read again")


def refused(meter: ModbusMeter) -> MeterUnavailable:
    with pytest.raises(MeterUnavailable) as raised:
        meter.open()
    assert raised.value.next_step
    return raised.value


def test_a_meter_with_its_phases() -> None:
    """An SDM630 gives power and energy of the whole and of each phase, in one sample, the whole covering its phases."""
    with reading(Sdm(), phases=True) as (meter, line):
        meter.open()
        whole, energy, *phases = meter.info[0].meters
        assert whole.meter_id == "modbus:node1:20630417:power"
        assert (whole.vendor, whole.model, whole.interface, whole.boundary) == ("Eastron", "SDM630", "Modbus/RTU", Boundary.PDU_INLET)
        assert whole.covers == energy.covers == ("20630417-l1", "20630417-l2", "20630417-l3")
        assert {info.covers for info in phases} == {("20630417-l1",), ("20630417-l2",), ("20630417-l3",)}
        assert energy.step == 439_453
        [sample] = meter.read(CLOCK)
        said = channels(meter, sample)
        assert said["power"] == (893_800, Quality.OK, "")
        assert [said[f"l{i}-power"][0] for i in (1, 2, 3)] == [446_900, 268_140, 178_760]
        assert said["energy"][0] == pytest.approx(1234.5 * 3.6e9, abs=energy.step)
        line.units[1].asked.clear()
        meter.read(CLOCK)
        assert [(a, n) for _, a, n in line.units[1].asked] == [(12, 6), (52, 2), (72, 2), (346, 6)]


@pytest.mark.parametrize(("order", "read"), [("little", "SDM630 with the low word first"), ("big", "")])
def test_a_wrong_word_order_is_refused_before_the_first_reading(order: str, read: str) -> None:
    """A device whose words stand the other way round is not opened: the error names the word order and the map."""
    with reading(Sdm(order=order)) as (meter, _):
        if not read:
            meter.open()
            return
        error = refused(meter)
        assert "voltage of phase 1 reads" in error.what
        assert "word_order = 'big'" in error.next_step
        assert "map sdm630" in error.next_step


def test_a_map_without_checks_is_held_against_the_rated_power(tmp_path: Path) -> None:
    """893.8 W with its words exchanged is far beyond what the device is made for, and refused."""
    path = tmp_path / "three.toml"
    path.write_text(OWN.replace('"int32"', '"int32"\nscale = 0.1'))
    with reading(Unit({10: words("i", 8938), 20: words("Q", 7)}), map_file=path) as (meter, _):
        assert "5.85761e+07 W" in refused(meter).what
    with reading(Unit({10: words("i", 8938, order="little"), 20: words("Q", 7)}), map_file=path) as (meter, _):
        meter.open()
        assert channels(meter, meter.read(CLOCK)[0]) == {"power": (8938, Quality.OK, ""), "energy": (25_200, Quality.OK, "")}


def test_another_model_is_refused() -> None:
    """A map of a model that the device is not ends in an error, never in a number: its code, its voltage or its addresses differ."""
    em24 = {0: words("i", 2304, order="little"), 0x0B: [57], 0x33: [500]}
    with reading(Unit(em24), device="em24") as (meter, _):
        assert "identification code reads 57" in refused(meter).what
    with reading(wt310e()) as (meter, _):
        assert "exception 2: illegal address" in refused(meter).what


@pytest.mark.parametrize("code", [ExcCodes(code) for code in EXCEPTIONS])
def test_every_exception_is_told_in_words(code: ExcCodes) -> None:
    """Each exception code at open() is an error that says what it means and what to do."""
    meter_unit = Sdm()
    meter_unit.answer = code
    with reading(meter_unit) as (meter, _):
        error = refused(meter)
        assert f"exception {int(code)}: {EXCEPTIONS[int(code)][0]}" in error.what
        assert error.next_step == EXCEPTIONS[int(code)][1]


def test_an_unknown_exception_is_told_by_its_number() -> None:
    """A code that the standard does not know is shown."""
    unit = Sdm()
    unit.answer = ExcCodes.NEGATIVE_ACKNOWLEDGE
    with reading(unit) as (meter, _):
        assert "exception 7" in refused(meter).what


def test_a_device_id_that_nobody_has_is_told() -> None:
    """A gateway whose meter is silent names device_id and the wires."""
    with reading(Sdm(), device_id=9) as (meter, _):
        error = refused(meter)
        assert "exception 11" in error.what
        assert "device_id" in error.next_step


def test_registers_that_are_refused_are_gaps_and_the_others_go_on() -> None:
    """One request that is answered by an exception takes only its own meters."""
    unit = Sdm()
    with reading(unit) as (meter, _):
        meter.open()
        unit.answer_at = {72: ExcCodes.DEVICE_BUSY}
        said = channels(meter, meter.read(CLOCK)[0])
        assert said["power"] == (893_800, Quality.OK, "")
        assert said["energy"][:2] == (None, Quality.GAP)
        assert "exception 6: device busy" in said["energy"][2]


def test_no_value_and_over_range_are_no_numbers() -> None:
    """NaN and infinity in a poll are gaps that say which, and the next good value is read."""
    unit = wt310e()
    with reading(unit, device="wt310e") as (meter, _):
        meter.open()
        seen = []
        for power in (4968.5, float("nan"), float("inf"), 12.25):
            unit.put(0x07D4, words("f", power))
            seen.append(channels(meter, meter.read(CLOCK)[0])["power"][:2])
        assert seen == [(4_968_500, Quality.OK), (None, Quality.SENTINEL), (None, Quality.OVER_RANGE), (12_250, Quality.OK)]


def test_a_status_bit_takes_the_value() -> None:
    """While the status of an analyser says over range, or is refused, its power is no value."""
    unit = wt310e()
    with reading(unit, device="wt310e") as (meter, _):
        meter.open()
        unit.put(2, [0x0002])
        assert channels(meter, meter.read(CLOCK)[0])["power"] == (None, Quality.OVER_RANGE, "device says over range: status 0x0002")
        unit.put(2, [0])
        unit.answer_at = {2: ExcCodes.DEVICE_FAILURE}
        value, quality, reason = channels(meter, meter.read(CLOCK)[0])["power"]
        assert (value, quality) == (None, Quality.OVER_RANGE)
        assert "cannot be told" in reason


def test_the_accuracy_of_an_analyser_needs_its_range() -> None:
    """0.05 % of a range that nobody told is no figure; with the range it is one."""
    with reading(wt310e(), device="wt310e") as (meter, _):
        meter.open()
        [power] = meter.info[0].meters
        assert (power.accuracy, power.range, power.boundary) == (None, None, Boundary.WALL_ANALYZER)
        assert "not confirmed" in power.note
    with reading(wt310e(), device="wt310e", range_volts=300.0, range_amps=20.0, update_period_s=0.25) as (meter, _):
        meter.open()
        [power] = meter.info[0].meters
        assert power.accuracy is not None
        assert power.accuracy.limit_w(5000.0) == pytest.approx(8.0)
        assert (power.range, power.update_period_s) == (MeterRange(volts=300.0, amps=20.0), 0.25)


def test_a_meter_without_a_serial_number_is_named_by_its_place() -> None:
    """Host, port and device id stand in the id, without ':'; a serial number from the configuration goes before."""
    with reading(wt310e(), device="wt310e") as (meter, line):
        meter.open()
        assert meter.info[0].device_id == f"modbus:node1:127.0.0.1-{line.port}-1"
    with reading(wt310e(), device="wt310e", serial="C2:VC") as (meter, _):
        meter.open()
        assert meter.info[0].device_id == "modbus:node1:C2-VC"
        assert meter.info[0].meters[0].serial == "C2:VC"


def test_a_lost_connection_is_renewed_at_the_next_poll() -> None:
    """A meter that restarts costs the polls meanwhile, and is read again without being opened again."""
    with reading(Sdm(), deadline_s=SHORT_S) as (meter, line):
        meter.open()
        line.stop()
        for _ in range(2):
            with pytest.raises(MeterTransient):
                meter.read(CLOCK)
        line.start()
        assert channels(meter, eventually(meter))["power"][1] is Quality.OK


def test_another_meter_under_the_same_address_is_not_taken_for_it() -> None:
    """A meter with another serial number, found after a lost connection, ends the stream of the first."""
    unit = Sdm()
    with reading(unit, deadline_s=SHORT_S) as (meter, line):
        meter.open()
        line.stop()
        with pytest.raises(MeterTransient):
            meter.read(CLOCK)
        unit.put(0xFC00, words("I", 7))
        line.start()
        with pytest.raises(MeterGone, match="another meter now: serial number 7, not 20630417"):
            eventually(meter)


def test_a_late_answer_is_never_taken_for_a_new_one() -> None:
    """What was asked before a hang is not answered into the poll after it."""
    unit = Sdm()
    with reading(unit, deadline_s=SHORT_S) as (meter, line):
        meter.open()
        line.hang()
        with pytest.raises(MeterTransient):
            meter.read(CLOCK)
        unit.set_power_w(100.0)
        line.resume()
        assert channels(meter, eventually(meter))["power"][0] == 100_000


def test_errors_are_not_written_to_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    """The library's dumps of its last frames reach nobody: it logs nothing, at a hang, a lost connection and a closed port."""
    with reading(Sdm(), deadline_s=SHORT_S) as (meter, line):
        meter.open()
        line.hang()
        with pytest.raises(MeterTransient):
            meter.read(CLOCK)
        line.resume()
        line.stop()
        with pytest.raises(MeterTransient):
            meter.read(CLOCK)
    assert [record for record in caplog.records if record.name.startswith("pymodbus")] == []


@contextmanager
def scripted(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A port that answers each request by what `answer` makes of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                while request := peer.recv(260):
                    peer.sendall(answer(request))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def frame(request: bytes, run: list[int], *, shift: int = 0) -> bytes:
    """An answer to `request` with the words `run`, its transaction number moved by `shift`."""
    body = bytes([request[6], request[7], 2 * len(run)]) + b"".join(word.to_bytes(2, "big") for word in run)
    return struct.pack(">HHH", (int.from_bytes(request[:2], "big") + shift) & 0xFFFF, 0, len(body)) + body


def sdm630(request: bytes) -> list[int]:
    """The words of an idle SDM630."""
    values = {0: words("f", 230.0), 70: words("f", 50.0), 52: words("f", 42.0), 72: words("f", 1.0), 0xFC00: [0, 5]}
    return values[int.from_bytes(request[8:10], "big")]


def test_answers_to_another_question_are_passed_over() -> None:
    """An answer that carries another transaction number is not taken, even where it arrives first."""
    with scripted(lambda request: frame(request, [0x4640, 0], shift=100) + frame(request, sdm630(request))) as port:
        meter = ModbusMeter(ModbusConfig(host="127.0.0.1", port=port, device="sdm630", deadline_s=DEADLINE_S), host="node1")
        meter.open()
        assert channels(meter, meter.read(CLOCK)[0])["power"] == (42_000, Quality.OK, "")
        meter.close()


def test_an_answer_of_another_length_is_no_reading() -> None:
    """A device that answers more registers than were asked for is not believed."""
    with scripted(lambda request: frame(request, [*sdm630(request), 0, 0])) as port:
        meter = ModbusMeter(ModbusConfig(host="127.0.0.1", port=port, device="sdm630", deadline_s=DEADLINE_S), host="node1")
        assert "4 registers instead of 2" in refused(meter).what


def test_a_port_that_is_closed_is_told() -> None:
    """Nothing at the address is an error that names host and port."""
    line = Line({1: Sdm()})
    meter = ModbusMeter(ModbusConfig(host="127.0.0.1", port=line.port, device="sdm630", deadline_s=DEADLINE_S), host="node1")
    assert f"127.0.0.1:{line.port}" in refused(meter).what
    line.close()


def test_energy_counts_what_the_power_was() -> None:
    """The counter grows with the power: both channels see the same load."""
    unit = Sdm(import_kwh=0.0)
    with reading(unit) as (meter, _):
        meter.open()
        unit.set_power_w(360_000.0)
        [first] = meter.read(CLOCK)
        for _ in range(20):
            [last] = meter.read(CLOCK)
        energy = meter.info[0].meters[1]
        assert energy.quantity is Quantity.ENERGY_COUNTER
        assert first.values[1] is not None
        assert last.values[1] is not None
        grown_j = (last.values[1] - first.values[1]) / 1000
        assert grown_j == pytest.approx(360_000.0 * (last.t_read1_ns - first.t_read1_ns) / 1e9, rel=0.2)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "either device or map_file"),
        ({"device": "sdm630", "map_file": "x.toml"}, "either device or map_file"),
        ({"device": "sdm630", "device_id": 300}, "device_id"),
        ({"device": "sdm630", "port": 0}, "port"),
        ({"device": "sdm630", "deadline_s": 0.0}, "deadline_s"),
        ({"device": "wt310e", "range_volts": 0.0}, "range_volts"),
        ({"device": "sdm631"}, "'sdm631'"),
        ({"device": "wt310e", "phases": True}, "phases"),
    ],
)
def test_a_wrong_configuration_names_key_and_mending(options: dict[str, Any], what: str) -> None:
    """Each key that cannot be is refused when the meter is made, with what to set."""
    with pytest.raises(ConfigError) as raised:
        ModbusMeter(build(ModbusConfig, {"host": "h", **options}, "[[meter]]"), host="node1")
    assert what in raised.value.what
    assert raised.value.next_step
