"""The driver against simulated analysers: what is read, what is no reading, and what may happen to the connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterUnavailable
from joulemark.meters.scpi import DRIVER, ScpiConfig, ScpiMeter, accuracy_of
from joulemark.meters.scpi_instrument import Instrument
from joulemark.meters.scpi_link import Link
from joulemark.meters.scpi_models import WT300, Identity
from joulemark.readings import Averaging, Boundary, Current, MeterRange, Quality, Quantity
from tests.meters.scpi_benches import CLOCK, DEADLINE_S, PERIOD_S, Opened, benches, infos, one, read_w, updated
from tests.standins.scpi_standin import Analyser
from tests.waiting import eventually

SLACK_S = 3.0
"""What a machine that is busy with other tests may add: pyvisa itself would wait for much longer."""


@pytest.fixture
def opened() -> Iterator[Opened]:
    with benches() as build:
        yield build


def test_reading_is_what_flows(opened: Opened) -> None:
    """Each read gives the watts that the analyser measured in its last update interval, dated by the read bracket."""
    meter, standin = opened()
    for watts in (512.0, 731.25, 4321.0, 0.0):
        standin.analyser.set_power_w(watts)
        updated(standin)
        before_ns = CLOCK.mono_ns()
        sample = one(meter)
        assert sample.values == (round(watts * 1e6),)
        assert sample.qualities == (Quality.OK,)
        assert before_ns <= sample.t_read0_ns < sample.t_read1_ns <= CLOCK.mono_ns()


def test_describes_itself(opened: Opened) -> None:
    """Who it is, its ranges, its update interval and window, and the maker's limit of error at those ranges are part of the description."""
    meter, _ = opened(covers=("psu-a",))
    info = infos(meter)["power-1"]
    assert info.meter_id == "scpi:node1:C3TK12345E:power-1"
    assert (info.vendor, info.model, info.serial, info.firmware) == ("YOKOGAWA", "WT310E", "C3TK12345E", "F1.03")
    assert (info.boundary, info.current, info.quantity, info.exponent) == (Boundary.WALL_ANALYZER, Current.AC, Quantity.POWER, -6)
    assert info.range == MeterRange(volts=300.0, amps=20.0, auto=False, crest_factor=3.0)
    assert (info.interface, info.covers, info.update_period_s) == ("TCP socket", ("psu-a",), PERIOD_S)
    assert (info.averaging, info.averaging_window_s) == (Averaging.BOXCAR, PERIOD_S)
    assert info.accuracy is not None
    assert info.accuracy.limit_w(5000.0) == pytest.approx(0.001 * 5000 + 0.0005 * 6000)
    assert "IM WT310E-02EN" in info.accuracy.source


@pytest.mark.parametrize(
    ("model", "elements"),
    [
        *[("WT310", (1,)), ("WT332E", (1, 3)), ("WT333E", (1, 2, 3)), ("760203", (1, 2, 3)), ("WT5000", (1, 2, 3, 4))],
        *[("GPM-8310", (1,)), ("PW3335", (1,)), ("PW3337", (1, 2, 3)), ("LMG671", (1, 2, 3)), ("LMG450", (1, 2, 3, 4))],
    ],
)
def test_every_family_in_its_own_words(opened: Opened, model: str, elements: tuple[int, ...]) -> None:
    """Each family is spoken to in its own dialect: the power of every element, no command that it does not know, one question a poll."""
    analyser = Analyser(model, period_s=PERIOD_S)
    for element in elements:
        analyser.set_power_w(100.0 * element + 0.5, element)
    time.sleep(2 * PERIOD_S)
    meter, _ = opened(analyser=analyser, elements=elements)
    assert read_w(meter) == {f"power-{element}": 100.0 * element + 0.5 for element in elements}
    assert analyser.errors == []
    asked = len(analyser.asked)
    one(meter)
    assert len(analyser.asked) == asked + 1
    info = infos(meter)[f"power-{elements[0]}"]
    assert info.range is not None
    assert (info.range.volts, info.range.amps, info.range.auto) == ((None, None, None) if model == "LMG450" else (300.0, 20.0, False))
    assert info.update_period_s == (0.2 if model.startswith("PW") else PERIOD_S)


def test_over_range_of_one_element(opened: Opened) -> None:
    """An element beyond its range is over-range, with the range in the reason; the others go on, and their numbers are untouched."""
    meter, standin = opened("WT333E", integrate=True)
    standin.analyser.set_power_w(20_000.0, 2)
    updated(standin)
    sample = one(meter)
    assert sample.qualities[:3] == (Quality.OK, Quality.OVER_RANGE, Quality.OK)
    assert sample.values[0] == sample.values[2] == 512_000_000
    assert sample.values[1] is None
    assert sample.reasons[1] == "over range at 300 V and 20 A"
    standin.analyser.set_power_w(512.0, 2)
    updated(standin)
    assert one(meter).values[1] == 512_000_000


def test_over_range_in_hiokis_words(opened: Opened) -> None:
    """The mark of a Hioki for over-range lies far above any power, and is no power."""
    meter, standin = opened("PW3337")
    standin.analyser.marks[3] = "INF"
    sample = one(meter)
    assert sample.qualities == (Quality.OK, Quality.OK, Quality.OVER_RANGE)
    assert sample.values[2] is None


def test_peak_over_range(opened: Opened) -> None:
    """A peak beyond the range spoils the power of its element, whatever number is shown."""
    meter, standin = opened("WT333E", sigma=True)
    standin.analyser.peak_over = 0b001000
    sample = one(meter)
    assert sample.qualities == (Quality.OK, Quality.OVER_RANGE, Quality.OK, Quality.OVER_RANGE)
    assert sample.values[1] is None
    assert sample.reasons[1] == "a peak is over range at 300 V and 20 A"


def test_no_data(opened: Opened) -> None:
    """An element without data is a gap, never 0 W."""
    meter, standin = opened("WT332E")
    standin.analyser.marks[3] = "NAN"
    sample = one(meter)
    assert sample.qualities == (Quality.OK, Quality.GAP)
    assert (sample.values[1], sample.reasons[1]) == (None, "the instrument has no data")


def test_hold(opened: Opened) -> None:
    """An analyser on hold repeats itself: that is a gap, not a reading."""
    meter, standin = opened()
    standin.analyser.hold = True
    sample = one(meter)
    assert (sample.qualities, sample.values) == ((Quality.GAP,), (None,))
    assert "hold" in sample.reasons[0]
    standin.analyser.hold = False
    assert one(meter).qualities == (Quality.OK,)


def test_another_instrument(opened: Opened) -> None:
    """An instrument of no known family fails `open` with what it calls itself and the families that are known."""
    with pytest.raises(MeterUnavailable, match=r"HEWLETT-PACKARD,34401A.*Yokogawa WT300.*Hioki PW3335.*ZES LMG450"):
        opened("34401A")


def test_a_question_that_the_firmware_does_not_know(opened: Opened) -> None:
    """A question left without an answer fails `open` in time, and the error queue is read over a new connection."""
    analyser = Analyser()
    analyser._family = [(pattern, does) for pattern, does in analyser._family if not pattern.match("MEAS:AVER:STAT?")]
    with pytest.raises(MeterUnavailable, match=r'no answer to .:MEAS:AVER:STAT\?.*; its error queue says 113,"Undefined Header"'):
        opened(analyser=analyser)


def test_serial_that_is_none(opened: Opened) -> None:
    """An analyser that gives 0 for its serial is named by its address, without colons."""
    meter, standin = opened("760203")
    (device,) = meter.info
    assert device.device_id == f"scpi:node1:TCPIP-127.0.0.1-{standin.port}-SOCKET"
    assert infos(meter)["power-1"].serial == ""


def test_a_late_answer_shifts_nothing(opened: Opened) -> None:
    """An answer that comes after its deadline is never taken for a later one: the connection is given up, and reads come right again."""
    meter, standin = opened()
    standin.late_s = DEADLINE_S + 1.0
    begin_s = time.monotonic()
    with pytest.raises(MeterGone, match="no answer"):
        meter.read(CLOCK)
    assert time.monotonic() - begin_s < DEADLINE_S + SLACK_S
    with pytest.raises(MeterGone, match="not open"):
        meter.read(CLOCK)
    standin.analyser.set_power_w(99.0)
    meter.close()
    meter.open()
    updated(standin)
    assert [one(meter).values for _ in range(3)] == [(99_000_000,)] * 3


@pytest.mark.parametrize(
    "odd",
    [
        b"51\x002;3.0E+02;2.0E+01;0;0\n",
        b"1.0\n",
        b"1.0,2.0;3.0E+02;2.0E+01;0;0\n",
        b"1.0;3.0E+02;2.0E+01;MAYBE;0\n",
        b"1;3E+02;2E+01;0;0\n9\n",
    ],
)
def test_an_odd_answer_ends_the_connection(opened: Opened, odd: bytes) -> None:
    """An answer of another shape, garbled, or with more behind it is no reading, or the last one; opened again, reads are right."""
    meter, standin = opened()
    standin.mischief.append(odd)
    with pytest.raises(MeterGone):
        [meter.read(CLOCK) for _ in range(2)]
    meter.close()
    meter.open()
    assert one(meter).values == (512_000_000,)


def test_over_vxi11(opened: Opened) -> None:
    """The same analyser over VXI-11: the same readings, another interface; one that hangs costs a deadline and comes back."""
    _, standin = opened()
    meter = ScpiMeter(ScpiConfig(standin.vxi11_resource, witnesses=False, deadline_s=DEADLINE_S), host="node1")
    try:
        meter.open()
        assert infos(meter)["power-1"].interface == "VXI-11"
        assert one(meter).values == (512_000_000,)
        standin.hang()
        begin_s = time.monotonic()
        with pytest.raises(MeterGone):
            meter.read(CLOCK)
        assert time.monotonic() - begin_s < DEADLINE_S + SLACK_S
        standin.resume()
        meter.open()
        assert one(meter).values == (512_000_000,)
    finally:
        meter.close()


def test_language_is_set_back(opened: Opened) -> None:
    """An LMG speaks its short language only while it is read."""
    meter, standin = opened("LMG671", elements=(1,))
    assert standin.analyser.short_language
    meter.close()
    eventually(lambda: not standin.analyser.short_language, "it speaks the long language again")


def test_doubts_are_told(opened: Opened) -> None:
    """What was not confirmed about a dialect stands in the description of its meters."""
    assert "not confirmed" in infos(opened("LMG450")[0])["power-1"].note
    assert infos(opened("WT310E")[0])["power-1"].note == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resource": "10.0.0.5"}, r"scpi\.resource.*TCPIP::10\.0\.0\.5::INSTR"),
        ({"deadline_s": 0}, r"scpi\.deadline_s"),
        ({"elements": [0]}, r"scpi\.elements"),
        ({"elements": [1, 1]}, r"names an element twice.*name each once"),
        ({"covers": ["a", "a"]}, r"names a cord twice.*once"),
        ({"range_v": 0}, r"scpi\.range_v"),
        ({"range_a": -5.0}, r"scpi\.range_a"),
        ({"resourse": "x"}, r"unknown key 'resourse'.*resource"),
    ],
)
def test_bad_configuration(options: dict[str, Any], words: str) -> None:
    """A key or value that is wrong is named, with what to write instead."""
    with pytest.raises(ConfigError, match=words):
        DRIVER.build(MeterTable("scpi", {"resource": "TCPIP::10.0.0.5::INSTR", **options}), host="node1")


def test_lifecycle_of_the_driver() -> None:
    """The driver builds from a table, finds nothing by itself, and a meter that is not open reads nothing."""
    meter = DRIVER.build(MeterTable("scpi", {"resource": "TCPIP::10.0.0.5::INSTR", "elements": [1], "range_v": 300}), host="node1")
    assert meter.info == ()
    meter.close()
    with pytest.raises(MeterError):
        meter.read(CLOCK)
    assert DRIVER.discover() == []


def test_crest_factor_six_doubles_the_error_of_the_range() -> None:
    """At crest factor 6 the maker allows twice the error of the range: 5 W and 6 W instead of 5 W and 3 W at 5 kW on 6 kW."""
    told = Instrument(cast("Link", None), Identity("YOKOGAWA", "WT310E", "1", ""), WT300, (1,))
    limits_w = []
    for crest_factor in (3.0, 6.0, None):
        found = accuracy_of(told, [MeterRange(300.0, 20.0, auto=False, crest_factor=crest_factor)])
        assert found is not None
        limits_w.append(found.limit_w(5000.0))
    assert limits_w == pytest.approx([8.0, 11.0, 8.0])
    assert accuracy_of(told, [MeterRange(300.0, 20.0, auto=True)]) is None
