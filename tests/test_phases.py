"""Phases as blocks, functions and coroutines, against a server that writes down what it is told. tests/test_client.py has a collector."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import joulemark
from joulemark.errors import UsageError
from joulemark.phases import Phase


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """Every mark that a server of this process was told; runs are called r1."""
    heard: list[dict[str, Any]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(json.loads(body))
            self.send_response(201)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("JOULEMARK_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("JOULEMARK_RUN_ID", "r1")
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
        yield heard
        server.shutdown()
        thread.join()


def edges(told: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["name"], one["edge"], one.get("aborted", "")) for one in told]


def test_each_call_of_a_function_is_a_phase(told: list[dict[str, Any]]) -> None:
    """The function keeps its name, arguments and result; two calls are two phases, and one that raises does not count."""

    @joulemark.phase("decode", "other")
    def generate(prompt: str, *, limit: int) -> str:
        """Say something."""
        if not prompt:
            raise KeyError
        return prompt[:limit]

    assert (generate.__name__, generate("hello", limit=2)) == ("generate", "he")
    with pytest.raises(KeyError):
        generate("", limit=1)
    assert edges(told) == [
        ("decode", "begin", ""),
        ("decode", "end", ""),
        ("decode", "begin", ""),
        ("decode", "end", "the block raised KeyError"),
    ]
    assert {one.get("kind") for one in told} == {"other", None}


def test_a_coroutine_waits_for_its_marks_without_holding_up_the_loop(told: list[dict[str, Any]]) -> None:
    """`async with` has the counts of the block; another task runs while a mark is under way; an exception goes on."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def block() -> None:
        beside = asyncio.create_task(other())
        async with joulemark.phase("decode") as counts:
            counts.output_tokens = 3
        beside.cancel()
        async with joulemark.phase("cancelled"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(block())
    assert turns > 1
    assert edges(told)[1:] == [("decode", "end", ""), ("cancelled", "begin", ""), ("cancelled", "end", "the block raised CancelledError")]
    assert told[1]["tokens"] == {"output": 3}


def test_what_does_its_work_after_its_call_is_refused() -> None:
    """A coroutine or a generator under a marked call would be a phase of no length: it is refused where it is written."""

    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    async def generators() -> AsyncIterator[int]:
        yield 1

    for function in (coroutine, generator, generators):
        with pytest.raises(UsageError, match=rf"{function.__name__} does its work after its call has ended.*with joulemark\.phase\('x'\)"):
            joulemark.phase("x")(function)


def test_threads_mark_with_objects_of_their_own(told: list[dict[str, Any]]) -> None:
    """A function that threads call at once, and blocks side by side, give each phase its own counts."""

    def work(number: int) -> None:
        with joulemark.phase(f"p{number}") as counts:
            counts.requests = number

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((one["name"], one["requests"]) for one in told if one["edge"] == "end") == [(f"p{n}", n) for n in range(4)]


def test_a_decorator_asks_for_a_run_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with a marked function can be imported outside a run; the call is what needs one."""
    monkeypatch.delenv("JOULEMARK_RUN_ID", raising=False)
    marked = joulemark.phase("decode")(len)
    assert isinstance(joulemark.phase("decode"), Phase)
    with pytest.raises(UsageError, match="belongs to no run"):
        marked("x")


def test_the_public_names_are_there_and_no_others() -> None:
    """Each name of the package is what it says; another one is an AttributeError."""
    assert {name: getattr(joulemark, name).__name__ for name in joulemark.PLACES} == {name: name for name in joulemark.PLACES}
    assert set(joulemark.__all__) == {*joulemark.PLACES, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'cleint'"):
        joulemark.cleint  # noqa: B018  # asking for it is the test
