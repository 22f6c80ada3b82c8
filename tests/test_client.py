"""The Python client, its kept marks, and the phase context manager."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import joulemark
from joulemark import kept_marks
from joulemark.client import Client, refusal
from joulemark.collector.tokens import Scope, Tokens
from joulemark.counts import Counts
from joulemark.errors import AccessDenied, ConfigError, InsufficientData, RemoteUnreachable, UsageError
from tests.collector.conftest import Agent, Collector, S
from tests.collector.conftest import lasting_collector as lasting_collector
from tests.collector.conftest import start_collector as start_collector

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def collector(lasting_collector: Collector) -> Collector:
    return lasting_collector


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


def test_a_phase_tells_how_idle_it_was_and_why_it_does_not_count(collector: Collector) -> None:
    """The kind of idling goes with the begin; an exception, or a word of the program, makes the phase an aborted one; counts go over."""
    client = joulemark.Client(collector.rest)
    run_id = client.start()
    with joulemark.phase("idle", "idle_before", idle_kind="idle_bare", run_id=run_id, url=collector.rest):
        pass
    with joulemark.phase("good", run_id=run_id, url=collector.rest) as counts:
        counts.output_tokens, counts.cached_input_tokens, counts.reasoning_tokens = 12, 3, 4
        counts.token_source, counts.disagreement = "server_usage", 1.5
    with joulemark.phase("stopped", run_id=run_id, url=collector.rest) as counts:
        counts.aborted = "the server died"
    with pytest.raises(KeyError), joulemark.phase("broken", run_id=run_id, url=collector.rest):
        raise KeyError
    phases = client.call("GET", f"/v1/runs/{run_id}/phases")
    assert [(p["name"], p["idle_kind"], p["aborted"]) for p in phases] == [
        ("idle", "idle_bare", ""),
        ("good", None, ""),
        ("stopped", None, "the server died"),
        ("broken", None, "the block raised KeyError"),
    ]
    assert {key: phases[1]["tokens"][key] for key in ("cached_input", "reasoning", "source", "disagreement")} == {
        "cached_input": 3,
        "reasoning": 4,
        "source": "server_usage",
        "disagreement": 1.5,
    }
    with pytest.raises(ValueError, match="resting"), joulemark.phase("x", idle_kind="resting", run_id=run_id, url=collector.rest):
        pass


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
    assert kept_marks.file_of(run_id).read_text().count("\n") == 2
    client = Client(collector.rest)
    assert (client.resend(run_id), client.resend(run_id)) == (2, 0)
    assert [p["name"] for p in client.call("GET", f"/v1/runs/{run_id}/phases")] == ["decode"]


def test_a_refused_mark_does_not_hold_up_the_others(collector: Collector) -> None:
    """Torn lines and marks that the collector will never take stay in the file and are named; the good ones around them arrive."""
    client = Client(collector.rest)
    run_id = client.start()
    good = [{"name": name, "edge": "window", "moment": {"utc_ns": 10}, "end_ns": 20} for name in ("a", "b")]
    kept_marks.keep(run_id, "phases", good[0])
    with kept_marks.file_of(run_id).open("a") as file:
        file.write('{"what": "phases", "bo')
    kept_marks.keep(run_id, "phases", {**good[0], "end_ns": 5})
    kept_marks.keep(run_id, "phases", good[1])
    with pytest.raises(UsageError, match=f"2 of 4 kept marks of run {run_id}.*stay in"):
        client.resend(run_id)
    assert [p["name"] for p in client.call("GET", f"/v1/runs/{run_id}/phases")] == ["a", "b"]
    assert len(kept_marks.of(run_id).lines) == 2


def test_a_mark_kept_while_others_are_delivered_is_not_lost(collector: Collector) -> None:
    """While one process delivers, another of the same benchmark goes on keeping marks: every one of them arrives in the end."""
    client = Client(collector.rest)
    run_id, count = client.start(), 60
    begun, done = threading.Event(), threading.Event()

    def keep() -> None:
        for number in range(count):
            kept_marks.keep(run_id, "phases", {"name": f"p{number}", "edge": "window", "moment": {"utc_ns": 10 + number}, "end_ns": 500})
            begun.set()
        done.set()

    writer = threading.Thread(target=keep)
    writer.start()
    begun.wait(10)
    rounds = 0
    while not done.is_set() or kept_marks.of(run_id).lines:
        client.resend(run_id)
        rounds += 1
    writer.join()
    assert len(client.call("GET", f"/v1/runs/{run_id}/phases")) == count
    assert rounds > 1


def test_a_phase_never_ends_a_benchmark(collector: Collector) -> None:
    """A run that the collector does not know, a name that it refuses and a count that is no number are warnings; the block runs."""
    ran = []
    with pytest.warns(RuntimeWarning, match="no run 'nowhere'"), joulemark.phase("decode", run_id="nowhere", url=collector.rest):
        ran.append(1)
    run_id = Client(collector.rest).start()
    with pytest.warns(RuntimeWarning, match="name"), joulemark.phase("a\nb", run_id=run_id, url=collector.rest):
        ran.append(2)
    with pytest.warns(RuntimeWarning, match="is no count"), joulemark.phase("ok", run_id=run_id, url=collector.rest) as counts:
        ran.append(setattr(counts, "output_tokens", float("nan")) or 3)
    (phase,) = Client(collector.rest).call("GET", f"/v1/runs/{run_id}/phases")
    assert (ran, phase["name"], phase["tokens"]["output"]) == ([1, 2, 3], "ok", None)


def test_counts_of_any_library_are_counts() -> None:
    """A numpy integer and a float without a fraction are taken as the number they are."""
    assert Counts(output_tokens=np.int64(7), requests=3.0).body() == {"tokens": {"output": 7}, "requests": 3}  # type: ignore[arg-type]  # numpy's and floating counts are the point


def test_a_token_is_shown_where_one_is_asked_for(start_collector: Callable[..., Collector], tmp_path: Path, monkeypatch: Any) -> None:
    """Without its token the client is denied and told which command helps; a mark is kept meanwhile and delivered with the token."""
    data = tmp_path / "tokens"
    secret = Tokens(data).create("ci", Scope.WRITE, created_ns=0)
    collector = start_collector(data_dir=str(data))
    with pytest.raises(AccessDenied, match=r"JOULEMARK_TOKEN_FILE.*joulemark token create NAME --scope write"):
        Client(collector.rest).start()
    with pytest.warns(RuntimeWarning, match="the mark is kept"):
        Client(collector.rest).stop("r")
    file = tmp_path / "token"
    file.write_text(secret + "\n")
    monkeypatch.setenv("JOULEMARK_TOKEN_FILE", str(file))
    client = Client(collector.rest)
    assert client.call("POST", "/v1/runs", {"run_id": "r", "moment": client.moment()})["run_id"] == "r"
    assert client.resend("r") == 1


@pytest.mark.parametrize("text", ["", "joulemark_SECRET\nmore\n", "joulemark_SECRET \N{SNOWMAN}", "\0SECRET"])
def test_a_file_that_holds_no_token_stops_no_benchmark(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token file of two lines, or with what no header holds, costs a warning that names the file and shows nothing of what is in it."""
    file = tmp_path / "token"
    file.write_text(text)
    monkeypatch.setenv("JOULEMARK_TOKEN_FILE", str(file))
    with (
        pytest.warns(RuntimeWarning, match=r"token does not hold a token.*the mark is kept") as caught,
        joulemark.phase("p", run_id="r", url=NOWHERE),
    ):
        pass
    assert "SECRET" not in "".join(str(warning.message) for warning in caught)


def test_a_token_does_not_travel_in_plaintext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a token file an http:// address beyond this machine is refused before anything is sent; https:// and loopback are not."""
    file, config = tmp_path / "token", tmp_path / "joulemark.toml"
    file.write_text("secret\n")
    config.write_text(f'[client]\nurl = "http://collector.example:7471"\ntoken_file = "{file}"\n')
    monkeypatch.setenv("JOULEMARK_CONFIG", str(config))
    with pytest.raises(ConfigError, match="plaintext"):
        Client()
    assert Client("https://collector.example:7471").url
    assert Client(NOWHERE).url
    config.write_text(config.read_text() + "[tls]\ninsecure = true\n")
    assert Client().url == "http://collector.example:7471"


def test_an_untrusted_certificate_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTPS a certificate of an unknown authority is a configuration error that names tls.ca_file; with that file it is trusted."""
    cert = self_signed(tmp_path)
    with serving(cert) as url:
        with pytest.raises(ConfigError, match=r"not trusted.*tls\.ca_file"):
            Client(url).call("GET", "/")
        config = tmp_path / "joulemark.toml"
        config.write_text(f'[tls]\nca_file = "{cert}"\n')
        monkeypatch.setenv("JOULEMARK_CONFIG", str(config))
        assert Client(url).call("GET", "/") == {"it": "answers"}


def self_signed(folder: Path) -> Path:
    """Certificate and key of 127.0.0.1 in one file."""
    path = folder / "both.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *words, "-keyout", path, "-out", folder / "cert.pem"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (folder / "cert.pem").read_bytes())
    return path


@contextmanager
def serving(cert: Path) -> Iterator[str]:
    """A small HTTPS server; its URL."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server asks for
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"it": "answers"}')

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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


def test_a_bundle_is_waited_for_as_a_record_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is computed when it is asked for: a collector may take longer over it than over an answer that it has."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(joulemark.client, "RECORD_TIMEOUT_S", 0.2)
        begin_s = time.monotonic()
        with pytest.raises(RemoteUnreachable, match="timed out"):
            Client(f"http://127.0.0.1:{silent.getsockname()[1]}").download("/v1/runs/x/bundle")
        assert time.monotonic() - begin_s < 0.8 * joulemark.client.TIMEOUT_S


def test_refusals_are_the_errors_of_the_package() -> None:
    """A problem document becomes the error class that its status stands for, with detail and next step."""
    raw = b'{"detail": "no reading", "next_step": "start an agent"}'
    assert isinstance(refusal(409, raw, "GET x"), InsufficientData)
    assert str(refusal(404, raw, "GET x")) == "no reading. start an agent."
    assert isinstance(refusal(401, raw, "GET x"), AccessDenied)
    assert isinstance(refusal(403, raw, "GET x"), AccessDenied)
    assert isinstance(refusal(503, raw, "GET x"), RemoteUnreachable)
    assert isinstance(refusal(502, b"<html>", "GET x"), RemoteUnreachable)


def test_importing_the_client_is_light() -> None:
    """A benchmark that marks phases loads neither numpy nor grpc nor click."""
    code = "import joulemark, sys; joulemark.phase; print([m for m in ('numpy', 'grpc', 'click', 'fastapi') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_meters_readings_and_alignments_are_asked_for(collector: Collector) -> None:
    """The client names meters, gives their readings as columns, and lists no alignment where none was handed in."""
    agent, client = Agent(), Client(collector.rest)
    begin_ns = time.time_ns() - S
    agent.send(collector.grpc, agent.batch(0, begin_ns=begin_ns, rows=5))
    power, energy = (meter["meter_id"] for meter in client.meters())
    columns = client.readings([power, energy], begin_ns, begin_ns + S)
    assert {one["meter_id"]: len(one["value"]) for one in columns} == {power: 5, energy: 5}
    assert client.calibrations() == client.calibrations(power) == []
    with pytest.raises(UsageError, match="calibration"):
        client.calibrate({"calibration.json": "{}", "a": "", "b": "", "c": ""})
