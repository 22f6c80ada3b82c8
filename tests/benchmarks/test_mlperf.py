"""MLPerf logs: the window of LoadGen and of training, tokens as rate x duration, nothing taken from `test_datetime`."""

from __future__ import annotations

import gzip
import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError, NaiveTimeError
from joulemark.runs import ClockKind, PhaseKind
from joulemark.timebase import zone

LOADGEN = {
    "test_datetime": "2024-01-02T03:00:00Z",
    "effective_scenario": "Offline",
    "generated_samples_per_query": 640,
    "power_begin": "01-02-2024 03:04:05.006",
    "power_end": "01-02-2024 03:04:15.256",
    "result_validity": "VALID",
    "result_query_count": 1,
    "result_tokens_per_second": 1234.5,
}
BEGIN_NS = 1_704_164_645_006_000_000


def lines(events: list[tuple[str, Any, float, dict[str, Any]]], prefix: str = "") -> str:
    return "".join(f"{prefix}:::MLLOG " + json.dumps({"key": k, "value": v, "time_ms": t, "metadata": m}) + "\n" for k, v, t, m in events)


def loadgen(folder: Path, name: str = "mlperf_log_detail.txt", **changed: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    values = {key: value for key, value in {**LOADGEN, **changed}.items() if value is not None}
    text = lines([(key, value, 1.0, {}) for key, value in values.items()])
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder


@pytest.mark.parametrize("name", ["mlperf_log_detail.txt", "x__mlperf_log_detail.txt.gz"])
def test_loadgen_window_and_tokens(tmp_path: Path, name: str) -> None:
    """The window is power_begin to power_end to the millisecond; tokens are rate x duration and say so."""
    run = benchmarks.read(loadgen(tmp_path, name), tz=UTC)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns - window.begin_ns, window.unc_ns) == (BEGIN_NS, 10_250_000_000, 500_000)
    assert window.tokens.output == pytest.approx(1234.5 * 10.25, rel=1e-15)
    assert "rate x duration" in window.tokens.source
    assert window.tokens.disagreement == pytest.approx(0.05 * 10.25)
    assert window.tokens.input is None
    assert window.requests == 640
    assert run.clock is ClockKind.UTC


def test_zone_moves_the_window_and_is_reported(tmp_path: Path) -> None:
    """A local log read in its zone is eight hours later in UTC, and the run's clock is called local."""
    run = benchmarks.read(loadgen(tmp_path), tz=zone("America/Los_Angeles"))
    assert run.windows[0].begin_ns == BEGIN_NS + 8 * 3600 * 10**9
    assert run.clock is ClockKind.LOCAL


def test_loadgen_without_a_zone_is_refused(tmp_path: Path) -> None:
    """No zone is guessed, not even from test_datetime, which ends in Z and lies."""
    with pytest.raises(NaiveTimeError, match="--tz"):
        benchmarks.read(loadgen(tmp_path), tz=None)


def test_what_loadgen_does_not_tell_is_unknown_and_said(tmp_path: Path) -> None:
    """No token rate, no query count, an INVALID result: None and a finding each, never a zero."""
    run = benchmarks.read(
        loadgen(
            tmp_path,
            effective_scenario="Server",
            result_tokens_per_second=None,
            result_query_count=None,
            result_validity="INVALID",
            result_invalid_reason="too short",
        ),
        tz=UTC,
    )
    assert (run.windows[0].tokens.output, run.windows[0].requests) == (None, None)
    text = " ".join(run.findings)
    assert "INVALID. too short" in text
    assert "token rate" in text
    assert "result_query_count" in text


def test_several_logs_are_one_run_and_ranging_is_not_measured(tmp_path: Path) -> None:
    """Logs of several folders become phases named after them; the ranging run's tokens do not count."""
    loadgen(tmp_path / "performance" / "run_1")
    loadgen(tmp_path / "performance" / "ranging")
    run = benchmarks.read(tmp_path, tz=UTC)
    assert {(w.name, w.kind) for w in run.windows} == {
        ("performance/run_1/Offline", PhaseKind.MEASURED),
        ("performance/ranging/Offline", PhaseKind.OTHER),
    }


def test_training_window_begins_at_the_last_start_before_the_stop(tmp_path: Path) -> None:
    """Of two run_start lines (a restart) the later one counts; every rank's prefix is skipped and a broken line is counted."""
    events: list[tuple[str, Any, float, dict[str, Any]]] = [
        ("init_start", None, 1_715_000_000_000, {}),
        ("run_start", None, 1_715_000_010_000, {}),
        ("run_start", None, 1_715_000_020_000, {}),
        ("run_stop", 0.9, 1_715_000_050_500, {"samples_count": 3072, "status": "success"}),
    ]
    (tmp_path / "result_1.txt").write_text("noise\n" + lines(events, prefix="0: ") + "0: :::MLLOG {broken\n")
    run = benchmarks.read(tmp_path, tz=None)
    (measured,) = run.measured
    assert (measured.begin_ns, measured.duration_s) == (1_715_000_020_000_000_000, 30.5)
    assert run.labels["samples"] == "3072"
    assert run.clock is ClockKind.UTC
    assert any("last one begins" in finding for finding in run.findings)
    assert any("damaged" in finding for finding in run.findings)


def test_log_without_a_window_is_refused(tmp_path: Path) -> None:
    """A LoadGen log without the power workflow has no wall-clock window: FormatError, not a guess."""
    with pytest.raises(FormatError, match="no window"):
        benchmarks.read(loadgen(tmp_path, power_begin=None, power_end=None), tz=UTC)


def test_corpus_training_run(corpus: Path) -> None:
    """The recorded 8xH100 training run lasts 1694.520 s over 3072 samples, as its log prints."""
    run = benchmarks.read(corpus / "mlperf_power" / "training_v4.0_smc_llama2_70b_lora_1node" / "results", tz=None)
    assert run.measured[0].duration_s == 1694.520
    assert run.labels["samples"] == "3072"
