"""A trend report in words and tables, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from joulemark.board.classes import UNIT
from joulemark.board.entry import Entry
from joulemark.board.report import Middle, Report, Trend
from joulemark.pricing.dates import moment_text

LISTED: Final = 200
"""Rows of a table; how many more there are is said."""

SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#~!&])")
NONE: Final = "none"
CAUTION: Final = (
    "A median is of the entries of one class alone, which share model, data, load, scope and level; it moves too when entries come or go. "
    "Medians of different classes are not compared."
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below `columns`; `more`: rows that are left out; `empty`: what is said where there is no row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int
    empty: str


def title(report: Report) -> str:
    """The heading."""
    return f"Energy board, {report.quarter.name}"


def summary(report: Report) -> list[str]:
    """What happened, in sentences with their numbers."""
    until = moment_text(report.until_ns)
    said = [] if report.over else [f"The quarter is not over: this is the board at {until}."]
    if report.empty:
        said.append("Nothing entered and nothing was withdrawn in this quarter.")
    else:
        levels = ", ".join(f"{count} {level}" for level, count in report.by_level.items() if count)
        said.append(f"{counted(len(report.entered), 'entry', 'entries')} came in{f' ({levels})' if levels else ''}.")
        said.append(f"{counted(len(report.withdrawn), 'entry was', 'entries were')} withdrawn.")
    standing = report.standing
    classes = sum(one.now is not None for one in report.trends)
    said.append(
        f"At its end {counted(standing['ranked'], 'entry is', 'entries are')} ranked in {counted(classes, 'class', 'classes')}; "
        f"beside them {standing['informative']} ES0, {standing['incomparable']} that cannot be compared, "
        f"{standing['simulated']} simulated and {standing['withdrawn']} withdrawn."
    )
    return said


def counted(number: int, one: str, more: str) -> str:
    """A count with its noun."""
    return f"{number} {one if number == 1 else more}"


def tables(report: Report) -> list[Table]:
    """Classes, what entered, what was withdrawn."""
    columns = ("class", "level", "scope", "n", "median", "n before", "median before", "moved", "new", "rank 1")
    entered = [(one.title, level(one), day(one.published_ns), one.short_class or NONE, one.submitter) for one in report.entered]
    gone = [(one.title, level(one), day(one.modified_ns), one.withdrawn_reason) for one in report.withdrawn]
    return [
        table(f"Classes, medians in {UNIT}", columns, [of_class(one) for one in report.trends], empty="No entry is ranked."),
        table("Entered", ("entry", "level", "on", "class", "by"), entered, empty="Nothing entered."),
        table("Withdrawn", ("entry", "level", "on", "because"), gone, empty="Nothing was withdrawn."),
    ]


def level(entry: Entry) -> str:
    """The level of an entry, marked where it is simulated."""
    return f"{entry.level}, simulated" if entry.simulated else entry.level


def day(t_ns: int) -> str:
    """The day of a moment, UTC."""
    return moment_text(t_ns)[:10]


def table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, empty: str) -> Table:
    """A table of no more rows than LISTED."""
    return Table(title, columns, tuple(rows[:LISTED]), max(0, len(rows) - LISTED), empty)


def of_class(one: Trend) -> tuple[str, ...]:
    """The row of a class."""
    moved = NONE if one.change_rel is None else f"{100 * one.change_rel:+.1f} %"
    changed = {None: "new" if one.before is None else "left", True: "changed", False: "as before"}[one.first_changed]
    return (
        f"{one.title}; {one.load} ({one.short_class})",
        one.level,
        one.scope,
        *middle(one.now),
        *middle(one.before),
        moved,
        str(one.entered),
        changed,
    )


def middle(found: Middle | None) -> tuple[str, str]:
    """N and median of a class at one moment."""
    return ("0", NONE) if found is None else (str(found.n), figure(found.median_j))


def figure(value: float) -> str:
    """Four significant digits, without exponent."""
    return f"{Decimal(f'{value:.4g}'):f}"


def markdown(report: Report) -> str:
    """The whole report; names that submitters chose are escaped."""
    lines = [f"# {title(report)}", "", *(escaped(said) for said in summary(report))]
    for one in tables(report):
        lines += ["", f"## {one.title}", "", *(rows(one) if one.rows else [one.empty])]
        if one.more:
            lines += ["", f"{one.more} more; all of them are in the report as JSON."]
    return "\n".join([*lines, "", escaped(CAUTION)]) + "\n"


def rows(one: Table) -> Iterator[str]:
    """A table of Markdown."""
    yield f"| {' | '.join(one.columns)} |"
    yield f"|{'---|' * len(one.columns)}"
    yield from (f"| {' | '.join(escaped(cell) for cell in row)} |" for row in one.rows)


def escaped(text: str) -> str:
    """`text` as Markdown that shows it as it stands."""
    return SPECIAL.sub(r"\\\1", text)
