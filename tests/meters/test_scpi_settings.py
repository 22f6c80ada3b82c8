"""The driver against simulated analysers: ranges, elements, sums and the integrator."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from joulemark.errors import MeterGone, MeterUnavailable
from joulemark.readings import MeterRange, Quality, Quantity
from tests.meters.scpi_benches import CLOCK, PERIOD_S, Opened, benches, infos, one, read_w, updated
from tests.standins.scpi_standin import BUSY, Analyser


@pytest.fixture
def opened() -> Iterator[Opened]:
    with benches() as build:
        yield build


@pytest.mark.parametrize("model", ["WT310E", "WT333E", "760203", "GPM-8310", "PW3335", "PW3337", "LMG671"])
def test_ranges_are_set_and_fixed(opened: Opened, model: str) -> None:
    """With range_v and range_a every element stands at those ranges, not automatic, and the limit of error is that of them."""
    analyser = Analyser(model, period_s=PERIOD_S)
    analyser.auto = True
    elements = (1, 2, 3) if model == "LMG671" else ()
    meter, _ = opened(analyser=analyser, range_v=150.0, range_a=5.0, elements=elements)
    assert set(analyser.volts.values()) == {150.0}
    assert set(analyser.amps.values()) == {5.0}
    assert analyser.errors == []
    for info in infos(meter).values():
        assert info.range is not None
        assert (info.range.volts, info.range.amps, info.range.auto) == (150.0, 5.0, False)
        assert info.accuracy is None or info.accuracy.range_w == 750.0


@pytest.mark.parametrize("model", ["WT310E", "WT333E", "760203", "GPM-8310", "PW3335", "PW3337"])
def test_integrator(opened: Opened, model: str) -> None:
    """The integrator is started where it does not run, its watt-hours are joules, and no command ever resets it."""
    meter, standin = opened(model, integrate=True)
    time.sleep(0.2)
    before_s = time.monotonic()
    energy_j = read_w(meter)["energy-1"]
    after_s = time.monotonic()
    assert energy_j is not None
    assert energy_j > 512.0 * 0.1
    truth = standin.analyser.energy_j
    assert truth(1, before_s - PERIOD_S) - 0.05 <= energy_j <= truth(1, after_s) + 0.05
    info = infos(meter)["energy-1"]
    assert (info.quantity, info.exponent, info.update_period_s) == (Quantity.ENERGY_COUNTER, -3, infos(meter)["power-1"].update_period_s)
    assert info.covers == infos(meter)["power-1"].covers
    assert info.note.startswith("integration started by this agent")
    meter.close()
    assert standin.analyser.integration == "STAR"
    assert not [line for line in standin.analyser.asked if "RES" in line.upper()]


def test_somebody_elses_integration(opened: Opened) -> None:
    """An integration that runs is read on from where it stands, and the description says that it is not ours."""
    analyser = Analyser(period_s=PERIOD_S)
    analyser.answer(":INTEG:STAR")
    time.sleep(0.2)
    meter, _ = opened(analyser=analyser, integrate=True)
    energy_j = read_w(meter)["energy-1"]
    assert energy_j is not None
    assert energy_j > 512.0 * 0.15
    assert "was running before" in infos(meter)["energy-1"].note


def test_without_integration(opened: Opened) -> None:
    """Where the integrator does not run and is not to be started, there is no energy meter, and nothing is started."""
    meter, standin = opened()
    assert list(infos(meter)) == ["power-1"]
    assert standin.analyser.integration == "RES"


@pytest.mark.parametrize("state", ["STOP", "TIM", "RES", "ERR"])
def test_integration_that_ends(opened: Opened, state: str) -> None:
    """A counter whose integrator was stopped, timed out, reset or failed is a gap with the state, not a counter that stands still."""
    meter, standin = opened(integrate=True)
    updated(standin)
    assert one(meter).qualities == (Quality.OK, Quality.OK)
    standin.analyser.stop_integration(state)
    sample = one(meter)
    assert sample.qualities == (Quality.OK, Quality.GAP)
    assert sample.values[1] is None
    assert state in sample.reasons[1]


def test_integration_that_does_not_start(opened: Opened) -> None:
    """An integrator that refuses to start fails `open` with the words of the instrument's error queue."""
    analyser = Analyser()
    analyser.integration = "ERR"
    with pytest.raises(MeterUnavailable, match='does not start; its error queue says 841,"Integration error"'):
        opened(analyser=analyser, integrate=True)


@pytest.mark.parametrize("model", ["WT310E", "760203", "GPM-8310", "PW3335"])
def test_a_range_changed_by_hand(opened: Opened, model: str) -> None:
    """When somebody turns the range, that read is no reading; opened again, the meter describes the new range and its limit of error."""
    meter, standin = opened(model)
    before = infos(meter)["power-1"]
    standin.analyser.amps[1] = 10.0
    with pytest.raises(MeterGone, match="range was changed from 20 A to 10 A"):
        meter.read(CLOCK)
    with pytest.raises(MeterGone, match="not open"):
        meter.read(CLOCK)
    meter.close()
    meter.open()
    after = infos(meter)["power-1"]
    assert after.meter_id == before.meter_id
    assert after.range is not None
    assert after.range.amps == 10.0
    assert before.accuracy is not None
    assert after.accuracy is not None
    assert after.accuracy.range_w == before.accuracy.range_w / 2
    assert one(meter).qualities == (Quality.OK,) * len(meter.info[0].meters)


def test_automatic_ranges(opened: Opened) -> None:
    """Where ranges are automatic the description says so and states no limit of error, and a change of range is no event."""
    analyser = Analyser(period_s=PERIOD_S)
    analyser.auto = True
    meter, _ = opened(analyser=analyser)
    info = infos(meter)["power-1"]
    assert info.range is not None
    assert info.range.auto is True
    assert info.accuracy is None
    analyser.amps[1] = 1.0
    assert one(meter).qualities == (Quality.OK,)


def test_a_range_that_it_does_not_have(opened: Opened) -> None:
    """A range that the analyser refuses fails `open`, with the range it stands at and the words of its error queue."""
    with pytest.raises(MeterUnavailable, match=r'stands at 300\.0 volts where 123 were asked for.*222,"Data out of range"') as raised:
        opened(range_v=123.0)
    assert "range that it has" in raised.value.next_step


def test_a_range_while_it_integrates(opened: Opened) -> None:
    """A range cannot be changed while somebody's integration runs: `open` says so and leaves the integration alone."""
    analyser = Analyser()
    analyser.answer(":INTEG:STAR")
    with pytest.raises(MeterUnavailable, match=re.escape(BUSY)):
        opened(analyser=analyser, range_a=5.0)
    assert analyser.integration == "STAR"


def test_ranges_that_stand_are_left_alone(opened: Opened) -> None:
    """A meter that comes back to its own running integration sets no range anew, and reads on."""
    meter, standin = opened(range_v=300.0, range_a=20.0, integrate=True)
    meter.close()
    meter.open()
    updated(standin)
    assert one(meter).qualities == (Quality.OK, Quality.OK)
    assert standin.analyser.errors == []


def test_external_sensor(opened: Opened) -> None:
    """Behind an external sensor the current range is not known, and no limit of error is stated."""
    analyser = Analyser(period_s=PERIOD_S)
    analyser.amps[1] = "EXTERNAL,2.0E+00"
    meter, _ = opened(analyser=analyser)
    info = infos(meter)["power-1"]
    assert info.range == MeterRange(volts=300.0, amps=None, auto=False, crest_factor=3.0)
    assert info.accuracy is None
    assert one(meter).qualities == (Quality.OK,)


def test_crest_factor_6_doubles_the_error_of_the_range(opened: Opened) -> None:
    """At crest factor 6 the limit of error of a Yokogawa holds twice the part of the range."""
    analyser = Analyser()
    analyser.crest_factor = "A6"
    info = infos(opened(analyser=analyser)[0])["power-1"]
    assert info.range is not None
    assert info.range.crest_factor == 6.0
    assert info.accuracy is not None
    assert info.accuracy.range_w == 2 * 6000.0


@pytest.mark.parametrize(("wiring", "covered"), [("P3W4", (1, 2, 3)), ("V3A3", (1, 3)), ("P1W3", (1, 3))])
def test_its_own_sum(opened: Opened, wiring: str, covered: tuple[int, ...]) -> None:
    """The analyser's own sum is a meter that covers the elements of its wiring, with the sum of their ranges; nothing is added here."""
    analyser = Analyser("WT333E", period_s=PERIOD_S)
    analyser.wiring = wiring
    meter, _ = opened(analyser=analyser, sigma=True, covers=("a", "b", "c"))
    by_channel = infos(meter)
    assert by_channel["power-sigma"].covers == tuple("abc"[element - 1] for element in covered)
    assert by_channel["power-2"].covers == ("b",)
    assert by_channel["power-sigma"].accuracy is not None
    assert by_channel["power-sigma"].accuracy.range_w == len(covered) * 6000.0
    assert read_w(meter)["power-sigma"] == 512.0 * len(covered)


def test_a_sum_that_is_not_known(opened: Opened) -> None:
    """A sum whose elements the wiring does not tell, or that adds what is not read, is refused: it could hide a cord."""
    analyser = Analyser("WT333E")
    analyser.wiring = "P1W2"
    with pytest.raises(MeterUnavailable, match="with wiring P1W2 does not add"):
        opened(analyser=analyser, sigma=True)
    with pytest.raises(MeterUnavailable, match="with wiring P3W4 does not add"):
        opened("WT333E", sigma=True, elements=(1, 3))
    with pytest.raises(MeterUnavailable, match="not told"):
        opened("PW3337", sigma=True)


def test_elements_that_are_not_there(opened: Opened) -> None:
    """An element that the model lacks is refused, and so is a model whose name does not tell its elements, until they are named."""
    with pytest.raises(MeterUnavailable, match=r"WT332E has the elements \[1, 3\], not \[1, 2\]"):
        opened("WT332E", elements=(1, 2))
    with pytest.raises(MeterUnavailable, match=r"WT5000 does not say which elements it has.*elements = \[1, 2, 3\]"):
        opened("WT5000")
    with pytest.raises(MeterUnavailable, match="covers names 2 cords for 3 elements"):
        opened("WT333E", covers=("a", "b"))
