"""A series: the readings of one meter as columns on the collector's time axis; the input of all energy maths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from joulemark.readings import STAMP_NS, MeterInfo, Quality, TimestampSource
from joulemark.units import NS_PER_S

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

RAW_TIMES = ("t_read0_ns", "t_read1_ns", "t_device_ns")
"""Columns that a series may lack: when its readings were taken, and what the device said of their time (SMP-5)."""

INTEGRABLE = np.isin(np.arange(256), [q for q in Quality if q.integrable])
"""Quality code to whether it may be integrated, bool[256]."""


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one meter, in time order.

    `t_ns`: int64[n], UTC of the collector, middle of the averaging window. `value`: int64[n], times `10**meter.exponent` W or J;
    0 where `quality` is GAP, and then meaningless. `quality`: uint8[n], codes of `Quality`. `t_unc_ns`: int64[n], half-width of
    where each time may be. `reasons`: row number to reason, for rows that are not integrable. `clock_bound_ns`: bound of the
    clock offset that was applied to `t_ns`. `device_stamps`: whether `t_ns` comes from the device or driver. `t_read0_ns`, `t_read1_ns`:
    int64[n], UTC of the collector just before and after the read; `t_device_ns`: int64[n], the device's own UTC as it said it, 0 where
    it said none; each None where it was not kept.
    """

    meter: MeterInfo
    t_ns: Int64
    value: Int64
    quality: UInt8
    t_unc_ns: Int64
    reasons: Mapping[int, str] = field(default_factory=dict)
    clock_bound_ns: int = 0
    device_stamps: bool = False
    t_read0_ns: Int64 | None = None
    t_read1_ns: Int64 | None = None
    t_device_ns: Int64 | None = None

    def __post_init__(self) -> None:
        n = len(self.t_ns)
        raw = [column for name in RAW_TIMES if (column := getattr(self, name)) is not None]
        if any(len(column) != n for column in (self.value, self.quality, self.t_unc_ns, *raw)):
            raise ValueError(f"columns of {self.meter.meter_id} differ in length")
        if n > 1 and bool(np.any(np.diff(self.t_ns) < 0)):
            raise ValueError(f"times of {self.meter.meter_id} go backwards")

    def __len__(self) -> int:
        return len(self.t_ns)

    @classmethod
    def plain(cls, meter: MeterInfo, t_ns: Int64, value: Int64, quality: UInt8 | None = None, *, t_unc_ns: int = 0) -> Self:
        """A series of `t_ns` and `value`, all readings ok unless `quality` says otherwise."""
        n = len(t_ns)
        return cls(
            meter,
            np.asarray(t_ns, dtype=np.int64),
            np.asarray(value, dtype=np.int64),
            np.full(n, Quality.OK, dtype=np.uint8) if quality is None else np.asarray(quality, dtype=np.uint8),
            np.full(n, t_unc_ns, dtype=np.int64),
        )

    @classmethod
    def from_columns(
        cls,
        meter: MeterInfo,
        *,
        t_read_ns: Int64,
        bracket_ns: Int64,
        t_device_ns: Int64 | None,
        value: Int64,
        quality: UInt8,
        reasons: Mapping[int, str] | None = None,
        clock_offset_ns: int | Int64 = 0,
        clock_bound_ns: int = 0,
    ) -> Self:
        """The columns as stored, dated by the rule of `readings.effective_time` and moved to the collector's axis.

        `t_read_ns`: middle of the read bracket in the agent's UTC. `t_device_ns`: UTC of device or driver, 0 where a row has
        none; None when the meter has no such clock. `clock_offset_ns` is added to every time: one number, or one for each row. Only
        the raw `t_device_ns` stays as the device said it.
        """
        own = t_device_ns is not None and meter.timestamp_source is not TimestampSource.READ_BRACKET
        t_ns, bracket_ns = np.asarray(t_read_ns, dtype=np.int64), np.asarray(bracket_ns, dtype=np.int64)
        unc, read0_ns = bracket_ns // 2, t_ns - bracket_ns // 2 + clock_offset_ns
        said_ns = np.zeros_like(t_ns) if t_device_ns is None else np.asarray(t_device_ns, dtype=np.int64)
        period_ns = round((meter.update_period_measured_s or meter.update_period_s or 0.0) * NS_PER_S)
        unc = unc + period_ns // 2
        if own:
            assert t_device_ns is not None
            has = np.asarray(t_device_ns, dtype=np.int64) != 0
            t_ns = np.where(has, t_device_ns, t_ns)
            unc = np.where(has, STAMP_NS, unc)
        t_ns = t_ns - meter.lag_ns + clock_offset_ns
        if own:
            assert t_device_ns is not None
            t_ns = t_ns[first_of_stamp(t_device_ns)]
        order = np.argsort(t_ns, kind="stable")
        moved = {int(new): (reasons or {})[int(old)] for new, old in enumerate(order) if int(old) in (reasons or {})} if reasons else {}
        return cls(
            meter,
            t_ns[order],
            np.asarray(value, dtype=np.int64)[order],
            np.asarray(quality, dtype=np.uint8)[order],
            unc[order].astype(np.int64),
            moved,
            clock_bound_ns,
            own,
            read0_ns[order],
            (read0_ns + bracket_ns)[order],
            said_ns[order],
        )

    def integrable(self) -> Self:
        """Only the readings that may enter an energy, at distinct times (the first of equal times is kept)."""
        keep = INTEGRABLE[self.quality]
        if not keep.all():
            return self.rows(keep)._distinct()
        return self._distinct()

    def _distinct(self) -> Self:
        later = np.diff(self.t_ns) > 0
        return self if later.all() else self.rows(np.concatenate(([True], later)))

    def rows(self, keep: slice | NDArray[np.bool_]) -> Self:
        """The chosen rows, without the reasons of the others."""
        kept: dict[str, Any] = {name: None if (column := getattr(self, name)) is None else column[keep] for name in RAW_TIMES}
        return replace(
            self, t_ns=self.t_ns[keep], value=self.value[keep], quality=self.quality[keep], t_unc_ns=self.t_unc_ns[keep], reasons={}, **kept
        )

    def si(self) -> Float64:
        """Values in W or J, float64[n]."""
        exponent = self.meter.exponent
        if exponent >= 0:
            return np.asarray(self.value * 10.0**exponent, dtype=np.float64)
        return np.asarray(self.value / 10.0**-exponent, dtype=np.float64)


def first_of_stamp(t_device_ns: Int64) -> Int64:
    """For each row the first one before it under the same stamp, int64[n]; a row without a stamp (0) stands for itself.

    One refresh is one moment: rows that repeat it must not part by what the offset of the clock has changed between them.
    """
    repeats = np.concatenate(([False], (np.diff(t_device_ns) == 0) & (t_device_ns[1:] != 0)))
    return np.asarray(np.maximum.accumulate(np.where(repeats, 0, np.arange(len(t_device_ns)))))
