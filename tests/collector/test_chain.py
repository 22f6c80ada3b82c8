"""The chain of a run: what was heard, in that order, and where it lies."""

from __future__ import annotations

from dataclasses import replace

from joulemark.chain import MARK, PLACED, RUN
from joulemark.collector.chain import chain_of, heard
from joulemark.collector.recorded import Edge, Mark, Recorded, run_of
from joulemark.runs import PhaseKind
from joulemark.standard.unit_names import nameless

S = 1_000_000_000


def mark(edge: Edge, t_s: float, name: str = "", kind: PhaseKind = PhaseKind.MEASURED, **more: object) -> Mark:
    """A mark that was heard of 3 ms later."""
    t_ns = round(t_s * S)
    return Mark(edge, name, kind, t_ns, 0, "boot", t_ns + 3_000_000, **more)  # type: ignore[arg-type]  # fields of each kind


MARKS = (
    mark(Edge.START, 0),
    mark(Edge.BEGIN, 1, "warm", PhaseKind.WARMUP),
    mark(Edge.END, 2, "warm"),
    mark(Edge.BEGIN, 3, "load"),
    replace(mark(Edge.WINDOW, 0.5, "filed", PhaseKind.OTHER, end_ns=S), received_ns=4 * S),
    mark(Edge.STOP, 5),
)
RECORDED = Recorded("r", "tool", {"model": "m"}, (), tuple(sorted(MARKS, key=lambda m: m.utc_ns)))


def test_every_edge_is_an_event_in_the_order_of_hearing() -> None:
    """The run with its labels comes first; a file's window, dated earlier, stands where it was heard of; the stop ends what is open."""
    chain = heard(RECORDED)
    assert chain.broken() == []
    assert [event.kind for event in chain.events] == [RUN, *[MARK] * 6]
    assert chain.events[0].data == {"run_id": "r", "benchmark": "tool", "label.model": "m"}
    assert [(e.data["phase"], e.data["kind"], e.data["edge"], e.data["utc_ns"]) for e in chain.of_kind(MARK)] == [
        ("warm", "warmup", "begin", S),
        ("warm", "warmup", "end", 2 * S),
        ("load", "measured", "begin", 3 * S),
        ("filed", "other", "begin", S // 2),
        ("filed", "other", "end", S),
        ("load", "measured", "end", 5 * S),
    ]


def test_the_chain_of_an_earlier_moment_is_the_beginning_of_the_later_one() -> None:
    """Whatever is heard next, and wherever it is placed: a receipt for an event stays true."""
    final = chain_of(RECORDED, lambda _: (7, 0))
    for count in range(1, len(MARKS) + 1):
        early = heard(replace(RECORDED, marks=tuple(sorted(MARKS[:count], key=lambda m: m.utc_ns))))
        assert early.events == final.events[: len(early.events)]


def test_times_on_the_axis_stand_in_one_last_event() -> None:
    """They are the edges of the windows, exactly; where no clock moved a mark there is no such event."""
    axis = lambda m: (m.utc_ns // 1000, 0)  # noqa: E731  # a clock that drifts
    chain = chain_of(RECORDED, axis)
    assert [event.kind for event in chain.events].count(PLACED) == 1
    assert chain.events[-1].kind == PLACED
    assert chain.broken() == []
    edges = {(w.name, edge, t_ns) for w in run_of(RECORDED, axis).windows for edge, t_ns in (("begin", w.begin_ns), ("end", w.end_ns))}
    assert set(chain.edges()) == edges
    assert chain_of(RECORDED, lambda _: (0, 0)) == heard(RECORDED)
    assert list(nameless(chain.to_json(), path="chain")) == []  # INT-9 asks it of every bundle


def test_a_run_without_phases_has_its_two_edges_when_it_is_stopped() -> None:
    """The window that the run itself is stands in the chain as one; before the stop there is none, and before the start no chain."""
    bare = Recorded("r", marks=(MARKS[0], MARKS[-1]))
    assert heard(bare).edges() == (("measured", "begin", 0), ("measured", "end", 5 * S))
    assert heard(Recorded("r", marks=MARKS[:1])).edges() == ()
    assert heard(Recorded("r")).events == ()
