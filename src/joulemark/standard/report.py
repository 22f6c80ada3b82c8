"""A validation report for people: the level, what stands in the way of the next one, and where each value came from."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from joulemark.standard.validator import Judged, Report
from joulemark.standard.verdict import GRADES, LEVELS, Measured, Outcome, Verdict

MEANINGS: Final = {
    "INVALID": "the bundle contradicts itself",
    "ES0": "informative, not ranked",
    "ES1": "aligned",
    "ES2": "metered",
}
WIDTH: Final = 8
"""Columns of a rule's id."""
NAME: Final = 9
"""Columns of the name of a part."""
LINE: Final = 100
"""Columns of a line; only a path or the like that has no space may be longer."""


def text(report: Report, *, wanted: str | None = None) -> str:
    """The report in lines of 100 columns, with the rules that stand in the way of `wanted`, or of the next level above the one reached."""
    lines = [f"{report.level_text}: {MEANINGS[report.level]} (edition {report.version})"]
    target = wanted or next((grade for grade in GRADES if LEVELS.index(grade) > LEVELS.index(report.level)), None)
    if target is not None:
        stand = report.failing(target)
        shown = tuple(dict.fromkeys((*report.contradictions, *stand)))
        lines.append(wrapped(f"in the way of {target}: {', '.join(stand) or 'nothing'}"))
        lines += [line for one in report.judged if one.rule.id in shown for line in told(one, columns(target))]
        higher = [rule_id for rule_id in report.failing(GRADES[-1]) if rule_id not in stand]
        if higher:
            lines.append(wrapped(f"in the way of {GRADES[-1]} besides: {', '.join(higher)}"))
    beside = [one.rule for one in report.judged if one.rule.decides != "level" and not one.outcomes[GRADES[0]].verdict.harmless]
    if beside:
        lines.append(wrapped(f"beside the level: {', '.join(f'{rule.id} ({rule.decides})' for rule in beside)}"))
    lines += [wrapped(f"not read: {path}: {why}") for path, why in report.faults.items()]
    return "\n".join([*lines, *(counts(report, grade) for grade in GRADES)])


def columns(grade: str) -> tuple[str, ...]:
    """The columns that decide `grade`: its own and every lower one."""
    return GRADES[: GRADES.index(grade) + 1]


def told(one: Judged, grades: tuple[str, ...]) -> Iterator[str]:
    """One rule: the first column in which it stands in the way, or contradicts."""
    grade = next((grade for grade in grades if not one.outcomes[grade].verdict.harmless), grades[0])
    outcome = one.outcomes[grade]
    contradicts = ", a contradiction" if outcome.contradiction else ""
    yield wrapped(f"{one.rule.id:<{WIDTH}}{named(outcome.verdict)} in {grade}{contradicts}: {one.rule.text}")
    yield from (wrapped(f"{'':<{WIDTH}}{name:<{NAME}}{value}", indent=WIDTH + NAME) for name, value in parts(outcome) if value)


def wrapped(line: str, *, indent: int = WIDTH) -> str:
    """A line broken at its spaces, what follows indented; its own spacing is kept."""
    return textwrap.fill(line, LINE, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def parts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """What a verdict rests on, by name; empty where there is none."""
    yield "measured", shown(outcome.measured)
    yield "limit", outcome.limit
    yield "because", outcome.detail
    yield "from", outcome.source


def shown(measured: Measured) -> str:
    """A measured value, or several by name."""
    if measured is None:
        return ""
    if isinstance(measured, Mapping):
        return ", ".join(f"{name} {shown(value) or 'unknown'}" for name, value in measured.items())
    return f"{measured:.6g}" if isinstance(measured, float) else str(measured)


def named(verdict: Verdict) -> str:
    """A verdict as words."""
    return verdict.replace("_", " ")


def counts(report: Report, grade: str) -> str:
    """How many rules came to what in one column."""
    found = Counter(one.outcomes[grade].verdict for one in report.judged)
    return f"{grade}: {len(report.judged)} rules, " + ", ".join(f"{found[verdict]} {named(verdict)}" for verdict in Verdict)
