"""The files of a bundle's `energy/` folder, as bytes: one way to write each, so that equal evidence has equal hashes."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.pricing.snapshot import Snapshot
from joulemark.readings import Quality

CLOCK_SCHEMA: Final = "joulemark.clock/1"
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
    files["prices.json"] = json_bytes(used_prices(evidence).to_json())
    return files


def readings_path(series: Series) -> str:
    """`readings/` and the percent-encoded id of the meter, which then holds neither `/` nor `:`."""
    return f"readings/{quote(series.meter.meter_id, safe='')}.csv"


def readings_csv(series: Series) -> bytes:
    """The readings as integers, exactly those that enter the energy.

    Columns: `t_ns,t_unc_ns,<quantity>_<unit>,quality,reason`; quality is the code of `readings.Quality`; a gap has an empty value.
    """
    gap = int(Quality.GAP)
    rows = [f"t_ns,t_unc_ns,{series.meter.value_column},quality,reason"]
    columns = zip(series.t_ns.tolist(), series.t_unc_ns.tolist(), series.value.tolist(), series.quality.tolist(), strict=True)
    for row, (t_ns, t_unc_ns, value, quality) in enumerate(columns):
        shown = "" if quality == gap else value
        rows.append(f"{t_ns},{t_unc_ns},{shown},{quality},{one_line(series.reasons.get(row, ''))}")
    return ("\n".join(rows) + "\n").encode()


def one_line(reason: str) -> str:
    """`reason` as the rest of a row: printable, in one line; the reader takes everything after the fourth comma.

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
    """The snapshot of the price and the tariff that the card's costs come from."""
    price, tariff = evidence.price.price, evidence.tariff
    return Snapshot(() if price is None else (price,), () if tariff is None else (tariff,))


def json_bytes(data: Any) -> bytes:
    """JSON text of a file in a bundle. Raises ValueError for NaN and infinity: a missing number is null with a reason."""
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
