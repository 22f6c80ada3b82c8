"""Our own readings in a bundle: integers as written, described by `meters.json`, damage refused."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from joulemark import traces
from joulemark.errors import FormatError
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


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
