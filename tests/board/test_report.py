"""The trend report: what entered, medians of comparable entries with their n, and what moved."""

from __future__ import annotations

import dataclasses
import json
import random
import statistics
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from joulemark.board.entry import Entry
from joulemark.board.quarter import Quarter
from joulemark.board.report import REPORT_SCHEMA, Report
from joulemark.standard.schema import schemas
from tests.board.entries import KEY, entry, figures

Q3, Q4 = Quarter.parse("2026Q3"), Quarter.parse("2026Q4")
OTHER = dataclasses.replace(KEY, concurrency=128)
DAY = 86_400_000_000_000
LATER = Q4.end_ns + 400 * DAY


def at(number: int, quarter: Quarter, value_j: float, **changed: Any) -> Entry:
    """An entry of `quarter` with its figure."""
    return entry(number, published_ns=quarter.begin_ns + number * DAY, figures=figures(value_j, 5.0), **changed)


ENTRIES = [
    *(at(number, Q3, value) for number, value in enumerate((300.0, 280.0, 320.0), 1)),
    *(at(number, Q4, value) for number, value in enumerate((200.0, 260.0), 4)),
    at(6, Q4, 500.0, key=OTHER),
    at(7, Q4, 50.0, level="ES0"),
    at(8, Q4, 1.0, simulated=True),
    at(9, Q3, 290.0, key=dataclasses.replace(KEY, precision="bf16")).withdrawn("mistaken", at_ns=Q4.begin_ns + DAY),
    entry(10, published_ns=Q4.end_ns, figures=figures(2.0, 1.0)),
]


def report(entries: list[Entry] = ENTRIES, quarter: Quarter = Q4, *, now_ns: int = LATER) -> Report:
    """The report, by default long after the quarter."""
    return Report.of(entries, quarter, now_ns=now_ns)


def test_medians_are_of_one_class_with_their_n() -> None:
    """The median is that of the comparable entries alone: no ES0, no simulated one, no other class, nothing of a later quarter."""
    found = report().trends[0]
    assert found.now is not None
    assert found.before is not None
    assert (found.now.n, found.now.median_j) == (5, statistics.median((300.0, 280.0, 320.0, 200.0, 260.0)))
    assert (found.before.n, found.before.median_j) == (3, 300.0)
    assert found.change_rel == pytest.approx(280.0 / 300.0 - 1.0)
    assert found.entered == 2


def test_who_shares_the_first_rank() -> None:
    """A new first is seen; without a quarter before nothing changed that can be named."""
    main, other = (next(one for one in report().trends if one.now and one.now.n == n) for n in (5, 1))
    assert main.first_changed is True
    assert main.now is not None
    assert main.now.first == (ENTRIES[3].entry_id,)
    assert (other.before, other.change_rel, other.first_changed) == (None, None, None)


def test_what_entered_and_what_left() -> None:
    """Every entry of the quarter is listed, at each level, the simulated too; so are the withdrawn, with their day."""
    found = report()
    assert [one.entry_id[-1] for one in found.entered] == list("45678")
    assert found.by_level == {"ES0": 1, "ES1": 4, "ES2": 0}
    assert [(one.entry_id[-1], one.withdrawn_reason) for one in found.withdrawn] == [("9", "mistaken")]
    left = next(one for one in found.trends if one.now is None)
    assert left.before is not None
    assert (left.before.n, left.entered, left.change_rel) == (1, 0, None)
    assert found.standing == {"ranked": 6, "informative": 1, "incomparable": 0, "simulated": 1, "withdrawn": 1}


def test_later_changes_nothing() -> None:
    """The report on a quarter that is over is the same whatever comes afterwards, and in any order."""
    mixed = [ENTRIES[0].withdrawn("too late", at_ns=Q4.end_ns), *ENTRIES[1:], entry(11, published_ns=LATER)]
    random.Random(1).shuffle(mixed)
    assert report(mixed).to_json() == report().to_json()


def test_a_quarter_that_is_not_over_says_so() -> None:
    """A report within the quarter stops at its moment."""
    early = report(now_ns=Q4.begin_ns + 5 * DAY)
    assert not early.over
    assert report().over
    assert [one.entry_id[-1] for one in early.entered] == list("45")


def test_a_quarter_that_has_not_begun_is_empty() -> None:
    """Nothing entered in the future."""
    assert report(now_ns=Q3.begin_ns + 5 * DAY).empty
    assert report(quarter=Quarter.parse("2028Q1")).empty
    assert report([]).empty


@pytest.mark.parametrize("entries", [ENTRIES, []])
def test_the_report_keeps_its_schema(entries: list[Entry]) -> None:
    """As data it is valid by its closed schema."""
    for quarter in (Q3, Q4, Quarter.parse("2027Q1")):
        Draft202012Validator(schemas()[REPORT_SCHEMA]).validate(json.loads(json.dumps(report(entries, quarter).to_json(), allow_nan=False)))


def test_the_median_of_two_lies_between() -> None:
    """An even number of entries has the mean of the two in the middle."""
    middle = report([at(1, Q4, 200.0), at(2, Q4, 230.0)]).trends[0].now
    assert middle is not None
    assert (middle.n, middle.median_j) == (2, 215.0)


def test_the_edges_of_a_quarter() -> None:
    """Its first moment belongs to it, and the last of the quarter before does not."""
    edges = [entry(number, published_ns=t_ns) for number, t_ns in enumerate((Q4.begin_ns - 1, Q4.begin_ns, Q4.end_ns - 1, Q4.end_ns), 1)]
    found = report(edges)
    assert [one.entry_id[-1] for one in found.entered] == ["2", "3"]
    trend = found.trends[0]
    assert (trend.now and trend.now.n, trend.before and trend.before.n, trend.entered) == (3, 1, 2)
    gone = report([edges[0].withdrawn("mistaken", at_ns=Q4.begin_ns)])
    assert [one.entry_id[-1] for one in gone.withdrawn] == ["1"]
    assert gone.trends[0].before is not None


def test_no_change_from_zero() -> None:
    """A median of zero has no relative change."""
    found = report([at(1, Q3, 0.0), at(2, Q4, 5.0)]).trends[0]
    assert found.change_rel is None
