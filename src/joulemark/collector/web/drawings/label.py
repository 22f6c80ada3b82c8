"""The label of an entry of a board: level, figure, uncertainty, scope, date, and where to check them. It claims no more than the entry."""

from __future__ import annotations

from typing import Final

from joulemark.board.classes import UNIT, list_of
from joulemark.board.entry import WITHDRAWN, Entry
from joulemark.cards.label import BAD, FONT, GOOD, HEIGHT, INK, LINE, PAPER, SIDE, SOFT, WIDTH, line
from joulemark.energy.uncertainty import displayed
from joulemark.markup import Markup, grouped, tag
from joulemark.timebase import iso_utc

NOTES: Final = {"withdrawn": "withdrawn", "simulated": "simulated", "informative": "not ranked"}


def label(entry: Entry, address: str) -> Markup:
    """The SVG; it needs no style, no script and no other file. `address`: of the page of the entry."""
    said = figure(entry)
    told = f"{said}, level {entry.level}, {entry.scope or 'scope not known'}, {iso_utc(entry.run_begin_ns)[:10]}"
    left = SIDE + 8
    where = address.partition("://")[2]
    parts = [
        *frame(entry),
        line(said.removesuffix(UNIT).strip(), left, 42, 24 if len(said) - len(UNIT) < 16 else 16, INK, weight=700),
        line(f"{UNIT}, ± is U95" if said.endswith(UNIT) else UNIT, left, 60, 12, SOFT),
        line(f"{entry.scope or 'no scope'}, {iso_utc(entry.run_begin_ns)[:10]}", left, 77, 12, SOFT),
        line(f"by {entry.submitter}", left, 94, 12, SOFT),
        line(f"check: {where}", left, 110, 11, SOFT),
    ]
    view = {"width": WIDTH, "height": HEIGHT, "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    return tag("svg", tag("title", told), *parts, xmlns="http://www.w3.org/2000/svg", **view, role="img", font_family=FONT)


def figure(entry: Entry) -> str:
    """The figure that is compared with its uncertainty, or that it is not known."""
    value, u95 = entry.figures.joules_per_1k_output_tokens, entry.figures.u95_j_per_1k_output_tokens
    if value is None or u95 is None:
        return "not known"
    shown, shown_u95 = displayed(value, u95)
    return f"{grouped(shown)} ± {grouped(shown_u95)} {UNIT}"


def frame(entry: Entry) -> list[Markup]:
    """The level at the left: filled where it counts, hollow and dashed where the entry has no rank."""
    note = NOTES.get(list_of(entry) or "", "reached")
    counts = note == "reached"
    colour = GOOD if counts else BAD if entry.status == WITHDRAWN else SOFT
    dashes = {} if counts else {"stroke": colour, "stroke_width": 1.5, "stroke_dasharray": "4 3"}
    ink = PAPER if counts else colour
    return [
        tag("rect", x=0.5, y=0.5, width=WIDTH - 1, height=HEIGHT - 1, rx=8, fill=PAPER, stroke=LINE),
        tag("rect", x=6, y=6, width=SIDE - 12, height=HEIGHT - 12, rx=5, fill=colour if counts else PAPER, **dashes),
        line("Energy", SIDE / 2, 38, 11, ink, anchor="middle"),
        line(entry.level, SIDE / 2, 69, 24, ink, weight=700, anchor="middle"),
        line(note, SIDE / 2, 90, 11, ink, anchor="middle"),
    ]
