"""Rows of one device as columns: between the wire's memory, the sealed blob and `Series`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, Final, Self

import numpy as np

from joulemark.collector.store.base import UNKNOWN_BOUND_NS
from joulemark.collector.store.codec import Orders, best_order, drawn, line, packed, unpacked
from joulemark.energy.series import Int64, Series
from joulemark.errors import FormatError
from joulemark.proto.messages import NO_DEVICE_TIME, BlockView, ClockState
from joulemark.readings import MeterInfo, Quality, TimestampSource
from joulemark.timebase import STEP_NS
from joulemark.units import NS_PER_S

FORMAT: Final = 3
"""A chunk holds `t_ns`, the time on the axis, for `mono_ns`, and what is to be added to that for `offset_ns`, so that an energy needs two
columns; and of a column that is a straight line its begin and step."""
SUM_FORMAT: Final = 2
"""It held `mono_ns`, and for `offset_ns` its sum with `utc_minus_mono_ns`: both share the noise of reading two clocks, and the sum not."""
FIRST_FORMAT: Final = 1
"""It held all columns as they are."""
Prefix = Callable[[int], Int64]
"""The first so many entries of a column, int64[count]; each call decodes them anew."""
UNKNOWN: Final = -1
DRIFT_PPM: Final = 100
"""How fast two undisciplined clocks may part: the frequency tolerance of a computer crystal with margin."""
NOTHING: Final = np.zeros(0, np.int64)
SHARED: Final = ("mono_ns", "utc_minus_mono_ns", "bracket_ns", "seq", "pinned", "offset_ns", "bound_ns")


@dataclass(frozen=True, slots=True)
class FirstClock:
    """What dates the rows of an epoch whose batches did not know their offset, see `relation`. Bound 0: one kernel, no drift.

    `offset_ns` is added to monotonic time, and `bound_ns` (None: nobody ever compared) holds at the monotonic time `at_ns`; in an epoch
    that version 1 stored both are of the agent's UTC.
    """

    offset_ns: int
    bound_ns: int | None
    at_ns: int
    on_mono: bool = True


@dataclass(frozen=True, slots=True)
class Columns:
    """n rows of one device, as read.

    `shared[name]`: int64[n] for every name of SHARED; `bound_ns` is UNKNOWN where the agent's offset was not known yet.
    `values[i]`, `device_delta_ns[i]` (None: the meter has no clock) and `quality[i]` (None: all ok) belong to meter i.
    """

    shared: Mapping[str, Int64]
    values: tuple[Int64, ...]
    device_delta_ns: tuple[Int64 | None, ...]
    quality: tuple[Int64 | None, ...]
    reasons: tuple[Mapping[int, str], ...]

    def __len__(self) -> int:
        return len(self.shared["mono_ns"])

    @classmethod
    def from_block(cls, block: BlockView, clock: ClockState) -> Self:
        """The rows of a received block, with the clock state of its batch on every row."""
        return cls.from_blocks([(block, clock)])

    @classmethod
    def from_blocks(cls, parts: Sequence[tuple[BlockView, ClockState]]) -> Self:
        """The rows of blocks of one device one after another; all have the same meters. One look at each column, not at each block."""
        counts = np.array([block.row_count for block, _ in parts])
        starts = np.cumsum(counts) - counts

        def each(values: Iterable[int]) -> Int64:
            return np.repeat(np.array(list(values), dtype=np.int64), counts)

        mono_ns = joined(block.mono_delta_ns for block, _ in parts) + each(block.base_mono_ns for block, _ in parts)
        shift_ns = spread([block.utc_minus_mono_ns for block, _ in parts], counts)
        seq = spread([block.seq for block, _ in parts], counts)
        alone = np.repeat(np.array([len(block.seq) == 8 for block, _ in parts]), counts)
        pinned = np.zeros(len(mono_ns), np.int64)
        for start, (block, _) in zip(starts.tolist(), parts, strict=True):
            if block.pinned_rows:
                pinned[[start + row for row in block.pinned_rows]] = 1
        shared = {
            "mono_ns": mono_ns,
            "utc_minus_mono_ns": shift_ns,
            "bracket_ns": joined(block.bracket_ns for block, _ in parts),
            "seq": seq + np.where(alone, np.arange(len(mono_ns)) - np.repeat(starts, counts), 0),
            "pinned": pinned,
            "offset_ns": offsets(mono_ns, shift_ns, [clock for _, clock in parts], counts),
            "bound_ns": each(clock.bound_ns if clock.offset_known else UNKNOWN for _, clock in parts),
        }
        meters = [[block.columns[i] for block, _ in parts] for i in range(len(parts[0][0].columns))]
        return cls(
            shared,
            tuple(joined(c.values for c in columns) for columns in meters),
            tuple(optional([c.device_delta_ns for c in columns], counts, np.dtype("<i8"), NO_DEVICE_TIME) for columns in meters),
            tuple(optional([c.quality for c in columns], counts, np.dtype("u1"), Quality.OK) for columns in meters),
            tuple(
                {start + row: text for start, c in zip(starts.tolist(), columns, strict=True) for row, text in c.reasons.items()}
                for columns in meters
            ),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of `parts` one after another; all have the same meters."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(p) for p in parts)])
        meters = range(len(parts[0].values))
        return cls(
            {name: np.concatenate([p.shared[name] for p in parts]) for name in SHARED},
            tuple(np.concatenate([p.values[i] for p in parts]) for i in meters),
            tuple(joined_optional([(p.device_delta_ns[i], len(p)) for p in parts], NO_DEVICE_TIME) for i in meters),
            tuple(joined_optional([(p.quality[i], len(p)) for p in parts], Quality.OK) for i in meters),
            tuple({int(starts[k]) + row: text for k, p in enumerate(parts) for row, text in p.reasons[i].items()} for i in meters),
        )

    def utc_ns(self) -> Int64:
        """int64[n]: middle of the read bracket in the agent's UTC."""
        return self.shared["mono_ns"] + self.shared["utc_minus_mono_ns"]

    def axis_ns(self, first_clock: FirstClock | None) -> Int64:
        """int64[n]: the same on the collector's axis."""
        return self.utc_ns() + self.clock(first_clock)[0]

    def clock(self, first_clock: FirstClock | None) -> tuple[Int64, Int64]:
        """(offset, bound), each int64[n]: add the offset to the agent's UTC for the collector's."""
        return known_clock(self.shared, first_clock)

    def clock_bound_ns(self, first_clock: FirstClock | None, t0_ns: int, t1_ns: int) -> int:
        """The widest bound among the rows read in [t0_ns, t1_ns], give or take a second: a reading is dated before it is read."""
        offset_ns, bound_ns = self.clock(first_clock)
        t_ns = self.utc_ns() + offset_ns
        return int(bound_ns[(t_ns >= t0_ns - NS_PER_S) & (t_ns <= t1_ns + NS_PER_S)].max(initial=0))

    def series(self, index: int, meter: MeterInfo, first_clock: FirstClock | None) -> Series:
        """The readings of meter number `index`, on the collector's axis."""
        utc_ns = self.utc_ns()
        offset_ns, bound_ns = self.clock(first_clock)
        delta, quality = self._device_delta_ns(index), self.quality[index]
        return Series.from_columns(
            meter,
            t_read_ns=utc_ns,
            bracket_ns=self.shared["bracket_ns"],
            t_device_ns=None if delta is None else np.where(delta == NO_DEVICE_TIME, 0, utc_ns + delta),
            value=self.values[index],
            quality=np.full(len(self), Quality.OK, np.uint8) if quality is None else quality.astype(np.uint8),
            reasons=self.reasons[index],
            clock_offset_ns=offset_ns,
            clock_bound_ns=int(bound_ns.max(initial=0)),
        )

    def _device_delta_ns(self, index: int) -> Int64 | None:
        delta_ns = self.device_delta_ns[index]
        if delta_ns is None:
            return None
        return redated(self.shared["mono_ns"], self.shared["utc_minus_mono_ns"], self.shared["bracket_ns"], delta_ns)

    def seal(self, orders: Orders | None = None) -> tuple[str, bytes]:
        """(JSON layout, pcodec blob): everything of these columns, exactly. `orders`: of columns like these, found where one is missing."""
        orders = {} if orders is None else orders
        named = {name: self.shared[name] for name in SHARED}
        named["axis_ns"] = named.pop("offset_ns") + self.shared["utc_minus_mono_ns"]
        named = {"t_ns": named.pop("mono_ns") + named["axis_ns"], **named}
        for i, values in enumerate(self.values):
            named[f"value:{i}"] = values
            for name, column in (("delta", self.device_delta_ns[i]), ("quality", self.quality[i])):
                if column is not None:
                    named[f"{name}:{i}"] = column
        lines = {name: found for name, column in named.items() if (found := line(column)) is not None}
        parts = {}
        for name in [name for name in named if name not in lines]:
            if name not in orders:
                orders[name] = best_order(named[name])
            parts[name] = packed(named[name], order=orders[name])
        layout: dict[str, Any] = {
            "format": FORMAT,
            "rows": len(self),
            "meters": len(self.values),
            "columns": {name: len(part) for name, part in parts.items()},
            "lines": lines,
        }
        if any(self.reasons):
            layout["reasons"] = [reason_runs(reasons) for reasons in self.reasons]
        if (self.shared["bound_ns"] == UNKNOWN).any():
            layout["undated"] = True
        return json.dumps(layout, separators=(",", ":")), b"".join(parts.values())

    def plainly_dated(self, index: int) -> bool:
        """Whether every row of a meter is ok, and none has a time of the device."""
        return self.device_delta_ns[index] is None and self.quality[index] is None

    def stamps(self, index: int, meter: MeterInfo) -> tuple[int | None, int | None]:
        """What the device said of the time of the first and of the last row, UTC of the agent; None where that does not date them."""
        delta_ns = self._device_delta_ns(index)
        if delta_ns is None or meter.timestamp_source is TimestampSource.READ_BRACKET:
            return None, None
        first, last = (None if delta_ns[row] == NO_DEVICE_TIME else int(self.utc_ns()[row] + delta_ns[row]) for row in (0, -1))
        return first, last

    @classmethod
    def unseal(cls, layout_json: str, blob: bytes, *, only: int | None = None) -> Self:
        """Inverse of `seal`; with `only`, the columns of all meters but that one stay empty. Raises FormatError for another version."""
        layout: dict[str, Any] = json.loads(layout_json)
        if layout["format"] not in (FIRST_FORMAT, SUM_FORMAT, FORMAT):
            raise FormatError(f"a sealed chunk has format {layout['format']}, not {FORMAT}", "use the collector that wrote readings.db")
        named = opened(layout, blob, lambda name: only is None or ":" not in name or name.endswith(f":{only}"))
        if layout["format"] == SUM_FORMAT:
            named["offset_ns"] = named["offset_ns"] - named["utc_minus_mono_ns"]
        elif layout["format"] == FORMAT:
            named["offset_ns"] = named["axis_ns"] - named["utc_minus_mono_ns"]
            named["mono_ns"] = named["t_ns"] - named["axis_ns"]
        meters = range(layout["meters"])
        return cls(
            {name: named[name] for name in SHARED},
            tuple(named[f"value:{i}"] if only in (None, i) else NOTHING for i in meters),
            tuple(named.get(f"delta:{i}") for i in meters),
            tuple(named.get(f"quality:{i}") for i in meters),
            tuple(unrolled(runs) for runs in layout.get("reasons") or [()] * layout["meters"]),
        )

    @staticmethod
    def plain(layout_json: str, blob: bytes, index: int) -> tuple[Int64, Prefix] | None:
        """(time on the axis, value) of meter `index`, without the rest; values are decoded as far as they are asked for. None where a row
        has a time of the device, is not ok, or does not know its clock: `series` says what those are.
        """
        layout: dict[str, Any] = json.loads(layout_json)
        known = layout["columns"].keys() | layout.get("lines", {}).keys()
        if layout["format"] == FIRST_FORMAT or f"delta:{index}" in known or f"quality:{index}" in known or "undated" in layout:
            return None
        rows, value = layout["rows"], prefix(layout, blob, f"value:{index}")
        if layout["format"] == FORMAT:
            return prefix(layout, blob, "t_ns")(rows), value
        mono_ns, offset_ns, bound_ns = (prefix(layout, blob, name)(rows) for name in ("mono_ns", "offset_ns", "bound_ns"))
        return None if (bound_ns == UNKNOWN).any() else (mono_ns + offset_ns, value)


def opened(layout: Mapping[str, Any], blob: bytes, wanted: Callable[[str], bool]) -> dict[str, Int64]:
    """The columns of a chunk with a name that is `wanted`."""
    ends, rows = accumulate(layout["columns"].values(), initial=0), layout["rows"]
    found = {name: unpacked(blob[a:b], rows) for name, (a, b) in zip(layout["columns"], pairwise(ends), strict=True) if wanted(name)}
    lines = layout.get("lines", {}).items()
    return found | {name: drawn(first, step, rows) for name, (first, step) in lines if wanted(name)}


def prefix(layout: Mapping[str, Any], blob: bytes, name: str) -> Prefix:
    """One column of a chunk by its name, which it has."""
    if (ends := layout.get("lines", {}).get(name)) is not None:
        return partial(drawn, *ends)
    begin = 0
    for known, size in layout["columns"].items():
        if known == name:
            return partial(unpacked, blob[begin : begin + size])
        begin += size
    raise FormatError(f"a sealed chunk has no column {name}", "restore readings.db from a backup")


def joined(memories: Iterable[bytes]) -> Int64:
    """Little-endian int64 memory as one array."""
    return np.frombuffer(b"".join(memories), dtype="<i8")


def spread(memories: Sequence[bytes], counts: Int64) -> Int64:
    """The same, where a block of n rows may have one entry for all of them."""
    rows = np.array([len(memory) // 8 for memory in memories])
    return np.repeat(joined(memories), np.repeat(np.where(rows == 1, counts, 1), rows))


def optional(memories: Sequence[bytes], counts: Int64, kind: np.dtype[Any], default: int) -> Int64 | None:
    """The same of a column that blocks may lack, `default` there; None when all do."""
    if not any(memories):
        return None
    filled = [memory or np.full(n, default, kind).tobytes() for memory, n in zip(memories, counts.tolist(), strict=True)]
    return np.frombuffer(b"".join(filled), dtype=kind).astype(np.int64)


def joined_optional(parts: Sequence[tuple[Int64 | None, int]], default: int) -> Int64 | None:
    """The columns of `parts` (column, length) one after another, `default` where one is absent; None when all are."""
    if all(column is None for column, _ in parts):
        return None
    return np.concatenate([np.full(n, default, np.int64) if column is None else column for column, n in parts])


def offsets(mono_ns: Int64, shift_ns: Int64, clocks: Sequence[ClockState], counts: Int64) -> Int64:
    """What to add to the agent's UTC of each row for the axis; 0 where its batch does not know. `counts`: rows of each batch.

    The batch relates monotonic time to the axis, so a step of the agent's UTC (`shift_ns`: UTC minus monotonic) cancels. An agent of
    version 1 related its UTC.
    """

    def each(values: Iterable[int]) -> Int64:
        return np.repeat(np.array(list(values), dtype=np.int64), counts)

    on_mono = each(clock.offset_known and bool(clock.at_mono_ns) for clock in clocks) != 0
    of_utc = each(clock.offset_ns if clock.offset_known else 0 for clock in clocks)
    if not on_mono.any():
        return of_utc
    away_ns = mono_ns - each(clock.at_mono_ns for clock in clocks)
    of_mono = (
        each(clock.axis_minus_mono_ns for clock in clocks) + away_ns * each(clock.drift_ppb for clock in clocks) // NS_PER_S - shift_ns
    )
    return np.where(on_mono, of_mono, of_utc)


def known_clock(shared: Mapping[str, Int64], first: FirstClock | None) -> tuple[Int64, Int64]:
    """(offset, bound) for every row: rows that do not know theirs get `first`, wider by the drift between."""
    offset_ns, bound_ns = shared["offset_ns"], shared["bound_ns"]
    unknown = bound_ns == UNKNOWN
    if not unknown.any():
        return offset_ns, bound_ns
    if first is None:
        return offset_ns, np.where(unknown, UNKNOWN_BOUND_NS, bound_ns)
    mono_ns, shift_ns = shared["mono_ns"], shared["utc_minus_mono_ns"]
    at_ns, on_utc_ns = (mono_ns, first.offset_ns - shift_ns) if first.on_mono else (mono_ns + shift_ns, first.offset_ns)
    drift_ns = np.abs(first.at_ns - at_ns) * (DRIFT_PPM if first.bound_ns else 0) // 1_000_000
    first_bound_ns = UNKNOWN_BOUND_NS if first.bound_ns is None else first.bound_ns + drift_ns
    return np.where(unknown, on_utc_ns, offset_ns), np.where(unknown, first_bound_ns, bound_ns)


def redated(mono_ns: Int64, shift_ns: Int64, bracket_ns: Int64, delta_ns: Int64) -> Int64:
    """`delta_ns` (a driver's stamp minus the row's UTC) with stamps from before a step of the host's UTC taken by the UTC of then.

    A row read just after the step may bring a stamp made just before it. Taken by the row's own UTC it would lie before the last row
    that knew nothing of the step, or in the future; by the UTC of then it is nearer to its read. `mono_ns` rises.
    """
    for last in np.flatnonzero(np.abs(np.diff(shift_ns)) > STEP_NS).tolist():
        step_ns = shift_ns[last + 1] - shift_ns[last]
        impossible = (mono_ns + delta_ns < mono_ns[last]) | (delta_ns > bracket_ns)
        nearer = np.abs(delta_ns + step_ns) < np.abs(delta_ns)
        later = np.arange(len(mono_ns)) > last
        delta_ns = np.where(later & impossible & nearer & (delta_ns != NO_DEVICE_TIME), delta_ns + step_ns, delta_ns)
    return delta_ns


def reason_runs(reasons: Mapping[int, str]) -> list[tuple[int, int, str]]:
    """Runs (first row, row after the last, text) of equal reasons: a dead meter repeats one sentence for hours."""
    runs: list[tuple[int, int, str]] = []
    for row in sorted(reasons):
        if runs and runs[-1][1] == row and runs[-1][2] == reasons[row]:
            runs[-1] = (runs[-1][0], row + 1, reasons[row])
        else:
            runs.append((row, row + 1, reasons[row]))
    return runs


def unrolled(runs: Sequence[tuple[int, int, str]]) -> dict[int, str]:
    """Inverse of `reason_runs`."""
    return {row: text for first, end, text in runs for row in range(first, end)}


def double_integral(t_ns: Int64, value: Int64) -> int:
    """Sum of (t[i+1] - t[i]) * (value[i] + value[i+1]), exactly: twice the trapezoid, in ns times the value's unit.

    int64 holds it for two hours at 700 W in mW only, so the product runs in int64 where it provably fits, else in Python integers.
    """
    if len(t_ns) < 2:
        return 0
    dt, pair = np.diff(t_ns), value[1:] + value[:-1]
    largest = 2 * max(abs(int(value.max())), abs(int(value.min())))
    if largest < 2**62 and (int(t_ns[-1]) - int(t_ns[0])) * largest < 2**63:
        return int(np.dot(dt, pair))
    return sum(int(d) * (int(a) + int(b)) for d, a, b in zip(dt, value[1:], value[:-1], strict=True))
