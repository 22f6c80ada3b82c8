"""The Python client, its kept marks, and the phase context manager."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import joulemark
from joulemark.client import Client, kept_file, refusal
from joulemark.errors import FormatError, InsufficientData, RemoteUnreachable, UsageError
from tests.collector.conftest import Collector
from tests.collector.conftest import collector as collector
from tests.collector.conftest import start_collector as start_collector

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


def test_a_phase_is_marked_around_its_block(collector: Collector) -> None:
    """The block's phase is on record with its kind and counts, also when the block raised."""
    client = joulemark.Client(collector.rest)
    run_id = client.start(benchmark="b")
    with joulemark.phase("decode", run_id=run_id, url=collector.rest) as counts:
        counts.output_tokens, counts.requests = 12, 3
    with pytest.raises(KeyError), joulemark.phase("broken", "other", run_id=run_id, url=collector.rest):
        raise KeyError
    client.stop(run_id)
    phases = client.call("GET", f"/v1/runs/{run_id}/phases")
    assert [(p["name"], p["kind"], p["tokens"]["output"], p["requests"]) for p in phases] == [
        ("decode", "measured", 12, 3),
        ("broken", "other", None, None),
    ]


def test_a_phase_outside_a_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a run the error names the command that gives one."""
    monkeypatch.delenv("JOULEMARK_RUN_ID", raising=False)
    with pytest.raises(UsageError, match="joulemark run --"), joulemark.phase("decode"):
        pass


def test_a_mark_that_cannot_be_delivered_is_kept(collector: Collector) -> None:
    """An unreachable collector costs a warning; the marks wait in a file, in order, and are delivered once."""
    run_id = Client(collector.rest).start()
    with pytest.warns(RuntimeWarning, match=f"joulemark run resend {run_id}"), joulemark.phase("decode", run_id=run_id, url=NOWHERE):
        pass
    with pytest.raises(RemoteUnreachable):
        Client(NOWHERE).resend(run_id)
    assert kept_file(run_id).read_text().count("\n") == 2
    client = Client(collector.rest)
    assert (client.resend(run_id), client.resend(run_id)) == (2, 0)
    assert [p["name"] for p in client.call("GET", f"/v1/runs/{run_id}/phases")] == ["decode"]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"what": "../../v1/hosts", "body": {}}', '{"what": "stop"}', '{"what": "stop", "body": {"a": NaN}}']
)
def test_a_damaged_kept_mark_is_named(line: str) -> None:
    """A kept file with a line that is no mark is refused by file and line, and nothing of it is sent."""
    kept_file("r").write_text('{"what": "stop", "body": {}}\n' + line + "\n")
    with pytest.raises(FormatError, match=r"r\.jsonl:2"):
        Client(NOWHERE).resend("r")


def test_a_mark_that_cannot_even_be_kept_costs_only_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a collector and without a place to keep the mark, the warning says that it is lost and the benchmark goes on."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "file" / "below"))
    with pytest.warns(RuntimeWarning, match="the mark is lost"), joulemark.phase("decode", run_id="r", url=NOWHERE):
        pass


def test_a_proxy_is_not_asked_for_this_machine(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment stands not between the client and a collector on loopback."""
    monkeypatch.setenv("http_proxy", NOWHERE)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Client(collector.rest).start()


def test_refusals_are_the_errors_of_the_package() -> None:
    """A problem document becomes the error class that its status stands for, with detail and next step."""
    raw = b'{"detail": "no reading", "next_step": "start an agent"}'
    assert isinstance(refusal(409, raw, "GET x"), InsufficientData)
    assert str(refusal(404, raw, "GET x")) == "no reading. start an agent."
    assert isinstance(refusal(503, raw, "GET x"), RemoteUnreachable)
    assert isinstance(refusal(502, b"<html>", "GET x"), RemoteUnreachable)


def test_importing_the_client_is_light() -> None:
    """A benchmark that marks phases loads neither numpy nor grpc nor click."""
    code = "import joulemark, sys; joulemark.phase; print([m for m in ('numpy', 'grpc', 'click', 'fastapi') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
