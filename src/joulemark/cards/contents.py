"""The files of a bundle's `energy/` folder, as bytes: one way to write each, so that equal evidence has equal hashes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from joulemark import request_log
from joulemark.calibration.alignment import Record
from joulemark.cards.evidence import Aligned, Evidence
from joulemark.energy.series import RAW_TIMES, Int64, Series, UInt8
from joulemark.node import Nodes
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.wanted import AsOf
from joulemark.readings import Quality

CLOCK_SCHEMA: Final = "joulemark.clock/1"
COLLECTION_SCHEMA: Final = "joulemark.collection/1"
FORMULA: Final = re.compile(r"(?:^|(?<=,))(?=[=+@-])")
METERS_SCHEMA: Final = "joulemark.meters/1"


def contents(evidence: Evidence) -> dict[str, bytes]:
    """Path inside `energy/` -> bytes, for everything a card is computed from."""
    files = {readings_path(one): readings_csv(one) for one in evidence.series}
    files["meters.json"] = json_bytes({"schema": METERS_SCHEMA, "meters": [meter_entry(one) for one in evidence.series]})
    files["phases.json"] = json_bytes(evidence.run.to_json())
    files["clock.json"] = json_bytes(
        {
            "schema": CLOCK_SCHEMA,
            "hosts": {host: dict(state) for host, state in evidence.clocks.items()},
            "steps": [dict(step) for step in evidence.clock_steps],
        }
    )
    files["prices.json"] = json_bytes(price_file(evidence))
    files["collection.json"] = json_bytes(
        {
            "schema": COLLECTION_SCHEMA,
            "rule_set": evidence.rule_set,
            "produced_by": dict(evidence.produced_by),
            "losses": [dict(loss) for loss in evidence.losses],
            "overhead": dict(evidence.overhead),
        }
    )
    return {**files, **conditions(evidence)}


def conditions(evidence: Evidence) -> dict[str, bytes]:
    """The files of what the rules of the standard ask about, as far as it was recorded."""
    files = {}
    if evidence.nodes != Nodes():
        files["nodes.json"] = json_bytes(evidence.nodes.to_json())
    if evidence.workload is not None:
        files["workload.json"] = json_bytes(evidence.workload.to_json())
    if evidence.requests is not None:
        files["requests.csv"] = request_log.to_csv(evidence.requests).encode()
    if evidence.meter_log is not None:
        files["meter_log.json"] = json_bytes(evidence.meter_log.to_json())
    if evidence.alignments:
        files |= alignment_files(evidence.alignments)
    return files


def alignment_files(alignments: tuple[Aligned, ...]) -> dict[str, bytes]:
    """`calibration.json`, and below `calibration/` the raw readings of each alignment and their meters."""
    readings: dict[str, bytes] = {}
    meters: list[dict[str, Any]] = []
    records = []
    for one in alignments:
        folder = f"calibration/{quote(one.record.alignment_id, safe='')}"
        own = {f"{folder}/{quote(series.meter.meter_id, safe='')}.csv": series for series in (one.sensor, one.reference)}
        made = {path: readings_csv(series) for path, series in own.items()}
        meters += [{**meter_entry(series), "file": path.removeprefix("calibration/")} for path, series in own.items()]
        records.append(replace(one.record, files={path: hashlib.sha256(data).hexdigest() for path, data in made.items()}))
        readings |= made
    return {
        "calibration.json": json_bytes(Record(tuple(records)).to_json()),
        "calibration/meters.json": json_bytes({"schema": METERS_SCHEMA, "meters": meters}),
        **readings,
    }


def readings_path(series: Series) -> str:
    """`readings/` and the percent-encoded id of the meter, which then holds neither `/` nor `:`."""
    return f"readings/{quote(series.meter.meter_id, safe='')}.csv"


def readings_csv(series: Series) -> bytes:
    """The readings as integers, exactly those that enter the energy.

    Columns: `t_ns,t_unc_ns,<quantity>_<unit>,quality`, those of `RAW_TIMES` that the series has, and `reason`; quality is the code of
    `readings.Quality`; a gap has an empty value, and a reading that the device did not date an empty `t_device_ns`.
    """
    gaps = np.flatnonzero(series.quality == int(Quality.GAP)).tolist()
    columns = {
        "t_ns": printed(series.t_ns),
        "t_unc_ns": printed(series.t_unc_ns),
        series.meter.value_column: printed(series.value, empty=gaps),
        "quality": printed(series.quality),
    }
    for name in RAW_TIMES:
        times: Int64 | None = getattr(series, name)
        if times is not None:
            columns[name] = printed(times, empty=np.flatnonzero(times == 0).tolist())
    reasons = [""] * len(series)
    for row, reason in series.reasons.items():
        reasons[row] = one_line(reason)
    rows = map(",".join, zip(*columns.values(), reasons, strict=True))
    return ("\n".join([",".join([*columns, "reason"]), *rows]) + "\n").encode()


def printed(column: Int64 | UInt8, *, empty: Sequence[int] = ()) -> list[str]:
    """The integers as text, nothing at the rows `empty`."""
    cells = list(map(str, column.tolist()))
    for row in empty:
        cells[row] = ""
    return cells


def one_line(reason: str) -> str:
    """`reason` as the rest of a row: printable, in one line; the reader takes everything behind the integers.

    A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and runs it: a space before it makes it text.
    """
    return FORMULA.sub(" ", " ".join("".join(mark if mark.isprintable() else " " for mark in reason).split()))


def meter_entry(series: Series) -> dict[str, Any]:
    """A meter in `meters.json`: its description, its file, and what is true of the whole series."""
    return {
        "file": readings_path(series),
        "clock_bound_ns": series.clock_bound_ns,
        "device_stamps": series.device_stamps,
        **series.meter.to_json(),
    }


def used_prices(evidence: Evidence) -> Snapshot:
    """What the card's figures come from: every price that its look-up rests on, tariffs, exchange rate and carbon intensities."""
    return Snapshot(evidence.prices, evidence.tariffs, () if evidence.rate is None else (evidence.rate,), evidence.carbons)


def price_file(evidence: Evidence) -> dict[str, Any]:
    """The same as a price file, with `as_of`: under what it was looked up, where that does not go without saying."""
    as_of = evidence.as_of.of(evidence.prices)
    return {**used_prices(evidence).to_json(), **({} if as_of == AsOf() else {"as_of": as_of.to_json()})}


def json_bytes(data: Any) -> bytes:
    """JSON text of a file in a bundle. Raises ValueError for NaN and infinity: a missing number is null with a reason."""
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
