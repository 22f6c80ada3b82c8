"""OpenAIPerf bundles, all made up here in the documented layouts: windows, counts, clock, and what each cannot tell."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import benchmarks
from joulemark.errors import FormatError, NaiveTimeError, UsageError
from joulemark.runs import ClockKind, Run, Tokens
from tests.interop import openaiperf_bundles as made
from tests.mutations import finite, mutated

S = 1_000_000_000


def read(place: Path, files: made.Files, *, shape: str = "folder") -> Run:
    return benchmarks.read(made.bundle(place, files, shape=shape), tz=None)


@pytest.mark.parametrize("shape", made.SHAPES)
def test_site_seed(tmp_path: Path, shape: str) -> None:
    """The text log gives the evaluation's window within a second, and rates are never turned into counts."""
    run = read(tmp_path, made.site_seed(), shape=shape)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns, window.unc_ns) == (made.BEGIN_S * S, made.END_S * S, S)
    assert (window.tokens, window.requests, run.clock, run.benchmark) == (Tokens(), None, ClockKind.UTC, "openaiperf")
    assert run.labels["task"] == "llm"
    assert (run.labels["throughput"], run.labels["quality"], run.labels["engine"]) == ("256.0", "0.71", "vLLM 0.11")


@pytest.mark.parametrize("shape", made.SHAPES)
def test_docs(tmp_path: Path, shape: str) -> None:
    """Batches of one run are one window, their tokens add up, and a warm-up without an end has no window."""
    run = read(tmp_path, made.docs(), shape=shape)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns, window.unc_ns) == (made.BEGIN_S * S, made.END_S * S, 100_000_000)
    assert (window.tokens.output, window.tokens.input, window.requests) == (2304, None, None)
    assert "warmup_start has no end: warm-up has no window." in run.findings
    assert (run.labels["task"], run.labels["scenario"], run.labels["model"]) == ("llm", "offline", "made-up-8b")


@pytest.mark.parametrize("shape", made.SHAPES)
def test_ob_tools(tmp_path: Path, shape: str) -> None:
    """The run card's epoch floats date the window to the nanosecond that they print; "unknown" is no label."""
    run = read(tmp_path, made.ob_tools(), shape=shape)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns) == (made.BEGIN_S * S + S // 4, made.END_S * S + S // 2)
    assert (window.tokens.output, window.requests, window.unc_ns) == (2304, 64, 1_000)
    assert run.labels == {"task": "llm"}


def test_ob_tools_by_events(tmp_path: Path) -> None:
    """Without times in the run card the events of the log date the window, and never the invented one."""
    run = read(tmp_path, {**made.ob_tools(), "run.json": '{"run": {"task": "llm"}}'})
    assert [(w.begin_ns, w.end_ns) for w in run.windows] == [(made.BEGIN_S * S + S // 4, made.END_S * S + S // 2)]
    assert run.labels["task"] == "llm"


@pytest.mark.parametrize("shape", made.SHAPES)
def test_no_window_is_refused(tmp_path: Path, shape: str) -> None:
    """A bundle that says nowhere when it ran is refused, with what to do instead."""
    with pytest.raises(FormatError, match="joulemark run --"):
        read(tmp_path, made.four_cards_one_log(), shape=shape)


def test_oldest_layout_with_known_events(tmp_path: Path) -> None:
    """Where the oldest layout's log holds known events it dates the run, and its energy is kept as the tool's own."""
    files = {**made.four_cards_one_log(), "events.jsonl": made.docs()["run.log"]}
    run = read(tmp_path, files)
    assert [w.tokens.output for w in run.windows] == [2304]
    assert [(f.name, f.value, f.unit) for f in run.tool_reported] == [("energy_per_request_j", 12.4, "J"), ("avg_power_w", 510.0, "W")]


def test_no_zone_is_guessed(tmp_path: Path) -> None:
    """Printed times without a zone need one, and say that they were local."""
    files = made.site_seed()
    place = made.bundle(tmp_path, {**files, "run.log": files["run.log"].replace("Z [", " [")})
    with pytest.raises(NaiveTimeError):
        benchmarks.read(place, tz=None)
    assert benchmarks.read(place, tz=UTC).clock is ClockKind.UTC
    run = benchmarks.read(place, tz=ZoneInfo("Asia/Shanghai"))
    assert (run.clock, run.windows[0].begin_ns) == (ClockKind.LOCAL, (made.BEGIN_S - 8 * 3600) * S)


def test_a_batch_without_tokens_makes_them_unknown(tmp_path: Path) -> None:
    """A sum that lacks one batch is no sum, and a batch that never ended is said."""
    log = [json.loads(line) for line in made.docs()["run.log"].splitlines()]
    del log[-1]["tokens_generated"]
    run = read(tmp_path, {**made.docs(), "run.log": made.lines(*log, {**log[-2], "batch": 3})})
    assert run.windows[0].tokens == Tokens()
    assert any(finding.startswith("1 of 3 batches") for finding in run.findings)
    assert any(finding.startswith("1 inference_start without") for finding in run.findings)


def test_a_restarted_evaluation_counts_from_its_last_begin(tmp_path: Path) -> None:
    """A log that a crashed attempt began is read from the last begin before the end."""
    files = made.site_seed()
    crashed = f"{made.DAY}10:20:00Z [INFO] Beginning evaluation run (3 repeats)\n"
    run = read(tmp_path, {**files, "run.log": crashed + files["run.log"]})
    assert run.windows[0].begin_ns == made.BEGIN_S * S


@pytest.mark.parametrize("name", ["run.json", "run.log"])
def test_a_file_of_the_bundle_stands_for_it(tmp_path: Path, name: str) -> None:
    """A card or a log given by itself means its folder; three cards are no bundle."""
    folder = made.bundle(tmp_path, made.docs())
    assert benchmarks.read(folder / name, tz=None).windows
    (folder / "stack.json").unlink()
    with pytest.raises(FormatError, match="holds no files of"):
        benchmarks.read(folder / name, tz=None)


def test_hostile_lines(tmp_path: Path) -> None:
    """A torn line is refused by its number, and so is a time that none believes."""
    files = made.docs()
    for number, line in enumerate(('{"event": "inference_start"', '{"event": "inference_start", "timestamp": 1e300}')):
        with pytest.raises(FormatError, match=r"run\.log:1"):
            read(tmp_path / str(number), {**files, "run.log": f"{line}\n{files['run.log']}"})


@given(data=st.data(), dialect=st.sampled_from(sorted(made.DIALECTS)), name=st.sampled_from(["run.json", "run.log", "model.json"]))
def test_bundles_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, dialect: str, name: str) -> None:
    """A bundle with pieces of a file cut, doubled or poisoned gives a run of finite numbers or a refusal."""
    files = {**made.docs(), **made.DIALECTS[dialect]()}
    folder = made.bundle(tmp_path_factory.mktemp("wrong", numbered=True), files)
    (folder / name).write_bytes(data.draw(mutated(files[name].encode())))
    try:
        run = benchmarks.read(folder, tz=UTC)
    except UsageError:
        return
    assert finite(run.to_json())
    assert all(window.begin_ns < window.end_ns for window in run.windows)
