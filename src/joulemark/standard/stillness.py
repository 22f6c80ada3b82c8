"""Stillness: how long a stream of the headline showed nothing new in a measured phase, and whether it should have (SMP-6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from joulemark.energy.frozen import step_w, witness
from joulemark.energy.series import INTEGRABLE, Int64, Series
from joulemark.standard.stretch import Stretch
from joulemark.units import NS_PER_S

REFRESHES = 3.0
"""A counter whose steps are large is still for a while between two of them; it is frozen after so many times that long."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """`lasted_s`: the longest time without news. `frozen`: whether it should have moved, None where nothing can tell. `why`: in words."""

    lasted_s: float
    frozen: bool | None
    why: str = ""


def stillness(stretch: Stretch, *, limit_s: float, steps: float) -> Stillness:
    """The longest stillness that reaches into a stretch.

    Frozen above `limit_s` if the time of its device stood, if it is a counter, or if another stream of the node moved meanwhile by more
    than `steps` steps of it.
    """
    if stretch.is_counter:
        return of_counter(stretch, limit_s)
    raw = stretch.raw.rows(INTEGRABLE[stretch.raw.quality])
    stood = max((lasted(rows, stretch, raw) for rows in runs(raw.t_device_ns)), default=0.0)
    if raw.t_device_ns is not None and stood > limit_s:
        return Stillness(stood, frozen=True, why=f"the time of the device stood still for {stood:.1f} s")
    found = Stillness(0.0, frozen=False)
    for rows in runs(raw.value):
        repeats_ns = raw.t_ns[rows[1:]]
        if np.any((repeats_ns >= stretch.window.begin_ns) & (repeats_ns <= stretch.window.end_ns)):
            found = max(found, of_value(stretch, raw, rows, limit_s=limit_s, steps=steps), key=rank)
    return found


def rank(found: Stillness) -> tuple[bool, bool, float]:
    """Worst last: what is frozen, what nothing can tell, what only lasts."""
    return found.frozen is True, found.frozen is None, found.lasted_s


def runs(column: Int64 | None) -> Iterator[Int64]:
    """Row numbers of each run of one value; rows of value 0 in a column of device times stand for no time, and make a run like others."""
    if column is not None and len(column):
        yield from np.split(np.arange(len(column)), np.flatnonzero(np.diff(column)) + 1)


def lasted(rows: Int64, stretch: Stretch, raw: Series) -> float:
    """Seconds over which the rows were read under one device time; 0 where the device said none, and outside the phase."""
    if raw.t_device_ns is None or raw.t_device_ns[rows[0]] == 0:
        return 0.0
    read_ns = (raw.t_ns if raw.t_read0_ns is None else raw.t_read0_ns)[rows]
    apart = read_ns[-1] < stretch.window.begin_ns or read_ns[0] > stretch.window.end_ns
    return 0.0 if apart else float(read_ns[-1] - read_ns[0]) / NS_PER_S


def of_value(stretch: Stretch, raw: Series, rows: Int64, *, limit_s: float, steps: float) -> Stillness:
    """What one raw value in `rows` comes to, by what the other streams did meanwhile."""
    begin_ns, end_ns = int(raw.t_ns[rows[0]]), int(raw.t_ns[rows[-1]])
    lasted_s = (end_ns - begin_ns) / NS_PER_S
    if lasted_s <= limit_s:
        return Stillness(lasted_s, frozen=False)
    width_ns = round(max(limit_s / 3.0, stretch.window_s or 0.0) * NS_PER_S)
    moved = [
        (float(np.ptp(means_w)), seen.meter_id)
        for other in stretch.others
        if (seen := witness(other)) is not None and len(means_w := seen.means_w(begin_ns, end_ns, width_ns)) > 1
    ]
    if not moved:
        return Stillness(lasted_s, None, f"one value for {lasted_s:.1f} s, and no other stream of the node shows whether that was so")
    span_w, meter_id = max(moved)
    if span_w > steps * step_w(raw):
        return Stillness(lasted_s, frozen=True, why=f"one value for {lasted_s:.1f} s while {meter_id} moved by {span_w:.3g} W")
    return Stillness(lasted_s, frozen=False)


def of_counter(stretch: Stretch, limit_s: float) -> Stillness:
    """A counter that does not advance is frozen, unless its steps are always that far apart."""
    window, points = stretch.window, stretch.points
    if points is None:
        return Stillness(window.duration_s, frozen=True, why="the counter never advanced")
    inside = points.t_ns[(points.t_ns > window.begin_ns) & (points.t_ns < window.end_ns)]
    edges = np.concatenate(([window.begin_ns], inside, [window.end_ns]))
    lasted_s = float(np.diff(edges).max()) / NS_PER_S
    frozen = lasted_s > max(limit_s, REFRESHES * points.interval_s)
    return Stillness(lasted_s, frozen, f"the counter did not advance for {lasted_s:.1f} s" if frozen else "")
