from __future__ import annotations

import json
from pathlib import Path

import pytest

from joulemark.demo.load import Load, Record, execute, summarize
from joulemark.errors import RemoteUnreachable
from joulemark.runs import PhaseKind, Run


def test_run_file_counts_what_the_server_reported(stub_url: str, tmp_path: Path) -> None:
    """The measured phase holds the tokens of its own requests only, as the per-request file shows."""
    execute(Load(stub_url, requests=6, warmup=2, concurrency=3, output_tokens=9), tmp_path)
    run = Run.from_json(json.loads((tmp_path / "phases.json").read_text()))
    records = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    (measured,) = run.measured
    mine = [r for r in records if r["phase"] == "measured"]
    assert len(mine) == measured.requests == 6
    assert measured.tokens.output == sum(r["output_tokens"] for r in mine) == 54
    assert measured.begin_ns == min(r["begin_ns"] for r in mine)
    assert measured.end_ns == max(r["end_ns"] for r in mine)


def test_a_failed_request_keeps_its_time_and_loses_its_tokens() -> None:
    """Energy of failed requests stays in: the window covers them, the tokens do not."""
    good = Record("measured", 100, 200, 3, 5)
    bad = Record("measured", 50, 300, None, None, "ServerDisconnectedError")
    (window,) = summarize([good, bad], "id").windows
    assert (window.kind, window.begin_ns, window.end_ns) == (PhaseKind.MEASURED, 50, 300)
    assert (window.tokens.output, window.requests, window.requests_failed) == (5, 1, 1)


def test_an_unreachable_service_is_a_clear_error(tmp_path: Path) -> None:
    """Nobody listening ends in one error that names the next step, and no run file."""
    with pytest.raises(RemoteUnreachable, match="start the service"):
        execute(Load("http://127.0.0.1:9", requests=2, warmup=0), tmp_path)
    assert not list(tmp_path.iterdir())
