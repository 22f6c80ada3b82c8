from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from joulemark.cli.meters import of_device
from joulemark.readings import Quality, Sample
from tests.meters.live import LIVE
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave


def joulemark(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "joulemark", "meters", *args]
    return subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=60, check=False)


def answer(*args: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = joulemark(*args, "--json", env=env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_list_shows_every_kind_or_why_not() -> None:
    """Each registered kind has its meters with their boundary, or a reason and a next step."""
    found = answer("list")
    assert found["schema"] == "joulemark.meters/1"
    kinds = {entry["kind"]: entry for entry in found["kinds"]}
    assert {"fake", "ipmi", "nvml", "rapl", "replay"} <= set(kinds)
    for entry in kinds.values():
        assert bool(entry["meters"]) == entry["available"]
        assert entry["available"] or (entry["reason"] and entry["next_step"])
        assert entry["boundaries"]
        assert entry["accuracy"]
        assert entry["tier"] in ("bronze", "silver", "gold", "platinum")
    assert all(meter["simulated"] and meter["boundary"] == "gpu" for meter in kinds["replay"]["meters"])


def test_list_for_people() -> None:
    """Without --json each kind has a line; a simulated meter says so and a missing one says what to do."""
    text = joulemark("list").stdout
    assert "SIMULATED" in text
    assert "next: " in text
    assert "accuracy not stated" in text


def test_probe_measures_the_refresh_period(tmp_path: Path) -> None:
    """Probing the stand-in driver gives its values, and the 60 ms refresh of its counter as seen."""
    library = nvml_standin.build(tmp_path)
    wave = NvmlWave(gpus=2, low_w=200, high_w=200, energy_step_ns=60_000_000)
    found = answer("probe", "nvml", "--option", f"library={library}", "--count", "40", "--interval-ms", "10", env=wave.env())
    meters = {meter["meter_id"].rsplit(":", 1)[1]: meter for meter in found["meters"]}
    assert len(found["meters"]) == 6
    assert meters["power_instant"]["value_si"] == 200.0
    assert meters["power_instant"]["good"] == 40
    assert meters["energy"]["update_period_measured_s"] == pytest.approx(0.06, abs=0.02)
    assert found["latency_ms"]["p50"] > 0
    assert found["latency_ms"]["p99"] is None


def test_probe_keeps_what_it_read_before_the_device_left() -> None:
    """A device that leaves ends the probe with its reason; the readings before that are shown."""
    found = answer("probe", "fake", "--option", "gone_after=3", "--interval-ms", "1")
    assert [meter["good"] for meter in found["meters"]] == [3, 3]
    assert len(found["failed"]) == 1


def test_a_device_that_is_asked_seldom_is_summed_up_from_its_own_reads() -> None:
    """Of three reads, one with the inlet of a server beside its power: three samples of the one, one of the other, none of a third."""
    power, inlet = (Sample(name, 1, 2, 0, (1,), (None,), (Quality.OK,), ("",)) for name in ("h:power", "h:inlet"))
    polls = [[power, inlet], [power], [power]]
    assert [len(of_device(polls, name)) for name in ("h:power", "h:inlet", "h:other")] == [3, 1, 0]
    assert of_device(polls, "h:inlet") == [inlet]


def test_probe_for_people() -> None:
    """Without --json a probe prints each meter with its value and the reasons of its gaps."""
    text = joulemark(
        "probe", "fake", "--option", "waveform=constant", "--option", "gap_every=2", "--count", "4", "--interval-ms", "1"
    ).stdout
    assert "300.000 watt, 2 good" in text
    assert "gap on demand" in text


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["nmvl"], 2, "did you mean 'nvml'"),
        (["fake", "--option", "mean_w"], 2, "KEY=VALUE"),
        (["fake", "--option", "mean=3"], 2, "mean_w"),
        (["nvml", "--option", "library=/nowhere.so"], 5, "/nowhere.so"),
        (["fake", "--count", "0"], 2, "count"),
    ],
)
def test_probe_refuses(args: list[str], status: int, message: str) -> None:
    """A wrong kind, option or device is one line with the next step and the right exit code."""
    done = joulemark("probe", *args)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", sorted(LIVE))
def test_probe_answers_for_every_kind(kind: str, tmp_path: Path) -> None:
    """Each kind is probed against its living counterpart: every meter has a value, its boundary, and the latency is told."""
    with LIVE[kind].live(tmp_path) as living:
        patient = {"deadline_s": 20.0} if "deadline_s" in living.options else {}
        options = [word for key, value in {**living.options, **patient}.items() for word in ("--option", f"{key}={json.dumps(value)}")]
        found = answer("probe", kind, *options, "--count", "3", "--interval-ms", "100")
    assert found["meters"]
    assert all(meter["good"] == 3 and meter["boundary"] for meter in found["meters"])
    assert found["latency_ms"]["p50"] >= 0
