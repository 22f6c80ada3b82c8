"""Phases in each other: no moment is measured twice."""

from __future__ import annotations

from joulemark.benchmarks.nesting import outermost
from joulemark.runs import PhaseKind, Window


def phase(name: str, begin_ns: int, end_ns: int) -> Window:
    return Window(name, PhaseKind.MEASURED, begin_ns, end_ns)


def test_only_the_outer_one_is_measured() -> None:
    """Of windows that overlap only the first and longest is measured; one that begins where it ends is measured too."""
    windows = [phase("step", 10, 20), phase("tail", 29, 40), phase("epoch", 10, 30), phase("next", 40, 50), phase("late", 25, 28)]
    kinds = {window.name: window.kind for window in outermost(windows)}
    measured = {name for name, kind in kinds.items() if kind is PhaseKind.MEASURED}
    assert list(kinds) == ["epoch", "step", "late", "tail", "next"]
    assert measured == {"epoch", "next"}
