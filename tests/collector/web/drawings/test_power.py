"""Power over time without script: lines broken at gaps, bands of the phases that are shown, axes with their units."""

from __future__ import annotations

import numpy as np

from joulemark.cards.figures import Place
from joulemark.cards.trace import Trace
from joulemark.collector.web.drawings.power import look, power
from tests.collector.web.reading import Element, read

S = 1_000_000_000
BEGIN = 1_800_000_000 * S
PHASES = Place(
    [
        {"name": "idle", "kind": "idle_before", "begin_ns": BEGIN, "end_ns": BEGIN + 20 * S},
        {"name": "<b>", "kind": "measured", "begin_ns": BEGIN + 30 * S, "end_ns": BEGIN + 90 * S},
    ]
)


def line(*, scale: float = 100.0, missing: slice = slice(0, 0), boundary: str = "gpu") -> Trace:
    """A reading each second for 100 s."""
    power_w = np.full(100, scale)
    power_w[missing] = np.nan
    return Trace(boundary, 1, BEGIN + np.arange(100, dtype=np.int64) * S, power_w)


def drawn(*lines: Trace, begin_s: int = 0, end_s: int = 100, idle_w: float | None = None) -> Element:
    """The drawing of a stretch of time."""
    found = power(PHASES, lines, BEGIN + begin_s * S, BEGIN + end_s * S, title="conclusion", idle_w=idle_w)
    assert found is not None
    return read(found)


def test_lines_bands_and_axes() -> None:
    """Each boundary has a line in its colour, each phase a band, each axis marks with units; the title says the conclusion."""
    found = drawn(line(), line(scale=250.0, boundary="wall_analyzer"))
    assert {one.attributes["class"] for one in found.all("path")} == {"gpu", "wall"}
    assert [one.attributes["class"] for one in found.all("rect")] == ["beside", "measured"]
    texts = [one.text for one in found.all("text")]
    assert "0 W" in texts
    assert "<b>" in texts
    assert found.all("title")[0].text == "conclusion"
    assert not found.all("b")


def test_a_gap_stays_open() -> None:
    """Where readings are missing the line begins anew and the gap is marked."""
    found = drawn(line(missing=slice(40, 60)))
    assert found.one("path").attributes["d"].count("M") == 2
    assert len(found.all("rect", class_="gap")) == 1


def test_a_part_of_the_time_has_its_phases_alone() -> None:
    """Phases outside of what is shown have no band."""
    assert len(drawn(line(), begin_s=40, end_s=50).all("rect")) == 1


def test_names_have_room() -> None:
    """A short band has its name on a wide page alone, one that is shorter still has none."""
    found = {one.text: one.attributes.get("class") for one in drawn(line()).all("text") if one.text in ("idle", "<b>")}
    assert found == {"idle": None, "<b>": None}
    short = {one.text: one.attributes.get("class") for one in drawn(line(), begin_s=14, end_s=100).all("text") if one.text == "idle"}
    assert short == {"idle": "other-name"}
    assert "idle" not in [one.text for one in drawn(line(), begin_s=18, end_s=100).all("text")]


def test_idle_is_a_line_across() -> None:
    """It stands at its power, half as high as twice as much."""
    found = drawn(line(scale=200.0), idle_w=100.0)
    idle = found.one("line", class_="idle")
    assert idle.attributes["y1"] == "120.0"


def test_kilowatts() -> None:
    """From ten kilowatts on the axis says so."""
    assert "20 kW" in [one.text for one in drawn(line(scale=20_000.0)).all("text")]


def test_no_power_no_drawing() -> None:
    """Without a reading in that time there is nothing to draw."""
    assert power(PHASES, [line(missing=slice(0, 100))], BEGIN, BEGIN + S, title="t") is None
    assert power(PHASES, [line()], BEGIN + 1000 * S, BEGIN + 1001 * S, title="t") is None
    assert power(PHASES, [], BEGIN, BEGIN + S, title="t") is None


def test_colours_by_boundary() -> None:
    """What stands at the wall is of one colour, parts of theirs."""
    assert (look("gpu"), look("package"), look("psu_input"), look("rack")) == ("gpu", "cpu", "other", "wall")
