"""What a record of an alignment comes to: the figures that acceptance and the rules CAL hold against limits."""

from __future__ import annotations

import math
from typing import Final

from joulemark.calibration.alignment import Alignment, PlateauRecord
from joulemark.units import NS_PER_S

IDLE, MID, FULL = "idle", "mid", "full"
LINES: Final = {"two_plateaus": 2, "deming": 3, "odr": 3}
"""Methods that are allowed, each of errors in both variables on plateaus, and how many plateaus they want (CAL-3)."""


def means_w(plateau: PlateauRecord) -> tuple[float, float]:
    """(sensor, reference) mean of the windows of a plateau, W. Raises ValueError for a plateau without windows."""
    if not plateau.windows:
        raise ValueError(f"plateau {plateau.name} has no window")
    n = len(plateau.windows)
    return math.fsum(w.sensor_w for w in plateau.windows) / n, math.fsum(w.reference_w for w in plateau.windows) / n


def level_w(record: Alignment, name: str) -> float | None:
    """Mean of the sensor over all plateaus called `name`, W; None without one."""
    means = [means_w(plateau)[0] for plateau in record.plateaus if plateau.name == name and plateau.windows]
    return math.fsum(means) / len(means) if means else None


def mid_share(record: Alignment) -> float | None:
    """Where the mid plateau lies between idle (0) and full (1), by the sensor; None where one of the three is absent."""
    idle_w, mid_w, full_w = (level_w(record, name) for name in (IDLE, MID, FULL))
    if idle_w is None or mid_w is None or full_w is None or full_w == idle_w:
        return None
    return (mid_w - idle_w) / (full_w - idle_w)


def residuals_w(record: Alignment) -> list[tuple[PlateauRecord, float]]:
    """How far the reference of each plateau lies above the line, W."""
    found = [(plateau, means_w(plateau)) for plateau in record.plateaus if plateau.windows]
    return [(plateau, reference_w - record.gain * sensor_w - record.offset_w) for plateau, (sensor_w, reference_w) in found]


def residual_w(record: Alignment) -> float:
    """Largest distance of a plateau from the line, W; 0 without plateaus."""
    return max((abs(distance_w) for _, distance_w in residuals_w(record)), default=0.0)


def residual_rel(record: Alignment) -> float | None:
    """The same relative to the reference of the plateau, infinite where that shows nothing; None without plateaus."""
    shares = ((distance_w, means_w(plateau)[1]) for plateau, distance_w in residuals_w(record))
    return max((abs(distance_w / shown_w) if shown_w else math.inf for distance_w, shown_w in shares), default=None)


def held_out_rel(record: Alignment) -> float | None:
    """Error of the aligned energy of the run that was not in the fit, relative to the reference; None without one."""
    held = record.held_out
    if held is None or not held.reference_j:
        return None
    duration_s = (held.end_ns - held.begin_ns) / NS_PER_S
    return (record.gain * held.sensor_j + record.offset_w * duration_s) / held.reference_j - 1.0


def reversed_pass(record: Alignment) -> bool:
    """Whether the plateaus were gone through a second time, in reverse order."""
    turns = {turn: [p for p in sorted(record.plateaus, key=begin_ns) if p.turn == turn] for turn in (1, 2)}
    first, second = ([plateau.name for plateau in turns[turn]] for turn in (1, 2))
    later = bool(second) and begin_ns(turns[2][0]) >= begin_ns(turns[1][-1]) if first else False
    return later and second == first[::-1]


def read_until_ns(record: Alignment) -> int | None:
    """The end of the last window of readings that the record rests on; None without any."""
    ends = [w.end_ns for plateau in record.plateaus for w in plateau.windows]
    return max(ends + ([] if record.held_out is None else [record.held_out.end_ns]), default=None)


def held_apart(record: Alignment) -> bool:
    """Whether the run held out shares no time with a window of the fit."""
    held = record.held_out
    windows = (w for plateau in record.plateaus for w in plateau.windows)
    return held is None or all(w.end_ns <= held.begin_ns or w.begin_ns >= held.end_ns for w in windows)


def begin_ns(plateau: PlateauRecord) -> int:
    """Begin of its first window; 0 without any."""
    return min((w.begin_ns for w in plateau.windows), default=0)
