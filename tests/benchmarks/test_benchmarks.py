"""The tool is told by its files; our own runs come back as written; hostile files are refused."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark import benchmarks
from joulemark.errors import FormatError, UsageError
from joulemark.runs import PhaseKind, Run, Tokens, Window

OWN = Run((Window("decode", PhaseKind.MEASURED, 1000, 2000, 5, Tokens(input=3, output=4), 2, 0),), benchmark="mine", run_id="r")


def test_run_json_of_another_tool_is_not_ours(tmp_path: Path) -> None:
    """A run.json without our schema is left to others: the folder holds no run then."""
    (tmp_path / "run.json").write_text('{"task": "llm"}')
    with pytest.raises(FormatError, match="holds no files of"):
        benchmarks.read(tmp_path, tz=None)


def test_unknown_tool_and_missing_folder_are_refused(tmp_path: Path) -> None:
    """An unknown tool lists the known ones; a folder that does not exist is named."""
    with pytest.raises(UsageError, match="aiperf"):
        benchmarks.read(tmp_path, tz=None, tool="nope")
    with pytest.raises(FormatError, match="does not exist"):
        benchmarks.read(tmp_path / "none", tz=None)


def test_one_unreadable_run_does_not_hide_the_others(tmp_path: Path) -> None:
    """Of two runs one is damaged: the other is read, and a finding names what was left out."""
    for name, text in (("a", json.dumps(OWN.to_json())), ("b", '{"schema": "joulemark.run/1"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "phases.json").write_text(text)
    run = benchmarks.read(tmp_path, tz=None)
    assert run.windows == OWN.windows
    assert run.findings[-1].startswith("Left out:")


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    """A bundle is hostile input: a link that leads out of it is not read."""
    (tmp_path / "secret.json").write_text(json.dumps(OWN.to_json()))
    inside = tmp_path / "bundle"
    inside.mkdir()
    (inside / "phases.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(FormatError):
        benchmarks.read(inside, tz=None)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
KEYS = {
    "phases.json": ["schema", "phases", "clock", "labels", "findings", "tool_reported"],
    "phase_manifest.json": ["phases"],
    "profile_export.jsonl": ["metadata", "metrics", "error"],
    "mlperf_log_detail.txt": ["key", "value", "time_ms", "metadata"],
}
PHASE_KEYS = ["name", "kind", "begin_ns", "end_ns", "tokens", "phase_name", "phase_kind", "start_ns", "request_start_ns", "request_end_ns"]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(list(KEYS)))
def test_no_values_break_a_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str) -> None:
    """Any JSON values under the keys a reader looks for give a run or a refusal, never another exception."""
    inner = st.dictionaries(st.sampled_from(PHASE_KEYS), JSON, max_size=5)
    value = st.one_of(JSON, inner, st.lists(inner, max_size=2), st.sampled_from(["power_begin", "power_end", "run_start", "run_stop"]))
    entries = data.draw(st.lists(st.dictionaries(st.sampled_from(KEYS[name]), value, max_size=4), min_size=1, max_size=3))
    if name == "phases.json":
        entries[0]["schema"] = "joulemark.run/1"
    folder = tmp_path_factory.mktemp("hostile")
    mark = ":::MLLOG " if name.startswith("mlperf") else ""
    count = 1 if name.endswith(".json") else len(entries)
    (folder / name).write_text("".join(mark + json.dumps(entry) + "\n" for entry in entries[:count]))
    with contextlib.suppress(UsageError):
        benchmarks.read(folder, tz=UTC)


@settings(max_examples=80, deadline=None)
@given(content=st.binary(max_size=200), name=st.sampled_from([*KEYS, "profile_export_aiperf.json", "result_1.txt.gz"]))
def test_no_bytes_break_a_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    """Any bytes under a name a reader looks for give a run or a refusal, never another exception."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / name).write_bytes(content)
    with contextlib.suppress(UsageError):
        benchmarks.read(folder, tz=UTC)


def test_phases_without_end_are_refused(tmp_path: Path) -> None:
    """A run of more phases than anybody measures is refused before each of them costs a pass over the readings."""
    run = OWN.to_json()
    (tmp_path / "run.json").write_text(json.dumps({**run, "phases": run["phases"] * (benchmarks.MAX_PHASES + 1)}))
    with pytest.raises(FormatError, match="10001 phases"):
        benchmarks.read(tmp_path, tz=None)
