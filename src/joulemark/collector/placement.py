"""Where the marks of a run lie on the collector's axis, by what is known of the client's clock and of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from joulemark.collector.recorded import Edge, Mark
from joulemark.collector.store.axis import COLLECTOR
from joulemark.collector.store.base import UNKNOWN_BOUND_NS, Anchored, ClockStep, HostState, Stream
from joulemark.collector.store.relation import offset_of_utc
from joulemark.timebase import iso_utc
from joulemark.units import NS_PER_S

DRIFT_PPM: Final = 100
FOREIGN_NS: Final = NS_PER_S
"""A monotonic time that contradicts UTC by more is of another clock: of a time namespace, or one that a suspension stopped."""


class Axis:
    """Places the marks of one run. `axes` and `steps`, oldest first: of the collector, and of every clock in the time of the run."""

    def __init__(
        self,
        boot_id: str,
        streams: Sequence[Stream],
        states: Sequence[HostState],
        *,
        axes: Sequence[Anchored] = (),
        steps: Sequence[ClockStep] = (),
    ) -> None:
        """`boot_id`: the collector's own."""
        self._boot_id, self._axes, self._steps = boot_id, axes, steps
        self._boots = {(s.agent_id, s.epoch_ns): s.boot_id for s in streams}
        self._states = states

    def __call__(self, mark: Mark) -> tuple[int, int]:
        """(offset_ns, bound_ns) to the client's UTC: exact on the collector's own host, else by the agent on the client's host.

        A mark is placed by its monotonic time; a window from files has UTC alone, and is uncertain around a step of that clock, as is a
        mark whose monotonic time is not that of its host. From elsewhere a mark is as late as it was received. A window that a file
        dated on a host without an agent was not received when it happened: nobody knows its clock.
        """
        own = [axis for axis in self._axes if axis.boot_id and axis.boot_id == mark.boot_id]
        if own or (mark.boot_id and mark.boot_id == self._boot_id):
            return self._here(mark, own)
        same = [s for s in self._states if mark.boot_id and self._boots.get((s.agent_id, s.epoch_ns)) == mark.boot_id]
        if same:
            return self._on_host_of(mark, same)
        return 0, abs(mark.received_ns - mark.utc_ns) if mark.edge is not Edge.WINDOW else UNKNOWN_BOUND_NS

    def _here(self, mark: Mark, axes: Sequence[Anchored]) -> tuple[int, int]:
        when_ns = mark.utc_ns if mark.edge is Edge.WINDOW else mark.received_ns
        begun = [axis for axis in axes if axis.since_ns <= when_ns]
        if not begun:  # from before the collector had an axis: UTC was it
            return 0, 0
        later = [axis.since_ns for axis in axes if axis.since_ns > begun[-1].since_ns]
        steps = [s for s in self._steps_of(COLLECTOR) if s.t_ns >= begun[-1].since_ns and (not later or s.t_ns < later[0])]
        by_utc = offset_of_utc(mark.utc_ns, begun[-1].minus_utc_ns, steps)
        return chosen(mark, (begun[-1].minus_mono_ns + mark.mono_ns - mark.utc_ns, 0), by_utc)

    def _on_host_of(self, mark: Mark, states: Sequence[HostState]) -> tuple[int, int]:
        nearest = min(states, key=lambda s: abs(s.t_ns - mark.utc_ns))
        steps = self._steps_of(nearest.agent_id)
        newest_offset_ns = nearest.to_utc_ns - sum(s.step_ns for s in steps if s.t_ns > nearest.t_ns)
        offset_ns, unc_ns = offset_of_utc(mark.utc_ns, newest_offset_ns, steps)
        by_utc = offset_ns, widened(nearest.bound_ns, nearest.t_ns - mark.utc_ns - offset_ns) + unc_ns
        on_mono = [s for s in states if s.clock.at_mono_ns]
        return chosen(mark, by_monotonic(mark, on_mono), by_utc) if on_mono else by_utc

    def _steps_of(self, agent_id: str) -> list[ClockStep]:
        return [s for s in self._steps if s.agent_id == agent_id]


def by_monotonic(mark: Mark, states: Sequence[HostState]) -> tuple[int, int]:
    """(offset, bound) of a mark by the state of its host that is nearest in monotonic time."""
    nearest = min(states, key=lambda s: abs(s.clock.at_mono_ns - mark.mono_ns))
    apart_ns = mark.mono_ns - nearest.clock.at_mono_ns
    axis_ns = nearest.t_ns + apart_ns + apart_ns * nearest.clock.drift_ppb // NS_PER_S
    return axis_ns - mark.utc_ns, widened(nearest.bound_ns, apart_ns)


def chosen(mark: Mark, by_mono: tuple[int, int], by_utc: tuple[int, int]) -> tuple[int, int]:
    """`by_mono` for a mark whose monotonic time is its host's: UTC, steps undone, says the same; else `by_utc`."""
    own = mark.edge is not Edge.WINDOW and mark.mono_ns and abs(by_mono[0] - by_utc[0]) <= by_mono[1] + by_utc[1] + FOREIGN_NS
    return by_mono if own else by_utc


def widened(bound_ns: int, apart_ns: int) -> int:
    """`bound_ns` as far from where it was measured; 0 is one kernel, which does not drift against itself."""
    return bound_ns + abs(apart_ns) * DRIFT_PPM // 1_000_000 if bound_ns else 0


def told(steps: Sequence[ClockStep]) -> list[str]:
    """A finding for each step."""
    return [
        f"The clock of {'the collector' if s.agent_id == COLLECTOR else f'agent {s.agent_id}'} was stepped by "
        f"{s.step_ns / NS_PER_S:+.3f} s at {iso_utc(s.t_ns)[:23]}Z: readings and marks lie on monotonic time and did not move."
        for s in steps
    ]
