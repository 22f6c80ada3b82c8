"""ML.ENERGY: the steady state of v3 with energies that stay its own, and the leaderboard of v2 that has no times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.cards.compute import compute
from joulemark.errors import FormatError, JoulemarkError
from joulemark.runs import ClockKind, PhaseKind

TIMELINE = {
    "benchmark_start_time": 1763283440.5,
    "benchmark_end_time": 1763283575.75,
    "steady_state_start_time": 1763283464.529182,
    "steady_state_end_time": 1763283562.135392,
}
RESULTS = {
    "model_id": "Qwen/Qwen3-8B",
    "gpu_model": "H100",
    "num_gpus": 1,
    "max_num_seqs": 128,
    "num_prompts": 1024,
    "completed": 1020,
    "duration": 135.25,
    "steady_state_duration": 97.6,
    "steady_state_energy": 54600.0,
    "steady_state_energy_per_token": 54600.0 / 583_987,
    "total_input_tokens": 250_880,
    "total_output_tokens": 661_234,
    "entire_benchmark_measurement": {"time": 135.25, "gpu_energy": {"0": 70000.5, "1": 0.25}, "cpu_energy": None},
    "timeline": TIMELINE,
}
BOARD = Path("bench") / "ml-energy_leaderboard-v2" / "data"
H100_27B = BOARD / "llm_text_generation" / "chat" / "H100 80GB HBM3" / "google" / "gemma-2-27b-it"


def written(folder: Path, **changed: Any) -> Path:
    """A made-up results.json in the layout of the benchmark's version 3; a field changed to None is left out."""
    (folder / "results.json").write_text(json.dumps({key: value for key, value in {**RESULTS, **changed}.items() if value is not None}))
    return folder


def test_steady_state_and_the_whole_run(tmp_path: Path) -> None:
    """The steady state is measured, with the tokens that the two energies imply; the whole run is beside it with its own."""
    run = benchmarks.read(written(tmp_path), tz=None)
    whole, steady = run.windows
    assert (steady.name, steady.kind, steady.begin_ns) == ("steady_state", PhaseKind.MEASURED, 1_763_283_464_529_182_000)
    assert (steady.end_ns - steady.begin_ns, steady.unc_ns, run.clock) == (97_606_210_000, 1000, ClockKind.UTC)
    assert (steady.tokens.output, steady.tokens.input, steady.requests) == (583_987, None, None)
    assert steady.tokens.source == "steady_state_energy / steady_state_energy_per_token"
    assert (whole.name, whole.kind, whole.duration_s, whole.requests, whole.requests_failed) == (
        "benchmark",
        PhaseKind.OTHER,
        135.25,
        1020,
        4,
    )
    assert (whole.tokens.input, whole.tokens.output) == (250_880, 661_234)
    assert run.measured == (steady,)
    assert run.labels == {"model": "Qwen/Qwen3-8B", "gpu": "H100", "gpus": "1", "max_batch": "128"}


def test_its_energies_are_its_own(tmp_path: Path) -> None:
    """Each energy arrives with unit, window and source; one GPU without a figure leaves the sum untold."""
    told = [(figure.name, figure.value, figure.unit, figure.window) for figure in benchmarks.read(written(tmp_path), tz=None).tool_reported]
    assert told == [
        ("steady_state_energy", 54600.0, "J", "steady_state"),
        ("steady_state_energy_per_token", 54600.0 / 583_987, "J/token", "steady_state"),
        ("gpu_energy", 70000.75, "J", "benchmark"),
    ]
    run = benchmarks.read(written(tmp_path, entire_benchmark_measurement={"gpu_energy": {"0": 1.0, "1": None}}), tz=None)
    assert "gpu_energy" not in {figure.name for figure in run.tool_reported}


def test_older_files_and_what_they_do_not_tell(tmp_path: Path) -> None:
    """The older name of the timeline is read; without energies tokens are unknown, and a duration that disagrees is named."""
    steady = {name: value for name, value in TIMELINE.items() if name.startswith("steady")}
    changed = {"timeline": None, "power_timeline": steady, "steady_state_energy_per_token": 0.0, "steady_state_duration": 120.0}
    run = benchmarks.read(written(tmp_path, **changed), tz=None)
    assert [window.name for window in run.windows] == ["steady_state"]
    assert run.windows[0].tokens.output is None
    findings = " ".join(run.findings)
    assert "steady state of 120.000 s, but its edges are 97.606 s apart" in findings
    assert "tokens of the steady state are unknown" in findings


@pytest.mark.parametrize("changed", [{"timeline": None}, {"timeline": {**TIMELINE, "steady_state_end_time": "x"}}])
def test_no_steady_state_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Without both edges there is nothing to integrate."""
    with pytest.raises(FormatError, match="steady_state_"):
        benchmarks.read(written(tmp_path, **changed), tz=None)


def test_corpus_leaderboard(corpus: Path) -> None:
    """gemma-2-27b on H100 at 128: 164.388 J per request and 0.4171 J per token as published, and no phase to integrate."""
    run = benchmarks.read(corpus / H100_27B / "bs128+tp2+pp1.json", tz=None)
    assert (run.windows, run.clock) == ((), ClockKind.UNKNOWN)
    assert {figure.unit: figure.value for figure in run.tool_reported} == pytest.approx({"J/request": 164.388, "J/token": 0.4171}, rel=2e-4)
    assert (run.labels["model"], run.labels["gpu"]) == ("google/gemma-2-27b-it", "NVIDIA H100 80GB HBM3")
    assert "no times" in run.findings[0]
    with pytest.raises(JoulemarkError, match="phase"):
        compute([], run)


def test_corpus_leaderboard_as_a_folder(corpus: Path) -> None:
    """All sixteen files of the recorded leaderboard are read, each figure under the name of its file."""
    run = benchmarks.read(corpus / BOARD, tz=None)
    names = {figure.window for figure in run.tool_reported}
    assert (len(names), len(run.tool_reported)) == (16, 32)


def test_a_leaderboard_file_without_its_energy_is_refused(tmp_path: Path) -> None:
    """An energy that is no number is named."""
    (tmp_path / "a.json").write_text('{"Energy/req (J)": "lots", "Avg Output Tokens": 5}')
    with pytest.raises(FormatError, match="Energy/req"):
        benchmarks.read(tmp_path, tz=None)
