"""What an identified analyser is asked, without the meter around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from joulemark.errors import MeterTransient
from joulemark.meters.scpi_instrument import Instrument, Item, Polled, Setup, differing, shown, summed
from joulemark.meters.scpi_link import SocketLink
from joulemark.readings import Averaging, MeterRange, Quantity
from tests.standins.scpi_bench import bench
from tests.standins.scpi_standin import Analyser

AT_300V_20A = MeterRange(300.0, 20.0, auto=False, crest_factor=3.0)


@pytest.fixture
def analyser() -> Analyser:
    return Analyser("WT333E")


@pytest.fixture
def instrument(analyser: Analyser) -> Iterator[Instrument]:
    with ExitStack() as stack:
        standin = stack.enter_context(bench(analyser))
        link = SocketLink("127.0.0.1", standin.port, deadline_s=0.5)
        link.open()
        stack.callback(link.close)
        yield Instrument.identified(link, ())


@pytest.mark.parametrize(
    ("averaging", "formed", "window_s"),
    [
        ((False, "LIN", 8), Averaging.BOXCAR, 0.25),
        ((True, "LIN", 8), Averaging.BOXCAR, 2.0),
        ((True, "EXP", 8), Averaging.EXPONENTIAL, 7.5 * 0.25),
    ],
)
def test_how_power_is_formed(
    instrument: Instrument, analyser: Analyser, averaging: tuple[bool, str, int], formed: Averaging, window_s: float | None
) -> None:
    """One update interval, as many as are averaged, or an exponential mean that each update moves by one eighth of the way."""
    analyser.averaging = averaging
    setup = instrument.setup()
    assert (setup.averaging, setup.window_s, setup.period_s) == (formed, window_s, 0.25)


def test_automatic_update_rate(instrument: Instrument, analyser: Analyser) -> None:
    """Where the update interval follows the signal, neither it nor the window is stated."""
    analyser.rate = 0.0
    setup = instrument.setup()
    assert (setup.period_s, setup.averaging, setup.window_s) == (None, Averaging.UNKNOWN, None)


def test_one_question_for_everything(instrument: Instrument, analyser: Analyser) -> None:
    """Values and watched settings of all elements come in one message, each in its place."""
    analyser.set_power_w(100.0, 2)
    instrument.choose((Item(1), Item(2), Item(None), Item(2, Quantity.ENERGY_COUNTER)))
    assert instrument.complaint() == ""  # by now the commands before it have arrived
    analyser.asked.clear()
    polled = instrument.poll()
    assert analyser.asked == [":NUM:NORM:VAL?;:INP:VOLT:RANG?;:INP:CURR:RANG?;:HOLD?;:INP:POV?;:INTEG:STAT?"]
    assert len(polled.values) == 4
    assert polled.watched == {"volts": ("3.0E+02",), "amps": ("2.0E+01",), "hold": ("0",), "peak_over": ("0",), "state": ("RES",)}
    assert analyser.items == {1: "P,1", 2: "P,2", 3: "P,SIGMA", 4: "WH,2"}


def test_items_changed_by_somebody_else(instrument: Instrument, analyser: Analyser) -> None:
    """When another program has chosen other items, the answer does not fit and is refused."""
    instrument.choose((Item(1), Item(2)))
    assert instrument.complaint() == ""  # as above
    analyser.answer(":NUM:NORM:NUM 10")
    with pytest.raises(MeterTransient, match="10 values and 4 settings instead of 2 and 4"):
        instrument.poll()


def test_headers_are_switched_off(instrument: Instrument, analyser: Analyser) -> None:
    """Headers are switched off at the beginning, and understood where somebody switches them on again."""
    assert instrument.setting("crest_factor") == "3"
    assert not analyser.headers
    analyser.headers = True
    assert instrument.setting("crest_factor") == "3"
    assert instrument.setup().ranges[1] == AT_300V_20A


def test_error_queue(instrument: Instrument, analyser: Analyser) -> None:
    """The error queue is told behind a message; an empty one, and a dialect without one, add nothing."""
    assert instrument.complaint() == ""
    analyser.errors.append('222,"Data out of range"')
    assert instrument.complaint() == '; its error queue says 222,"Data out of range"'


def test_ranges_that_differ() -> None:
    """A fixed range that moved is told with both values; automatic ones may move, and unwatched ones are not judged."""
    setup = Setup({1: AT_300V_20A, 2: AT_300V_20A}, 0.25, Averaging.BOXCAR, 0.25)
    same = {"volts": ("300.0E+00",), "amps": ("20.0E+00",)}
    assert differing(setup, Polled((), same)) == ""
    assert differing(setup, Polled((), {})) == ""
    assert differing(setup, Polled((), {**same, "volts": ("600.0E+00",)})) == "the range was changed from 300 V to 600 V"
    second = {"volts": ("300", "300"), "amps": ("20", "EXTERNAL,2.0")}
    assert differing(setup, Polled((), second)) == "the range was changed from 20 A to an external sensor"
    automatic = Setup({1: MeterRange(300.0, 20.0, auto=True)}, 0.25, Averaging.BOXCAR, 0.25)
    assert differing(automatic, Polled((), {"volts": ("15",), "amps": ("1",)})) == ""


def test_range_of_a_sum() -> None:
    """A sum has the range of its elements where they agree, and no single range where they do not."""
    assert summed([AT_300V_20A, AT_300V_20A]) == AT_300V_20A
    other = MeterRange(300.0, 5.0, auto=False, crest_factor=3.0)
    assert summed([AT_300V_20A, other]) == MeterRange(None, None, auto=False, crest_factor=3.0)
    assert (shown(5.0, "A"), shown(None, "A")) == ("5 A", "an external sensor")
