"""The drawing of energy against latency."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.collector.web.drawings.scatter import BELOW, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Box, Point, frontier, number, scatter, table

LATENCY = "median end-to-end latency"
ANY = st.floats(allow_nan=False, allow_infinity=False)
FEW = st.sampled_from([0.0, 1.0, 2.0, 3.0, 1e-300, 1e300])
VALUES = st.one_of(FEW, ANY)
POINTS = st.lists(
    st.builds(
        Point,
        name=st.text(max_size=30),
        energy_j=st.none() | VALUES,
        u95_j=st.none() | VALUES.map(abs),
        latency_ms=st.none() | VALUES,
        why=st.sampled_from(["", "no tokens"]),
        here=st.booleans(),
    ),
    max_size=8,
)


def point(name: str, energy_j: float | None, latency_ms: float | None, u95_j: float | None = 1.0, *, here: bool = False) -> Point:
    """A point of the examples."""
    return Point(name, energy_j, u95_j, latency_ms, run_id=name, why="no token was counted" if energy_j is None else "", here=here)


def room(name: ET.Element) -> Box:
    """What a name takes, as narrow letters do."""
    x, y, length = float(name.get("x", "")), float(name.get("y", "")), 5.0 * len(name.text or "")
    left = x if name.get("text-anchor") == "start" else x - length
    return Box(left, y - 10, left + length, y)


SEVEN = [
    point("b=8", 920.0, 18.0),
    point("b=16", 610.0, 21.0),
    point("b=32", 440.0, 27.0, here=True),
    point("b=64", 335.0, 36.0),
    point("b=128", 300.0, 52.0),
    point("b=32 fp16", 660.0, 30.0),
    point("b=96 fp16", 410.0, 47.0, None),
]


def parsed(markup: str) -> ET.Element:
    """The markup as a tree: it is well formed."""
    return ET.fromstring(markup)


@settings(max_examples=60, deadline=None)
@given(POINTS)
def test_the_frontier_is_what_no_other_run_beats(points: list[Point]) -> None:
    """Against every pair: on the line is exactly what no other takes less of in one and no more of in the other, by rising latency."""
    places = {at: place for at, one in enumerate(points) if (place := one.place) is not None}
    free = {
        at
        for at, (latency, energy) in places.items()
        if not any(a <= latency and b <= energy and (a, b) != (latency, energy) for a, b in places.values())
    }
    found = frontier(points)
    assert set(found) == free
    assert len(found) == len(free)
    assert [places[at][0] for at in found] == sorted(places[at][0] for at in free)


@settings(max_examples=60, deadline=None)
@given(POINTS)
def test_whatever_the_figures_are_everything_stays_in_the_frame(points: list[Point]) -> None:
    """Huge, tiny, equal, one or none: every mark, bar and name lies inside, no number is written as nan, and the table has every run."""
    made = parsed(scatter(points, LATENCY))
    assert "nan" not in ET.tostring(made, encoding="unicode").split("<figcaption")[0]
    assert len(parsed(table(points, LATENCY)).findall(".//tbody/tr")) == len(points)
    known = sum(one.place is not None for one in points)
    assert len([one for one in made.iter("g") if one.find("title") is not None]) == known
    inside_x, inside_y = (LEFT - 0.1, WIDTH - RIGHT + 0.1), (TOP - 0.1, HEIGHT - BELOW + 0.1)
    drawing = made.find(".//svg[@role='img']")
    assert (drawing is not None) == bool(known)
    for one in [] if drawing is None else drawing.iter():
        for key, (low, high) in {"cx": inside_x, "cy": inside_y, "x1": inside_x, "x2": inside_x, "y1": inside_y, "y2": inside_y}.items():
            slack = 4.0 if one.get("class") == "bar" and key in ("x1", "x2") else 0.0
            assert low - slack <= float(one.get(key, str(low))) <= high + slack
        if one.get("class") in ("frontier", "beaten"):
            first = re.match(r"M(-?[\d.]+) (-?[\d.]+)", one.get("d", ""))
            assert first is not None
            assert inside_x[0] <= float(first[1]) <= inside_x[1]


def test_the_drawing_of_seven_runs() -> None:
    """Five circles on the line, two open diamonds, a bar where U95 is known, a ring for the run at hand, and the conclusion."""
    made = parsed(scatter(SEVEN, LATENCY))
    drawing = made.find(".//svg[@role='img']")
    assert drawing is not None
    looks = [one.get("class") for one in drawing.iter()]
    assert (looks.count("best"), looks.count("beaten"), looks.count("bar"), looks.count("ring")) == (5, 2, 18, 1)
    (line,) = [one for one in drawing.iter("path") if one.get("class") == "frontier"]
    assert line.get("d", "").count("L") == 4
    said = "5 of 7 runs are on the frontier of energy and median end-to-end latency: b=8, b=16, b=32, b=64, b=128."
    assert drawing.findtext("title") == said
    caption = "".join(made.find("figcaption").itertext())  # type: ignore[union-attr]  # it is there, else the test fails here
    assert caption.startswith(said)
    assert "Without a bar, since U95 is not known: b=96 fp16." in caption
    texts = [one.text for one in drawing.iter("text")]
    assert "median end-to-end latency, ms" in texts
    assert "J per 1k output tokens" in texts
    assert {"200", "1000", "20"} <= set(texts)
    assert not re.search(r"\sstyle=", scatter(SEVEN, LATENCY))


def test_names_that_would_cover_each_other_stay_in_their_titles() -> None:
    """Of forty runs at one place few names are written, the one at hand first; each is in a title."""
    crowd = [point(f"run number {at}", 100.0 + at / 100, 10.0 + at / 100, 0.01, here=at == 39) for at in range(40)]
    drawing = parsed(scatter(crowd, LATENCY)).find(".//svg[@role='img']")
    assert drawing is not None
    written = [one for one in drawing.iter("text") if (one.text or "").startswith("run number")]
    assert "run number 39" in [one.text for one in written]
    assert 1 < len(written) < 40
    boxes = [room(one) for one in written]
    assert not any(one.meets(other) for at, one in enumerate(boxes) for other in boxes[:at])
    assert len(drawing.findall(".//g/title")) == 40


def test_what_is_not_known_is_named_and_not_drawn() -> None:
    """A run without energy stands in the caption and the table with its reason; without any there is a sentence and no drawing."""
    made = "".join(parsed(scatter([*SEVEN, point("dead", None, 5.0)], LATENCY)).itertext())
    assert "Not drawn, since no token was counted: dead." in made
    rows = parsed(table([*SEVEN, point("dead", None, 5.0)], LATENCY)).findall(".//tbody/tr")
    assert "not known: no token was counted" in "".join(rows[-1].itertext())
    assert "cannot be drawn: no token was counted" in scatter([point("dead", None, 5.0)], LATENCY)
    assert "there is no run to draw" in scatter([], LATENCY)
    assert "there is no other to hold it against" in scatter(SEVEN[:1], LATENCY)


def test_the_table_says_the_same() -> None:
    """By rising latency, with the energy as U95 limits its digits, whether it is on the frontier, and a link to each run."""
    found = parsed(table(SEVEN, LATENCY))
    rows = [["".join(cell.itertext()) for cell in row] for row in found.findall(".//tbody/tr")]
    assert [row[0] for row in rows] == ["b=8", "b=16", "b=32 (this run)", "b=32 fp16", "b=64", "b=96 fp16", "b=128"]
    assert rows[0][1:] == ["920.0 ± 1.0 J", "18", "on the frontier"]
    assert rows[5][1:] == ["410 J, U95 not known", "47", "dominated"]
    assert found.find(".//tbody//a").get("href") == "/runs/b%3D8"  # type: ignore[union-attr]  # it is there, else the test fails here


def test_names_of_clients_are_text() -> None:
    """Markup in a name is shown as characters."""
    made = scatter([point("<script>x</script>", 1.0, 1.0), point("<b>", 2.0, 0.5)], LATENCY)
    assert "<script" not in made
    assert "<b>" not in made


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1234567.0, "1\u202f235\u202f000"), (0.0001234, "0.0001234"), (math.inf, "inf")])
def test_numbers_have_four_digits(value: float, text: str) -> None:
    """Large and small ones too, and without an exponent where people write none."""
    assert number(value) == text
