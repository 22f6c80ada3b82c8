"""Connections that do not go on, over real sockets: each is closed in time while others are served."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from joulemark.collector import rest
from joulemark.collector.api.limits import Limits
from joulemark.collector.api.refusals import Reason
from joulemark.collector.api.state import State
from joulemark.collector.catalog import Catalog
from joulemark.collector.control import Control
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.config import CollectorConfig, Config
from joulemark.timebase import SystemClock

LIMITS = Limits(head_s=0.6, body_s=0.6, answer_stall_s=0.6, head_bytes=4096)
CROWDED = Limits(head_s=60, connections=20)
SLOWEST_S = 8.0


@dataclass
class Serving:
    """A server in a thread of this process, with short patience."""

    port: int
    state: State

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SLOWEST_S)

    def refused(self, reason: Reason) -> int:
        return self.state.refused.by_reason()[reason]

    def healthy(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=SLOWEST_S).status_code == 200


@pytest.fixture
def serving(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Serving]:
    SqliteStore(tmp_path / "readings.db").close()
    ready, made = threading.Event(), {}
    bound = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        catalog, control = Catalog(tmp_path / "catalog.db"), Control(tmp_path)
        config = Config(collector=CollectorConfig(data_dir=tmp_path))
        state = State(config, SqliteStore(tmp_path / "readings.db"), catalog, control, SystemClock(), "b")
        server = uvicorn.Server(rest.settings(state, getattr(request, "param", LIMITS)))
        server.capture_signals = lambda: threading.Lock()  # type: ignore[assignment,method-assign,return-value]  # signals are the main thread's
        made.update(state=state, server=server)
        ready.set()
        await server.serve([bound])
        await control.close()
        catalog.close()
        state.store.close()  # type: ignore[attr-defined]  # it is a SqliteStore here

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield Serving(bound.getsockname()[1], made["state"])
    finally:
        made["server"].should_exit = True
        thread.join(20)
        bound.close()


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes; empty when it is cut off."""
    out = b""
    try:
        while chunk := connection.recv(65_536):
            out += chunk
    except ConnectionResetError:
        pass
    return out


def dribble(connection: socket.socket, raw: bytes) -> tuple[bytes, float]:
    """(what came back, seconds until the end) when `raw` is sent a byte each 0.1 s."""
    began = time.monotonic()
    connection.settimeout(0.1)
    out = b""
    for byte in raw:
        try:
            connection.send(bytes([byte]))
            while chunk := connection.recv(65_536):
                out += chunk
            break
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
    return out, time.monotonic() - began


def test_a_dribbled_head_is_not_waited_for(serving: Serving) -> None:
    """A client that sends a byte of its head now and then is told 408 within the limit, however long it goes on."""
    with serving.connect() as connection:
        out, seconds = dribble(connection, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 100)
    assert out.startswith(b"HTTP/1.1 408 ")
    assert json.loads(out.partition(b"\r\n\r\n")[2])["status"] == 408
    assert seconds < SLOWEST_S
    assert serving.refused(Reason.TOO_SLOW) == 1


def test_a_silent_connection_is_closed(serving: Serving) -> None:
    """Who connects and says nothing, before a request or after one, is closed without a word."""
    with serving.connect() as connection:
        assert answer(connection) == b""
    with serving.connect() as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 200 ")


def test_a_dribbled_body_is_not_waited_for(serving: Serving) -> None:
    """A body that does not arrive in time is 408, and one that goes on after its refusal is cut off."""
    head = b"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with serving.connect() as connection:
        connection.send(head)
        out, seconds = dribble(connection, b" " * 100)
    assert out.startswith(b"HTTP/1.1 408 ")
    assert seconds < SLOWEST_S
    assert serving.refused(Reason.TOO_SLOW) == 1


@pytest.mark.parametrize(("more", "status"), [(b"Host: evil.example", 421), (b"Host: 127.0.0.1\r\nContent-Length: 5000000", 413)])
def test_a_body_that_was_refused_is_not_waited_for(serving: Serving, more: bytes, status: int) -> None:
    """A client that goes on sending after its refusal is cut off too."""
    length = b"" if b"Length" in more else b"Content-Length: 1000\r\n"
    with serving.connect() as connection:
        connection.send(b"POST /v1/runs HTTP/1.1\r\nContent-Type: application/json\r\n" + length + more + b"\r\n\r\n")
        out, seconds = dribble(connection, b" " * 100)
    assert out.startswith(b"HTTP/1.1 %d " % status)
    assert seconds < SLOWEST_S


@pytest.mark.parametrize("serving", [CROWDED], indirect=True)
def test_many_slow_clients_keep_nobody_out(serving: Serving) -> None:
    """While ten clients dribble, another is served; beyond the number of connections the next is told 503; who leaves makes room."""
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(serving.connect()).send(b"GET / HTTP/1.1\r\n")
        assert serving.healthy()
        for _ in range(10):
            stack.enter_context(serving.connect())
        assert answer(stack.enter_context(serving.connect())).startswith(b"HTTP/1.1 503 ")
        assert serving.refused(Reason.BUSY) == 1
    for _ in range(50):
        try:
            assert serving.healthy()
            break
        except AssertionError:
            time.sleep(0.1)
    assert serving.healthy()


def test_a_head_too_long_is_told_so(serving: Serving) -> None:
    """A head beyond the limit is 431 as a problem, also when its end never comes."""
    with serving.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 8000)
        assert answer(connection).startswith(b"HTTP/1.1 431 ")
    assert serving.refused(Reason.TOO_LARGE) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/runs HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /v1/runs HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so(serving: Serving, raw: bytes) -> None:
    """TLS on a plaintext port, other protocols and requests with two meanings are 400 as a problem, and the server goes on."""
    with serving.connect() as connection:
        connection.sendall(raw)
        out = answer(connection)
    assert out.startswith(b"HTTP/1.1 400 "), out
    assert b"application/problem+json" in out
    assert serving.refused(Reason.MALFORMED) == 1
    assert serving.healthy()


def test_a_reader_that_takes_nothing_is_cut_off(serving: Serving) -> None:
    """An answer that nobody takes is not held for ever: the connection is aborted and its place is free again."""
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}") as client:
        assert client.post("/v1/runs", json={"run_id": "r", "moment": {"utc_ns": 1}}).status_code == 201
        for part in range(8):
            told = {"schema": "joulemark.run/1", "phases": [], "labels": {f"{part}-{i}": "v" * 4900 for i in range(200)}}
            assert client.post("/v1/runs/r/benchmark", json={"moment": {"utc_ns": 1}, "run": told}).status_code == 201
    with serving.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.send(b"GET /v1/runs/r HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for _ in range(100):
            time.sleep(0.1)
            if serving.refused(Reason.TOO_SLOW):
                break
    assert serving.refused(Reason.TOO_SLOW) == 1
    assert serving.healthy()


def test_a_tls_client_hears_why(serving: Serving) -> None:
    """https:// to a plaintext port fails at once instead of hanging."""
    context = ssl.create_default_context()
    began = time.monotonic()
    with pytest.raises(ssl.SSLError), serving.connect() as connection:
        context.wrap_socket(connection, server_hostname="localhost")
    assert time.monotonic() - began < SLOWEST_S
