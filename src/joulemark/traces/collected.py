"""Readings as the collector's REST interface gives them, columns of integers in JSON, back to series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from joulemark.energy.series import RAW_TIMES, Series
from joulemark.errors import FormatError
from joulemark.readings import MeterInfo, Quality

PLAIN: Final = ("t_ns", "value", "quality", "t_unc_ns")
NEXT: Final = "use a client of the collector's version"


def read(answer: Any, meters: Sequence[MeterInfo]) -> dict[str, Series]:
    """Meter id -> its readings, from the answer of `GET /v1/readings`; a meter that its agent described twice has one series.

    Raises FormatError for an answer that is not one.
    """
    if not isinstance(answer, list) or not all(isinstance(entry, Mapping) for entry in answer):
        raise FormatError("the collector did not answer with a list of columns", NEXT)
    by_id = {meter.meter_id: meter for meter in meters}
    parts: dict[str, list[Series]] = {}
    for entry in answer:
        meter = by_id.get(str(entry.get("meter_id")))
        if meter is None:
            raise FormatError(f"the collector answered with {str(entry.get('meter_id'))[:80]!r}, which was not asked for", NEXT)
        parts.setdefault(meter.meter_id, []).append(series(entry, meter))
    return {meter_id: joined(found) for meter_id, found in parts.items()}


def series(columns: Mapping[str, Any], meter: MeterInfo) -> Series:
    """One series. Raises FormatError."""
    try:
        codes = [Quality[str(name).upper()] for name in columns["quality"]]
        value = [0 if number is None else number for number in columns["value"]]
        whole = {name: np.array(columns[name], dtype=np.int64) for name in ("t_ns", "t_unc_ns")}
        raw = {name: np.array([t or 0 for t in columns[name]], dtype=np.int64) for name in RAW_TIMES if any(columns.get(name, ()))}
        return Series(
            replace(meter, exponent=columns["exponent"]),
            whole["t_ns"],
            np.array(value, dtype=np.int64),
            np.array(codes, dtype=np.uint8),
            whole["t_unc_ns"],
            {int(row): str(reason) for row, reason in columns["reasons"].items()},
            int(columns["clock_bound_ns"]),
            bool(columns.get("device_stamps", False)),
            **raw,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"the readings of {meter.meter_id} are not columns of integers: {error!r}", NEXT) from error


def joined(parts: Sequence[Series]) -> Series:
    """The series of one meter in time order, under its last description. Raises FormatError when its unit has changed between."""
    if len(parts) == 1:
        return parts[0]
    ordered = sorted((one for one in parts if len(one)), key=lambda one: int(one.t_ns[0])) or list(parts[:1])
    last = ordered[-1]
    if any(one.meter.exponent != last.meter.exponent for one in ordered):
        raise FormatError(f"the unit of {last.meter.meter_id} has changed meanwhile", "measure again")
    reasons: dict[int, str] = {}
    row = 0
    for one in ordered:
        reasons |= {row + number: reason for number, reason in one.reasons.items()}
        row += len(one)
    columns: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in ordered]) for name in PLAIN}
    for name in RAW_TIMES:
        parts_of = [getattr(one, name) for one in ordered]
        columns[name] = None if any(part is None for part in parts_of) else np.concatenate(parts_of)
    return replace(last, **columns, reasons=reasons, clock_bound_ns=max(one.clock_bound_ns for one in ordered))
