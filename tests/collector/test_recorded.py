"""Marks become windows."""

from __future__ import annotations

from joulemark.collector.recorded import Edge, Mark, Recorded, run_of
from joulemark.runs import ClockKind, IdleKind, PhaseKind, Run, Tokens, ToolReported

S = 1_000_000_000


def mark(edge: Edge, t_s: float, name: str = "", kind: PhaseKind = PhaseKind.MEASURED, **more: object) -> Mark:
    return Mark(edge, name, kind, round(t_s * S), 0, "boot", 0, **more)  # type: ignore[arg-type]  # fields of each kind


def windows(*marks: Mark) -> tuple[list[tuple[str, float, float]], tuple[str, ...]]:
    """(name, begin, end) in seconds of the run's windows, and its findings."""
    run = run_of(Recorded("r", marks=marks), lambda _: (0, 0))
    return [(w.name, w.begin_ns / S, w.end_ns / S) for w in run.windows], run.findings


def test_begin_and_end_make_a_window() -> None:
    """Two phases that overlap are two windows, in the order of their begin, with the counts of their end marks."""
    run = run_of(
        Recorded(
            "r",
            marks=(
                mark(Edge.START, 0),
                mark(Edge.BEGIN, 1, "a", PhaseKind.WARMUP),
                mark(Edge.BEGIN, 2, "b"),
                mark(Edge.END, 3, "a"),
                mark(Edge.END, 4, "b", tokens=Tokens(output=7), requests=2),
                mark(Edge.STOP, 5),
            ),
        ),
        lambda _: (0, 0),
    )
    assert [(w.name, w.kind, w.tokens.output, w.requests) for w in run.windows] == [
        ("a", PhaseKind.WARMUP, None, None),
        ("b", PhaseKind.MEASURED, 7, 2),
    ]
    assert run.findings == ()


def test_a_run_without_phases_is_one_measured_window() -> None:
    """From start to stop, with the counts of the stop."""
    run = run_of(Recorded("r", marks=(mark(Edge.START, 1), mark(Edge.STOP, 4, tokens=Tokens(output=9)))), lambda _: (0, 0))
    assert [(w.name, w.kind, w.duration_s, w.tokens.output) for w in run.windows] == [("measured", PhaseKind.MEASURED, 3.0, 9)]


def test_an_open_phase_closes_at_the_stop() -> None:
    """It is a window, and a finding says so."""
    found, findings = windows(mark(Edge.START, 0), mark(Edge.BEGIN, 1, "a"), mark(Edge.STOP, 4))
    assert found == [("a", 1.0, 4.0)]
    assert "was not ended" in findings[0]


def test_marks_that_do_not_pair_are_findings() -> None:
    """An end without begin, a second begin and a phase without duration are dropped, each with a sentence."""
    found, findings = windows(
        mark(Edge.END, 1, "x"), mark(Edge.BEGIN, 2, "y"), mark(Edge.BEGIN, 3, "y"), mark(Edge.END, 4, "y"), mark(Edge.BEGIN, 5, "z"),
        mark(Edge.END, 5, "z"), mark(Edge.STOP, 6),
    )  # fmt: skip
    assert found == [("y", 3.0, 4.0)]
    assert [word for text in findings for word in ("not begun", "twice", "no duration") if word in text] == [
        "not begun",
        "twice",
        "no duration",
    ]


def test_counts_at_the_stop_need_one_measured_phase() -> None:
    """With two measured phases they cannot be told apart: they are dropped and a finding says so."""
    marks = [mark(Edge.BEGIN, 1, "a"), mark(Edge.END, 2, "a"), mark(Edge.BEGIN, 3, "b"), mark(Edge.END, 4, "b")]
    stop = mark(Edge.STOP, 5, tokens=Tokens(output=9))
    two = run_of(Recorded("r", marks=(*marks, stop)), lambda _: (0, 0))
    assert [w.tokens.output for w in two.windows] == [None, None]
    assert "2 measured phases" in two.findings[0]
    one = run_of(Recorded("r", marks=(*marks[:2], stop)), lambda _: (0, 0))
    assert [w.tokens.output for w in one.windows] == [9]


def test_the_client_clock_is_moved_to_the_collector_axis() -> None:
    """Every mark is moved by its offset, and its bound is the window's uncertainty."""
    run = run_of(Recorded("r", marks=(mark(Edge.START, 1), mark(Edge.STOP, 3))), lambda m: (S // 2, 40 if m.edge is Edge.STOP else 10))
    assert [(w.begin_ns, w.end_ns, w.unc_ns) for w in run.windows] == [(3 * S // 2, 7 * S // 2, 40)]


def test_a_window_from_files_keeps_its_own_uncertainty() -> None:
    """Both edges of a file's window are moved together, and the file's uncertainty stays in."""
    window = mark(Edge.WINDOW, 1, "load", end_ns=4 * S, unc_ns=1000)
    run = run_of(Recorded("r", marks=(mark(Edge.START, 0), window, mark(Edge.STOP, 9))), lambda _: (5, 7))
    assert [(w.name, w.begin_ns, w.end_ns, w.unc_ns) for w in run.windows] == [("load", S + 5, 4 * S + 5, 1007)]


def test_what_a_benchmarks_files_told_stands_beside_the_marks() -> None:
    """The tool's own figures, its clock and what it could not tell reach the run; a label of the caller wins over the file's."""
    figures = (ToolReported("gpu_energy", 5.0, "J"),)
    told = Run((), clock=ClockKind.LOCAL, tool_reported=figures, labels={"model": "a"}, findings=("No x.",))
    run = run_of(Recorded("r", labels={"model": "b"}, told=(told,)), lambda _mark: (0, 0))
    assert (run.clock, run.tool_reported, dict(run.labels), run.findings) == (
        ClockKind.LOCAL,
        told.tool_reported,
        {"model": "b"},
        ("No x.",),
    )


def test_idling_and_aborts_reach_the_window() -> None:
    """What the begin says of idling and what the end says of an abort stand in the window; an aborted phase takes no counts of the stop."""
    run = run_of(
        Recorded(
            "r",
            marks=(
                mark(Edge.BEGIN, 1, "idle", PhaseKind.IDLE_BEFORE, idle_kind=IdleKind.BARE),
                mark(Edge.END, 2, "idle"),
                mark(Edge.BEGIN, 3, "a"),
                mark(Edge.END, 4, "a", aborted="the server died"),
                mark(Edge.BEGIN, 5, "b"),
                mark(Edge.END, 6, "b"),
                mark(Edge.STOP, 7, tokens=Tokens(output=9)),
            ),
        ),
        lambda _: (0, 0),
    )
    assert [(w.name, w.idle_kind, w.aborted, w.tokens.output) for w in run.windows] == [
        ("idle", IdleKind.BARE, "", None),
        ("a", None, "the server died", None),
        ("b", None, "", 9),
    ]
