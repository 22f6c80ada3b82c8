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


def test_each_gpu_and_power_column_is_a_meter(tmp_path: Path) -> None:
    """Two GPUs with two power columns give four meters; those of one GPU cover the same GPU."""
    path = written(
        tmp_path,
        "timestamp, uuid, name, power.draw [W], power.draw.instant [W]\n"
        "2024/01/02 03:04:05.678, GPU-a, NVIDIA H200, 100.25 W, 101 W\n"
        "2024/01/02 03:04:05.679, GPU-b, NVIDIA H200, 200.50 W, [N/A]\n",
    )
    series = traces.read(path, tz=UTC)
    assert [(s.meter.serial, s.meter.channel, s.meter.averaging) for s in series] == [
        ("GPU-a", "power", Averaging.UNKNOWN),
        ("GPU-a", "power_instant", Averaging.INSTANT),
        ("GPU-b", "power", Averaging.UNKNOWN),
        ("GPU-b", "power_instant", Averaging.INSTANT),
    ]
    assert [s.meter.covers for s in series] == [("GPU-a",)] * 2 + [("GPU-b",)] * 2
    assert {s.meter.boundary for s in series} == {Boundary.GPU}
    assert [s.si().tolist() for s in series[:3]] == [[100.25], [101.0], [200.5]]
    assert series[3].quality.tolist() == [Quality.GAP]
    assert series[0].t_ns.tolist() == [1_704_164_645_678_000_000]


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
