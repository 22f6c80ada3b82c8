"""The trend of a board over a quarter: what entered, the median of each class, what moved since the quarter before, what was taken back."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from joulemark.board.classes import UNIT, Board, Comparison, as_of
from joulemark.board.entry import BOARD, SHORT, WITHDRAWN, Entry
from joulemark.board.quarter import Quarter
from joulemark.standard.verdict import LEVELS

REPORT_SCHEMA: Final = "joulemark.board-report/1"
STANDING: Final = ("ranked", "informative", "incomparable", "simulated", "withdrawn")


@dataclass(frozen=True, slots=True)
class Middle:
    """A class at one moment: the median of its `n` ranked entries in J per 1k output tokens, and the ids of those that share rank 1."""

    n: int
    median_j: float
    first: tuple[str, ...]

    @classmethod
    def of(cls, one: Comparison) -> Self:
        """The middle of a class, which has an entry at least."""
        values = [place.entry.figures.joules_per_1k_output_tokens or 0.0 for place in one.places]
        return cls(len(values), statistics.median(values), tuple(place.entry.entry_id for place in one.places if place.rank == 1))


@dataclass(frozen=True, slots=True)
class Trend:
    """A class at the end of the quarter and at the end of the one before; None where it had no ranked entry.

    `title`: of its newest entry. `load`: what its key asks of the machine. `entered`: how many entries of the quarter are in it at its end.
    """

    class_id: str
    title: str
    load: str
    level: str
    scope: str
    entered: int
    now: Middle | None
    before: Middle | None

    @property
    def short_class(self) -> str:
        """The class as shown."""
        return self.class_id[:SHORT]

    @property
    def change_rel(self) -> float | None:
        """How far the median moved, as a part of what it was; None without both, or from zero."""
        if self.now is None or self.before is None or not self.before.median_j:
            return None
        return self.now.median_j / self.before.median_j - 1.0

    @property
    def first_changed(self) -> bool | None:
        """Whether others share rank 1 than before; None without both."""
        return None if self.now is None or self.before is None else set(self.now.first) != set(self.before.first)


@dataclass(frozen=True, slots=True)
class Report:
    """`entered` and `withdrawn`: entries of the quarter, in the order of their time. `standing`: entries in each list at its end.

    `until_ns`: up to when the board was looked at; before the end of the quarter where that is not over.
    """

    quarter: Quarter
    until_ns: int
    entered: tuple[Entry, ...]
    withdrawn: tuple[Entry, ...]
    trends: tuple[Trend, ...]
    standing: dict[str, int]

    @classmethod
    def of(cls, entries: Iterable[Entry], quarter: Quarter, *, now_ns: int) -> Self:
        """The report on `quarter` as it can be given at `now_ns`. What came later changes nothing in it."""
        until_ns = min(quarter.end_ns - 1, now_ns)
        listed = as_of(entries, until_ns)
        board, before = Board.of(listed), Board.of(as_of(listed, quarter.begin_ns - 1))
        entered = [one for one in listed if one.published_ns >= quarter.begin_ns]
        gone = [one for one in listed if one.status == WITHDRAWN and one.modified_ns >= quarter.begin_ns]
        lists = (sum(len(one.places) for one in board.classes), *(len(getattr(board, name)) for name in STANDING[1:]))
        return cls(
            quarter,
            until_ns,
            tuple(sorted(entered, key=lambda one: (one.published_ns, one.entry_id))),
            tuple(sorted(gone, key=lambda one: (one.modified_ns, one.entry_id))),
            trends(board, before, entered=entered),
            dict(zip(STANDING, lists, strict=True)),
        )

    @property
    def over(self) -> bool:
        """Whether the quarter had ended: an earlier report is not the last word."""
        return self.until_ns == self.quarter.end_ns - 1

    @property
    def empty(self) -> bool:
        """Whether nothing entered and nothing was withdrawn."""
        return not self.entered and not self.withdrawn

    @property
    def by_level(self) -> dict[str, int]:
        """How many entered at each level."""
        found = Counter(one.level for one in self.entered)
        return {level: found[level] for level in LEVELS[1:]}

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.board-report/1`."""
        return {
            "schema": REPORT_SCHEMA,
            "board": BOARD,
            "unit": UNIT,
            "quarter": self.quarter.name,
            "begin_ns": self.quarter.begin_ns,
            "until_ns": self.until_ns,
            "over": self.over,
            "entered_by_level": self.by_level,
            "entered": [row(one) for one in self.entered],
            "withdrawn": [{**row(one), "withdrawn_ns": one.modified_ns, "reason": one.withdrawn_reason} for one in self.withdrawn],
            "classes": [
                {
                    "class_id": one.class_id,
                    "title": one.title,
                    "load": one.load,
                    "level": one.level,
                    "scope": one.scope,
                    "entered": one.entered,
                    "now": told(one.now),
                    "before": told(one.before),
                    "change_rel": one.change_rel,
                    "first_changed": one.first_changed,
                }
                for one in self.trends
            ],
            "standing": self.standing,
        }


def trends(board: Board, before: Board, *, entered: Sequence[Entry]) -> tuple[Trend, ...]:
    """Every class of either moment, those with most entries first."""
    now, then = ({one.class_id: one for one in moment.classes} for moment in (board, before))
    new = {one.entry_id for one in entered}
    found = []
    for class_id in sorted({*now, *then}):
        shown = now.get(class_id) or then[class_id]
        newest = max((place.entry for place in shown.places), key=lambda one: (one.published_ns, one.entry_id))
        found.append(
            Trend(
                class_id,
                newest.title,
                shown.load,
                newest.level,
                str(newest.scope),
                sum(place.entry.entry_id in new for place in shown.places) if class_id in now else 0,
                Middle.of(now[class_id]) if class_id in now else None,
                Middle.of(then[class_id]) if class_id in then else None,
            )
        )
    return tuple(sorted(found, key=lambda one: (-(one.now.n if one.now else 0), one.class_id)))


def row(entry: Entry) -> dict[str, Any]:
    """An entry in the report."""
    return {
        "entry_id": entry.entry_id,
        "title": entry.title,
        "submitter": entry.submitter,
        "level": entry.level,
        "class_id": entry.class_id,
        "simulated": entry.simulated,
        "published_ns": entry.published_ns,
    }


def told(middle: Middle | None) -> dict[str, Any] | None:
    """A class at one moment, null where it had no entry."""
    return None if middle is None else {**asdict(middle), "first": list(middle.first)}
