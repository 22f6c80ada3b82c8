"""Marks and phases, and who saw the marks."""

from __future__ import annotations

from dataclasses import replace

from joulemark.chain import MARK, PLACED, Chain
from joulemark.runs import PhaseKind, Run, Window
from joulemark.standard import marks
from tests.kit.lab import receipt
from tests.kit.spoil import TRUST

NS = 1_000_000_000
WINDOW = Window("measured-1", PhaseKind.MEASURED, 100 * NS, 200 * NS)


def chain(*told: tuple[str, int]) -> Chain:
    """A chain of marks of the one phase, each a second after its moment."""
    made = Chain()
    for edge, at_s in told:
        data = {"phase": "measured-1", "kind": "measured", "edge": edge, "utc_ns": at_s * NS}
        made = made.appended(MARK, data, t_ns=(at_s + 1) * NS)
    return made


def test_marks_that_say_what_the_phases_are() -> None:
    """Begin and end marked at their times leave nothing to say, and came a second late."""
    made = chain(("begin", 100), ("end", 200))
    assert marks.unlike(made, Run((WINDOW,))) == []
    assert [marks.delay_s(edge, event) for edge, event in marks.marked(made).items()] == [1.0, 1.0]


def test_another_end_is_named_from_both_sides() -> None:
    """A phase whose end was marked elsewhere lacks its own mark, and the mark lacks its phase."""
    missing, strange = marks.unlike(chain(("begin", 100), ("end", 190)), Run((WINDOW,)))
    assert missing == "measured-1: no mark of its end at 200000000000 ns"
    assert strange == "the end of measured-1 was marked at 190000000000 ns and is not in the run"


def test_a_mark_without_time_or_twice_is_seen() -> None:
    """A mark that says no time, or stands twice, is one too many."""
    made = chain(("begin", 100), ("end", 200))
    twice = {"phase": "measured-1", "kind": "measured", "edge": "end", "utc_ns": 200 * NS}
    for data in (twice, {"phase": "measured-1", "edge": "end"}):
        (found,) = marks.unlike(made.appended(MARK, data, t_ns=300 * NS), Run((WINDOW,)))
        assert found == "a mark stands twice in the chain, or says no time"


def test_receipts_count_from_the_mark_on() -> None:
    """A receipt within the time counts for its own event and all before it; one dated before the mark, or too late, does not."""
    begin = chain(("begin", 100))
    made = chain(("begin", 100), ("end", 200))
    for at_s, left in ((101, ["measured-1 end"]), (99, ["measured-1 end"]), (98, BOTH), (400, ["measured-1 end"]), (401, BOTH)):
        seen = replace(made, receipts=(receipt(begin, t_ns=at_s * NS),))
        assert marks.unreceipted(seen, (WINDOW,), TRUST, within_s=300.0, early_s=1.0) == left, at_s
    of_end = replace(made, receipts=(receipt(made, t_ns=201 * NS),))
    assert marks.unreceipted(of_end, (WINDOW,), TRUST, within_s=300.0, early_s=1.0) == []
    assert marks.unreceipted(of_end, (WINDOW,), TRUST, within_s=100.0, early_s=1.0) == ["measured-1 begin"]


BOTH = ["measured-1 begin", "measured-1 end"]


def test_a_receipt_beyond_the_chain_or_of_another_event_is_none() -> None:
    """A receipt whose place is not in the chain, or whose hash is another event's, does not hold."""
    made = chain(("begin", 100), ("end", 200))
    true = receipt(made, t_ns=201 * NS)
    assert marks.holds(true, made, TRUST)
    assert not marks.holds(replace(true, seq=2), made, TRUST)
    assert not marks.holds(replace(true, seq=-1), made, TRUST)
    assert not marks.holds(replace(true, seq=0), made, TRUST)
    assert not marks.holds(replace(true, t_ns=true.t_ns + 1), made, TRUST)


def test_a_mark_stands_where_the_clock_states_put_it() -> None:
    """A mark is hashed with the client's own time; the phase begins where an event `placed` moved it, by so much at most."""
    times = {"event_0_ns": 100 * NS + 30_000_000, "event_1_ns": 200 * NS - 10_000_000}
    made = chain(("begin", 100), ("end", 200)).appended(PLACED, times, t_ns=201 * NS)
    moved = replace(WINDOW, begin_ns=100 * NS + 30_000_000, end_ns=200 * NS - 10_000_000)
    assert marks.unlike(made, Run((moved,))) == []
    assert marks.unlike(made, Run((WINDOW,))) != []
    assert marks.farthest_s(made) == 0.03
    assert marks.farthest_s(chain(("begin", 100))) == 0.0
