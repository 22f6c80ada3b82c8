"""The chart: axes with units and round marks, phases, gaps left open, and a bounded size."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.cards.chart import HEIGHT, PARTS, WIDTH, Frame, chart, round_step
from joulemark.cards.figures import Place
from joulemark.cards.trace import Trace

S = 1_000_000_000
BEGIN = 1_790_000_000 * S
PHASES = [
    {"name": "idle", "kind": "idle_before", "begin_ns": BEGIN, "end_ns": BEGIN + 100 * S},
    {"name": "decode <b>", "kind": "measured", "begin_ns": BEGIN + 100 * S, "end_ns": BEGIN + 400 * S},
]


def line(*, seconds: int = 460, every_s: float = 1.0, load_w: float = 5000.0) -> Trace:
    t_ns = BEGIN - 30 * S + (np.arange(0, seconds, every_s) * S).astype(np.int64)
    power = np.where((t_ns > BEGIN + 100 * S) & (t_ns < BEGIN + 400 * S), load_w, 500.0)
    return Trace("server_input", 1, t_ns, power)


def figure(*lines: Trace) -> ElementTree.Element:
    made = chart(Place(PHASES), lines)
    assert made is not None
    return ElementTree.fromstring(made)


def marks(root: ElementTree.Element, part: str) -> list[str]:
    (found,) = [one for one in root.iter("div") if one.get("class") == part]
    return ["".join(one.itertext()) for one in found]


def test_axes_have_units_and_round_marks() -> None:
    """Power from zero in W, or in kW from ten thousand on; times on full minutes, UTC; the caption has the date."""
    root = figure(line())
    assert marks(root, "up") == ["0 W", "1000 W", "2000 W", "3000 W", "4000 W", "5000 W"]
    assert marks(figure(line(load_w=23_000.0)), "up") == ["0 kW", "5 kW", "10 kW", "15 kW", "20 kW", "25 kW"]
    assert marks(root, "across") == ["14:13", "14:14", "14:15", "14:16", "14:17", "14:18", "14:19", "14:20"]
    assert root.findtext("figcaption", "").startswith("UTC on 2026-09-21.")


def test_phases_are_shaded_where_they_were() -> None:
    """Each phase is a band of its width with its name; the measured one is told from the others."""
    rects = [one for one in figure(line()).iter("rect")]
    assert [one.get("class") for one in rects] == ["beside", "measured"]
    assert float(rects[1].attrib["width"]) == pytest.approx(WIDTH * 300 / 460, abs=0.1)
    assert float(rects[1].attrib["x"]) == pytest.approx(WIDTH * 130 / 460, abs=0.1)
    assert marks(figure(line()), "names") == ["idle", "decode <b>"]


def points(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    """The pieces of the first line, each a list of its points."""
    (data,) = [one.attrib["d"] for one in root.iter("path") if one.get("class") == "line1" and one.get("vector-effect")]
    return [[(float(x), float(y)) for x, y in re.findall(r"([-\d.]+) ([-\d.]+)", piece)] for piece in data.split("M")[1:]]


def test_the_line_stands_where_the_readings_are() -> None:
    """5000 W is at the top of an axis to 5000 W, and 500 W a tenth above the bottom."""
    (piece,) = points(figure(line()))
    heights = {y for _, y in piece}
    assert heights == {0.0, HEIGHT * 0.9}
    assert piece[0][0] == 0.0


def test_gaps_are_left_open_and_marked() -> None:
    """Readings that are missing for 40 s part the line in two, and a band says so; a single reading between gaps is a dot."""
    whole = line()
    torn = Trace.summed("server_input", [(np.delete(whole.t_ns, slice(200, 240)), np.delete(whole.power_w, slice(200, 240)), 0.0)])
    root = figure(torn)
    assert len(points(root)) == 2
    (gap,) = [one for one in root.iter("rect") if one.get("class") == "gap"]
    assert float(gap.attrib["width"]) == pytest.approx(WIDTH * 41 / 460, abs=0.2)
    kept = np.r_[0:200, 220, 240:460]
    alone = Trace.summed("server_input", [(whole.t_ns[kept], whole.power_w[kept], 0.0)])
    assert [len(piece) for piece in points(figure(alone))][1] == 1


def test_a_peak_of_one_reading_in_a_million_stays() -> None:
    """A day at 20 Hz is drawn with a thousand points, and the one spike is among them."""
    long = line(every_s=460 / 1_000_000)
    long.power_w[123_456] = 9_999.0
    root = figure(long)
    (piece,) = points(root)
    assert len(piece) <= 2 * PARTS + 4
    assert min(y for _, y in piece) == pytest.approx(HEIGHT * (1 - 9_999.0 / 10_000.0), abs=0.06)
    assert len(ElementTree.tostring(root)) < 40_000


def test_without_power_there_is_no_chart() -> None:
    """No line, or one without a number, draws nothing."""
    assert chart(Place(PHASES), []) is None
    assert chart(Place(PHASES), [Trace("gpu", 1, np.array([BEGIN]), np.array([np.nan]))]) is None


@given(st.floats(1e-6, 1e300), st.integers(2, 9))
def test_steps_are_round_and_few(span: float, most: int) -> None:
    """1, 2 or 5 times a power of ten, in at most `most` parts."""
    step = round_step(span, most=most)
    digits = f"{step:.6e}".partition("e")[0].rstrip("0").rstrip(".")
    assert digits in ("1", "2", "5")
    assert span / step <= most * (1 + 1e-6)


@pytest.mark.parametrize("length_s", [1, 59, 600, 7_200, 90_000, 10_000_000, 9_000_000_000])
def test_marks_of_time_are_few(length_s: int) -> None:
    """From a second to three centuries there are at most eleven marks, all inside."""
    times, _ = Frame(0, length_s * S, 0.0, 1.0).times()
    assert len(times) <= 11
    assert all(0 <= t <= length_s * S for t in times)


@pytest.mark.parametrize("power", [0.0, -5.0, 1e300, 1e-300])
def test_odd_powers_have_an_axis(power: float) -> None:
    """Nothing but zero, negative, huge and tiny power: the chart is whole."""
    root = figure(line(load_w=power))
    assert 1 <= len(marks(root, "up")) <= 8
    assert all(np.isfinite(y) for piece in points(root) for _, y in piece)
