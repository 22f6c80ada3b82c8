"""Phases that lie in each other or overlap, as a step lies in an epoch: no moment is measured twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from joulemark.runs import PhaseKind, Window


def outermost(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The windows by their begin; one that overlaps an earlier or a longer one is of kind OTHER."""
    out: list[Window] = []
    last_ns = 0
    for window in sorted(windows, key=lambda window: (window.begin_ns, -window.end_ns)):
        out.append(replace(window, kind=PhaseKind.OTHER) if window.begin_ns < last_ns else window)
        last_ns = max(last_ns, window.end_ns)
    return tuple(out)
