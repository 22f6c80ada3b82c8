"""Anybody's CSV and our own: time in any of the usual forms, watts kept exactly."""

from __future__ import annotations

import json
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import traces
from joulemark.errors import FormatError
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity
from joulemark.traces.rows import Rows

T_NS = 1_704_164_645_678_000_000


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "printed",
    [
        str(T_NS),
        "1704164645678",
        "1704164645.678",
        "2024-01-02T03:04:05.678Z",
        "2024-01-02 03:04:05.678",
        "2024-01-01T19:04:05,678-0800",
        "01-02-2024 03:04:05.678",
    ],
)
def test_every_usual_form_of_a_time_is_the_same_moment(tmp_path: Path, printed: str) -> None:
    """Unix s, ms and ns, ISO 8601 with and without a zone, and month first all give the same nanoseconds."""
    mark = "\t" if "," in printed else ","
    (series,) = traces.read(written(tmp_path, f"Timestamp{mark}Watts\n{printed}{mark}56.1\n"), tz=UTC)
    assert series.t_ns.tolist() == [T_NS]
    assert series.si().tolist() == [56.1]


def test_boundary_is_the_users_to_say(tmp_path: Path) -> None:
    """A plain CSV is measured where the user says; unsaid, the meter's note tells what was assumed."""
    path = written(tmp_path, "t_ns,power_w\n1704164645678000000,56.1\n")
    (told,) = traces.read(path, tz=None, boundary=Boundary.RACK)
    (untold,) = traces.read(path, tz=None)
    assert (told.meter.boundary, told.meter.note) == (Boundary.RACK, "")
    assert "does not say where" in untold.meter.note


@given(st.lists(st.decimals(min_value="0.001", max_value="99999", places=6), min_size=1, max_size=20))
def test_printed_watts_survive_exactly(values: list[Decimal]) -> None:
    """Integers at the chosen exponent are the printed decimals, none rounded."""
    rows = Rows()
    for number, value in enumerate(values):
        rows.add(number, value)
    meter = MeterInfo("csv:file:x:power", "csv", Quantity.POWER, -3, Boundary.OUTLET)
    series = rows.series(meter)
    assert [Decimal(int(v)).scaleb(series.meter.exponent) for v in series.value] == values


METER = MeterInfo("nvml:host:GPU-1:energy", "nvml", Quantity.ENERGY_COUNTER, -3, Boundary.GPU, covers=("GPU-1",))


def bundle(folder: Path, rows: str) -> Path:
    readings = folder / "readings"
    readings.mkdir()
    (folder / "meters.json").write_text(json.dumps({"meters": [METER.to_json()]}))
    return written(readings, f"t_ns,t_unc_ns,energy_millijoule,quality\n{rows}", quote(METER.meter_id, safe="") + ".csv")


def test_own_readings_are_described_by_the_bundle(tmp_path: Path) -> None:
    """A file of a bundle is the meter that `meters.json` describes, with integers, qualities and half-widths as written."""
    (series,) = traces.read(bundle(tmp_path, "1000,5,7,ok\n2000,5,,gap\n3000,6,9,3\n"), tz=None)
    assert series.meter == METER
    assert series.value.tolist() == [7, 0, 9]
    assert series.quality.tolist() == [Quality.OK, Quality.GAP, Quality.WRAPPED]
    assert series.t_unc_ns.tolist() == [5, 5, 6]


def test_own_readings_alone_keep_their_unit(tmp_path: Path) -> None:
    """Without `meters.json` the column's name gives quantity and scale."""
    (series,) = traces.read(written(tmp_path, "t_ns,t_unc_ns,power_microwatt,quality\n1000,5,7,ok\n"), tz=None)
    assert (series.meter.quantity, series.meter.exponent) == (Quantity.POWER, -6)


@pytest.mark.parametrize("rows", ["1000,5,x,ok\n", "1000,5,7,fine\n", "2000,5,7,ok\n1000,5,7,ok\n", "1000,5,99999999999999999999,ok\n"])
def test_damaged_own_readings_are_refused(tmp_path: Path, rows: str) -> None:
    """A bundle's readings are exact: a row that is no reading, or out of order, raises FormatError."""
    with pytest.raises(FormatError):
        traces.read(bundle(tmp_path, rows), tz=None)
