"""`joulemark import`: the run as read, as JSON of the published schema or as text."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from joulemark.cli import group
from joulemark.runs import RUN_SCHEMA
from joulemark.standard.schema import schemas

LINES = {
    "effective_scenario": "Server",
    "power_begin": "05-06-2024 07:08:09.120",
    "power_end": "05-06-2024 07:09:09.120",
    "result_validity": "INVALID",
    "result_completed_tokens_per_second": 100.5,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = "".join(":::MLLOG " + json.dumps({"key": k, "value": v, "time_ms": 1.0}) + "\n" for k, v in LINES.items())
    (tmp_path / "mlperf_log_detail.txt").write_text(text)
    return tmp_path


@pytest.mark.parametrize("tool", ["mlperf", "auto"])
def test_json_fits_its_schema(folder: Path, tool: str) -> None:
    """The JSON is a joulemark.run/1 of the published schema, whether the tool is named or told by its files."""
    done = CliRunner().invoke(group, ["import", tool, str(folder), "--tz", "UTC", "--json"], catch_exceptions=False)
    run = json.loads(done.stdout)
    jsonschema.validate(run, schemas()[RUN_SCHEMA])
    assert run["phases"][0]["tokens"]["output"] == pytest.approx(6030.0)


def test_text_says_what_is_unknown(folder: Path) -> None:
    """For people: the window in UTC, unknown counts as unknown, and the INVALID result as a note."""
    done = CliRunner().invoke(group, ["import", "mlperf", str(folder), "--tz", "UTC"], catch_exceptions=False)
    for words in ("2024-05-06T07:08:09.120000000Z", "input unknown, output 6,030", "unknown completed", "INVALID"):
        assert words in done.stdout


def test_corpus_runs_fit_the_schema(corpus: Path) -> None:
    """Every recorded AIPerf and LoadGen run fits the schema too."""
    schema = schemas()[RUN_SCHEMA]
    for place in ("aiperf/ai-dynamo_run1_v0.1", "aiperf/generated_0.13.0_streaming", "bench/mlperf_loadgen_generated"):
        done = CliRunner().invoke(group, ["import", "auto", str(corpus / place), "--tz", "UTC", "--json"], catch_exceptions=False)
        jsonschema.validate(json.loads(done.stdout), schema)
