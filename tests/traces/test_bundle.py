"""Our own readings in a bundle: integers as written, described by `meters.json`, damage refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from joulemark import document, traces
from joulemark.errors import FormatError
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


METER = MeterInfo("nvml:host:GPU-1:energy", "nvml", Quantity.ENERGY_COUNTER, -3, Boundary.GPU, covers=("GPU-1",))


def bundle(folder: Path, rows: str, *, more: str = "") -> Path:
    readings = folder / "readings"
    readings.mkdir()
    (folder / "meters.json").write_text(json.dumps({"meters": [METER.to_json()]}))
    return written(readings, f"t_ns,t_unc_ns,energy_millijoule,quality{more}\n{rows}", quote(METER.meter_id, safe="") + ".csv")


def test_own_readings_are_described_by_the_bundle(tmp_path: Path) -> None:
    """A file of a bundle is the meter that `meters.json` describes, with integers, qualities and half-widths as written."""
    (series,) = traces.read(bundle(tmp_path, "1000,5,7,ok\n2000,5,,gap\n3000,6,9,3\n"), tz=None)
    assert series.meter == METER
    assert series.value.tolist() == [7, 0, 9]
    assert series.quality.tolist() == [Quality.OK, Quality.GAP, Quality.WRAPPED]
    assert series.t_unc_ns.tolist() == [5, 5, 6]


@pytest.mark.parametrize("content", ['{"meters": []}', "damaged"])
def test_the_description_is_read_once_for_all_files(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle of many files is read in a time that grows as their count does, not as its square."""
    path, loads, load = bundle(tmp_path, "1000,5,7,1\n"), [], document.load
    (tmp_path / "meters.json").write_text(content)
    monkeypatch.setattr(document, "load", lambda place: (loads.append(place), load(place))[1])
    for number in range(5):
        other = written(path.parent, path.read_text(), f"m{number}.csv")
        with contextlib.suppress(FormatError):
            traces.read(other, tz=None)
    assert len(loads) == 1


def test_a_description_that_changed_is_read_again(tmp_path: Path) -> None:
    """What was read of a file stands only as long as the file does."""
    path = bundle(tmp_path, "1000,5,7,ok\n")
    traces.read(path, tz=None)
    (tmp_path / "meters.json").write_text(json.dumps({"meters": [{**METER.to_json(), "note": "moved"}]}))
    (series,) = traces.read(path, tz=None)
    assert series.meter.note == "moved"


def test_raw_times_are_read_where_they_stand(tmp_path: Path) -> None:
    """The columns of the read bracket and of the device's clock come back; an empty one is a device that said nothing."""
    rows = "1000,5,7,1,990,1010,,\n2000,5,8,1,1990,2010,1995,\n3000,5,,8,2990,3010,,no answer, twice\n"
    (series,) = traces.read(bundle(tmp_path, rows, more=",t_read0_ns,t_read1_ns,t_device_ns,reason"), tz=None)
    found = [None if column is None else column.tolist() for column in (series.t_read0_ns, series.t_read1_ns, series.t_device_ns)]
    assert found == [[990, 1990, 2990], [1010, 2010, 3010], [0, 1995, 0]]
    assert dict(series.reasons) == {2: "no answer, twice"}


def test_readings_of_before_have_no_raw_times(tmp_path: Path) -> None:
    """Without the columns the raw times are None, and commas after the quality belong to the reason."""
    (series,) = traces.read(bundle(tmp_path, "1000,5,,8,1,2,3\n", more=",reason"), tz=None)
    assert (series.t_read0_ns, series.t_read1_ns, series.t_device_ns) == (None, None, None)
    assert dict(series.reasons) == {0: "1,2,3"}


@pytest.mark.parametrize("raw", ["x,1010,", "990,1010", "990,1_0,", "990,9999999999999999999,", "-990,1010,"])
def test_damaged_raw_times_are_refused(tmp_path: Path, raw: str) -> None:
    """A raw time that is no believable time of its column raises FormatError."""
    with pytest.raises(FormatError):
        traces.read(bundle(tmp_path, f"1000,5,7,1,{raw}\n", more=",t_read0_ns,t_read1_ns,t_device_ns"), tz=None)


def test_own_readings_alone_keep_their_unit(tmp_path: Path) -> None:
    """Without `meters.json` the column's name gives quantity and scale."""
    (series,) = traces.read(written(tmp_path, "t_ns,t_unc_ns,power_microwatt,quality\n1000,5,7,ok\n"), tz=None)
    assert (series.meter.quantity, series.meter.exponent) == (Quantity.POWER, -6)


@pytest.mark.parametrize("rows", ["1000,5,x,ok\n", "1000,5,7,fine\n", "2000,5,7,ok\n1000,5,7,ok\n", "1000,5,99999999999999999999,ok\n"])
def test_damaged_own_readings_are_refused(tmp_path: Path, rows: str) -> None:
    """A bundle's readings are exact: a row that is no reading, or out of order, raises FormatError."""
    with pytest.raises(FormatError):
        traces.read(bundle(tmp_path, rows), tz=None)
