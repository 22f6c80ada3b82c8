"""nvidia-smi's CSV: units in the header, several GPUs by uuid, [N/A] is a gap."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from joulemark import traces
from joulemark.errors import FormatError
from joulemark.readings import Averaging, Boundary, Quality


def written(folder: Path, text: str) -> Path:
    path = folder / "smi.csv"
    path.write_text(text)
    return path


def test_each_gpu_is_a_meter_of_its_first_power_column(tmp_path: Path) -> None:
    """Two GPUs with two power columns give two meters, of power.draw; a value that is not there is a gap."""
    path = written(
        tmp_path,
        "timestamp, uuid, name, power.draw.instant [W], power.draw [W]\n"
        "2024/01/02 03:04:05.678, GPU-a, NVIDIA H200, 101 W, 100.25 W\n"
        "2024/01/02 03:04:05.679, GPU-b, NVIDIA H200, 201 W, [N/A]\n",
    )
    first, second = traces.read(path, tz=UTC)
    assert [(s.meter.serial, s.meter.channel, s.meter.covers) for s in (first, second)] == [
        ("GPU-a", "power", ("GPU-a",)),
        ("GPU-b", "power", ("GPU-b",)),
    ]
    assert first.meter.boundary is Boundary.GPU
    assert first.si().tolist() == [100.25]
    assert first.t_ns.tolist() == [1_704_164_645_678_000_000]
    assert (second.quality.tolist(), second.reasons) == ([Quality.GAP], {0: "not available"})


@pytest.mark.parametrize(("column", "averaging"), [("power.draw.instant", Averaging.INSTANT), ("power.draw.average", Averaging.BOXCAR)])
def test_the_other_power_columns_are_read_where_they_stand_alone(tmp_path: Path, column: str, averaging: Averaging) -> None:
    """A log with only the instant or only the averaged power is read as that."""
    (series,) = traces.read(written(tmp_path, f"timestamp, {column} [W]\n2024/01/02 03:04:05.678, 101 W\n"), tz=UTC)
    assert (series.si().tolist(), series.meter.averaging) == ([101.0], averaging)


def test_nounits_and_repeated_headers_are_read(tmp_path: Path) -> None:
    """Output of --format=csv,nounits, appended twice, reads as one log."""
    head = "timestamp, power.draw [W]\n"
    path = written(tmp_path, head + "2024/01/02 03:04:05.678, 100.25\n" + head + "2024/01/02 03:04:06.678, 101.25\n")
    (series,) = traces.read(path, tz=UTC)
    assert series.si().tolist() == [100.25, 101.25]
    assert "one GPU" in series.meter.note


@pytest.mark.parametrize(
    "text",
    ["timestamp, power.draw [kW]\n2024/01/02 03:04:05.678, 1\n", "timestamp, index, power.draw [W]\n2024/01/02 03:04:05.678, 1\n"],
)
def test_another_unit_or_a_missing_column_is_refused(tmp_path: Path, text: str) -> None:
    """Power in another unit, and rows that do not fit the header, raise FormatError."""
    with pytest.raises(FormatError):
        traces.read(written(tmp_path, text), tz=UTC)
