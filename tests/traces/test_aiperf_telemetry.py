"""AIPerf's GPU telemetry: old and new names, megajoules back to whole millijoules."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest

from joulemark import traces
from joulemark.readings import Quantity

ENERGY = (Quantity.POWER, Quantity.ENERGY_COUNTER)

NAMES = [
    ("nvidia_power_usage", "nvidia_energy_consumption", "nvidia"),
    ("gpu_power_usage", "energy_consumption", ""),
    ("amd_power", "amd_energy_consumption", "amd"),
]


def line(t_ns: int, gpu: int, values: dict[str, object], platform: str) -> str:
    return json.dumps(
        {
            "timestamp_ns": t_ns,
            "gpu_index": gpu,
            "gpu_uuid": f"GPU-{gpu}",
            "hostname": "n1",
            "platform": platform,
            "telemetry_data": values,
        }
    )


@pytest.mark.parametrize(("power", "energy", "platform"), NAMES)
def test_both_spellings_give_power_and_counter(tmp_path: Path, power: str, energy: str, platform: str) -> None:
    """Each GPU is one device with power in W and a counter in whole millijoules, whatever AIPerf called them."""
    rows = [
        line(10**18 + step, gpu, {power: 120.5 + gpu, energy: 1.0021352190000001 + step / 1e9}, platform)
        for step in (0, 1)
        for gpu in (0, 1)
    ]
    path = tmp_path / "gpu_telemetry_export.jsonl"
    path.write_text("\n".join(rows) + "\n")
    series = traces.read(path, tz=UTC)
    assert [(s.meter.serial, s.meter.quantity) for s in series] == [
        (f"GPU-{g}", q) for g in (0, 1) for q in (Quantity.POWER, Quantity.ENERGY_COUNTER)
    ]
    assert series[0].si().tolist() == [120.5, 120.5]
    assert series[1].value.tolist() == [1_002_135_219, 1_002_135_220]
    assert series[0].meter.device_id == series[1].meter.device_id


def test_missing_counter_is_no_meter_and_null_power_a_gap(tmp_path: Path) -> None:
    """A GPU without a counter has one meter; a null in it is a gap with a reason."""
    path = tmp_path / "gpu_telemetry_export.jsonl"
    path.write_text("\n".join(line(10**18 + i, 0, {"nvidia_power_usage": w}, "nvidia") for i, w in enumerate((120.0, None))) + "\n")
    (series,) = traces.read(path, tz=UTC)
    assert series.reasons == {1: "not available"}
