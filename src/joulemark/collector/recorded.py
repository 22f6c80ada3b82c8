"""What clients said of a run: marks as they came, and the windows that follow from them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from joulemark.runs import ClockKind, IdleKind, PhaseKind, Run, Tokens, Window


class Edge(enum.StrEnum):
    """What a mark says. `window` carries both edges of a phase, as read from a benchmark's files."""

    START = "start"
    BEGIN = "begin"
    END = "end"
    WINDOW = "window"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark. `utc_ns`, `mono_ns`, `boot_id`: the client's clocks; `received_ns`: the collector's UTC when it heard of it.

    `end_ns`: second edge of a window, else None. `unc_ns`: half-width that the source of a window states. `idle_kind`: of an idle
    phase. `aborted`: why the phase does not count, empty when it does.
    """

    edge: Edge
    name: str
    kind: PhaseKind
    utc_ns: int
    mono_ns: int
    boot_id: str
    received_ns: int
    end_ns: int | None = None
    unc_ns: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    requests: int | None = None
    requests_failed: int | None = None
    source: str = ""
    idle_kind: IdleKind | None = None
    aborted: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run with its marks, oldest first. `agents`: whose meters count; empty for those of the client's host.

    `told`: what benchmarks' own files said beside their windows, which are marks.
    """

    run_id: str
    benchmark: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    agents: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    told: tuple[Run, ...] = ()

    def first(self, edge: Edge) -> Mark | None:
        """The first mark of a kind."""
        return next((m for m in self.marks if m.edge is edge), None)

    @property
    def boot_ids(self) -> frozenset[str]:
        """Boots of the hosts that set the marks."""
        return frozenset(m.boot_id for m in self.marks if m.boot_id)


Axis = Callable[[Mark], tuple[int, int]]
"""(offset_ns, bound_ns) of a mark: add the offset to the client's UTC for the collector's."""


def run_of(recorded: Recorded, axis: Axis) -> Run:
    """The run with its windows on the collector's axis.

    A phase that was begun and not ended closes at the stop. Without any phase, the run from start to stop is one window
    `measured`. Counts given at the stop belong to the measured window when it is the only one and has none of its own. Whatever
    had to be decided is a finding.
    """
    placed = [(mark, *placement(mark, axis)) for mark in recorded.marks]
    windows = [filed(mark, axis) for mark in recorded.marks if mark.end_ns is not None]
    marked, findings = paired(placed)
    windows += marked
    start, stop = (next((p for p in placed if p[0].edge is edge), None) for edge in (Edge.START, Edge.STOP))
    if not windows and start is not None and stop is not None and stop[1] > start[1]:
        whole = replace(start[0], name="measured", kind=PhaseKind.MEASURED)
        windows = [window_of(whole, stop[0], start[1], stop[1], max(start[2], stop[2]))]
    elif stop is not None:
        windows, more = with_counts(windows, stop[0])
        findings += more
    clocks = {told.clock for told in recorded.told}
    return Run(
        windows=tuple(sorted(windows, key=lambda w: (w.begin_ns, w.end_ns))),
        benchmark=recorded.benchmark,
        run_id=recorded.run_id,
        clock=clocks.pop() if len(clocks) == 1 else ClockKind.UTC if not clocks else ClockKind.UNKNOWN,
        tool_reported=tuple(figure for told in recorded.told for figure in told.tool_reported),
        labels={**{key: value for told in recorded.told for key, value in told.labels.items()}, **recorded.labels},
        findings=(*(finding for told in recorded.told for finding in told.findings), *findings),
        result_files=tuple(dict.fromkeys(file for told in recorded.told for file in told.result_files)),
    )


def placement(mark: Mark, axis: Axis) -> tuple[int, int]:
    """(collector's UTC of the mark, half-width)."""
    offset_ns, bound_ns = axis(mark)
    return mark.utc_ns + offset_ns, bound_ns + mark.unc_ns


def filed(mark: Mark, axis: Axis) -> Window:
    """The window that a file dated: each edge is placed for itself, since the clock may have been stepped between."""
    assert mark.end_ns is not None
    begin_ns, begin_unc_ns = placement(mark, axis)
    end_ns, end_unc_ns = placement(replace(mark, utc_ns=mark.end_ns), axis)
    return window_of(mark, mark, begin_ns, max(end_ns, begin_ns + 1), max(begin_unc_ns, end_unc_ns))


def paired(placed: Iterable[tuple[Mark, int, int]]) -> tuple[list[Window], list[str]]:
    """Windows of begin and end marks of the same name, and what did not pair."""
    windows: list[Window] = []
    findings: list[str] = []
    opened: dict[str, tuple[Mark, int, int]] = {}
    for mark, t_ns, unc_ns in sorted(placed, key=lambda p: p[1]):
        if mark.edge is Edge.BEGIN:
            if mark.name in opened:
                findings.append(f"Phase {mark.name!r} was begun twice: the earlier begin was dropped.")
            opened[mark.name] = (mark, t_ns, unc_ns)
        elif mark.edge is Edge.END and mark.name not in opened:
            findings.append(f"Phase {mark.name!r} was ended but not begun: the mark was dropped.")
        elif mark.edge in (Edge.END, Edge.STOP):
            for name in [mark.name] if mark.edge is Edge.END else list(opened):
                begin, begin_ns, begin_unc_ns = opened.pop(name)
                if mark.edge is Edge.STOP:
                    findings.append(f"Phase {name!r} was not ended: it was closed at the stop of the run.")
                if t_ns <= begin_ns:
                    findings.append(f"Phase {name!r} has no duration: it was dropped.")
                    continue
                counted = mark if mark.edge is Edge.END else begin
                windows.append(window_of(begin, counted, begin_ns, t_ns, max(begin_unc_ns, unc_ns)))
    return windows, findings


def window_of(begin: Mark, counted: Mark, begin_ns: int, end_ns: int, unc_ns: int) -> Window:
    """The window named by `begin`, with the counts of `counted`. What either edge says of idling or of an abort holds for both."""
    return Window(
        begin.name,
        begin.kind,
        begin_ns,
        end_ns,
        unc_ns,
        counted.tokens,
        counted.requests,
        counted.requests_failed,
        idle_kind=begin.idle_kind or counted.idle_kind,
        aborted=counted.aborted or begin.aborted,
    )


def with_counts(windows: Sequence[Window], stop: Mark) -> tuple[list[Window], list[str]]:
    """The windows with the counts given at the stop, where they can only mean one window."""
    if stop.tokens == Tokens() and stop.requests is None and stop.requests_failed is None:
        return list(windows), []
    bare = [w for w in windows if w.kind is PhaseKind.MEASURED and not w.aborted and w.tokens == Tokens() and w.requests is None]
    if len(bare) != 1:
        return list(windows), [f"Counts given at the stop were dropped: {len(bare)} measured phases without counts, not one."]
    counted = replace(bare[0], tokens=stop.tokens, requests=stop.requests, requests_failed=stop.requests_failed)
    return [counted if w is bare[0] else w for w in windows], []
