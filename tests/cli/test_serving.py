"""`joulemark serving`: what it asks, and what a person reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from joulemark.cards.serving import SERVING_SCHEMA, Known, Service, service_json
from joulemark.cli.serving import command, serving_text
from joulemark.errors import UsageError
from joulemark.pricing import stated
from joulemark.pricing.snapshot import Snapshot
from tests.cards.serving_truth import T0, S, engine, gpu

UNNAMED = {"provider": "unnamed", "region": "unnamed", "instance_type": "unnamed"}


def answer(*series: Any, cuts: tuple[int, ...] = (10, 110), settled: bool = True) -> dict[str, Any]:
    prices = Snapshot(prices=(stated.price("36USD/h", labels=UNNAMED, valid_from_ns=T0, read_ns=T0),))
    service = service_json(Service(("node1",), series), [T0 + s * S for s in cuts], Known(prices, UNNAMED))
    return {"schema": SERVING_SCHEMA, "begin_ns": 0, "end_ns": 1, "settled": settled, "services": [service]}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """A server that answers every question with one service, and what it was asked."""
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(parse_qs(urlsplit(self.path).query))
            body = json.dumps(answer(gpu(), *engine())).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False, standalone_mode=False)


def test_what_is_asked(collector: tuple[str, list[dict[str, list[str]]]]) -> None:
    """Lengths of time are seconds, five minutes unless told; dates become nanoseconds; everything else goes as it is."""
    url, asked = collector
    run("--url", url)
    run("--url", url, "--last", "2h", "--step", "90s", "--model", "m", "--agent", "a", "--agent", "b", "--price", "36USD/h")
    run("--url", url, "--begin", "2026-11-21T12:00:00Z", "--end", "2026-11-21T12:00:01Z")
    assert asked[0] == {"last_s": ["300.0"]}
    assert asked[1] == {"last_s": ["7200.0"], "step_s": ["90.0"], "model": ["m"], "agent": ["a", "b"], "price": ["36USD/h"]}
    assert int(asked[2]["end_ns"][0]) - int(asked[2]["begin_ns"][0]) == S


def test_json_is_what_the_collector_said(collector: tuple[str, list[dict[str, list[str]]]]) -> None:
    """With --json the answer comes through as it is."""
    assert json.loads(run("--url", collector[0], "--json").stdout)["schema"] == SERVING_SCHEMA


@pytest.mark.parametrize(
    "arguments",
    [("--last", "soon"), ("--last", "0s"), ("--begin", "2026-01-01"), ("--last", "5m", "--begin", "2026-01-01", "--end", "2026-01-02")],
)
def test_windows_that_are_none(arguments: tuple[str, ...]) -> None:
    """Half a window, two windows and a length that is none are refused before anybody is asked."""
    with pytest.raises(UsageError) as caught:
        run(*arguments)
    assert caught.value.next_step
    assert "--last_s" not in str(caught.value)


def test_what_a_person_reads() -> None:
    """Energy with its uncertainty, a row for the model, requests in flight at both edges, and rent per 1k tokens."""
    text = serving_text(answer(gpu(), *engine()))
    assert "service node1: m" in text
    assert "40000.0 J" in text
    assert "at gpu, 400.0 W" in text
    assert any(line.split()[:3] == ["m", "10000", "4000"] and line.endswith("3 -> 3") for line in text.splitlines())
    assert "rent: 0.1 USD per 1k output tokens" in text


def test_an_uncertainty_that_is_not_known_is_no_zero() -> None:
    """Energy without a budget stands beside a dash, not beside a zero."""
    found = answer(gpu(), *engine())
    found["services"][0]["slices"][0]["energy"][0]["u95_j"] = None
    assert "40000.0 J +- - at gpu" in serving_text(found)


def test_what_is_not_known_is_said() -> None:
    """A share is called an estimate, a count that is not known has its reason, and an answer that may change says so."""
    power = gpu()
    late = [one.rows(one.t_ns > T0 + 50 * S) for one in engine(model="n")]
    text = serving_text(answer(power, *engine(), *late, settled=False))
    assert "may still arrive" in text
    assert "split by output tokens: an estimate" in text
    assert "n: output tokens: it is first seen" in text
    assert "energy not known" in serving_text(answer(*engine()))
