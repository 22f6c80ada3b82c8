"""The control socket between the REST process and the ingest process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest

from joulemark.collector import control
from joulemark.errors import ConfigError
from joulemark.proto import convert
from joulemark.proto.messages import Directive, IngestStatus
from tests.collector.conftest import Agent, Collector
from tests.waiting import eventually


def test_a_directive_reaches_the_other_end(tmp_path: Path) -> None:
    """Both ends over a real socket: the directive arrives as sent and the number of agents comes back, 0 too."""
    heard: list[tuple[Directive, Sequence[str]]] = []

    async def broadcast(directive: Directive, agents: Sequence[str]) -> int:
        heard.append((directive, agents))
        return len(heard) - 1

    async def talk() -> list[int | None]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((control.handlers(broadcast, IngestStatus),))
        server.add_insecure_port(f"unix:{control.socket_path(tmp_path)}")
        await server.start()
        end = control.Control(tmp_path)
        try:
            return [await end.broadcast(Directive()), await end.broadcast(Directive(read_now=True, batch_period_ms=250), ["a", "b"])]
        finally:
            await end.close()
            await server.stop(None)

    assert asyncio.run(talk()) == [0, 1]
    assert heard == [(Directive(), ()), (Directive(read_now=True, batch_period_ms=250), ("a", "b"))]


def test_silence_is_told_apart_from_no_agent(tmp_path: Path) -> None:
    """Without an ingest process, or with one that hangs, the answer is None after about a second, not 0."""

    async def hang(directive: Directive, agents: Sequence[str]) -> int:
        await asyncio.sleep(30)
        return 0

    async def talk() -> tuple[int | None, int | None, float]:
        loop = asyncio.get_running_loop()
        absent = control.Control(tmp_path / "absent")
        nobody = await absent.broadcast(Directive())
        await absent.close()
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((control.handlers(hang, IngestStatus),))
        server.add_insecure_port(f"unix:{control.socket_path(tmp_path)}")
        await server.start()
        end, begin_s = control.Control(tmp_path), loop.time()
        try:
            return nobody, await end.broadcast(Directive()), loop.time() - begin_s
        finally:
            await end.close()
            await server.stop(None)

    nobody, hung, took_s = asyncio.run(talk())
    assert (nobody, hung) == (None, None)
    assert 0.9 < took_s < 5


def test_the_status_reaches_the_other_end(tmp_path: Path) -> None:
    """Agents, waiting bytes and refusals arrive as the ingest process says them; from an absent one comes None."""
    status = IngestStatus(3, 4096, {"fenced": 2})

    async def nobody(directive: Directive) -> int:
        return 0

    async def talk() -> list[IngestStatus | None]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((control.handlers(nobody, lambda: status),))
        server.add_insecure_port(f"unix:{control.socket_path(tmp_path)}")
        await server.start()
        end, absent = control.Control(tmp_path), control.Control(tmp_path / "absent")
        try:
            return [await end.status(), await absent.status()]
        finally:
            await end.close()
            await absent.close()
            await server.stop(None)

    assert asyncio.run(talk()) == [status, None]


@pytest.mark.parametrize("letter", ["d", "ü"])
def test_a_folder_too_deep_for_a_socket_is_refused(letter: str) -> None:
    """A path that the kernel would cut is an error that names the key; its length counts in bytes, as the kernel counts."""
    width = len(letter.encode())
    control.socket_path(Path("/" + letter * ((100 - 14) // width)))
    with pytest.raises(ConfigError, match=r"collector\.data_dir"):
        control.socket_path(Path("/" + letter * (100 // width)))


def test_a_mark_reaches_the_agents_that_count(collector: Collector, http: httpx.Client) -> None:
    """A run that names its agents has those alone read at its marks: a fleet of others is left in peace. One that names none asks all."""
    with grpc.insecure_channel(collector.grpc) as channel:
        calls = {name: Agent(name).speak(channel)[0] for name in ("host-a", "host-b")}
        heard: dict[str, list[Directive]] = {name: [] for name in calls}

        def listen(name: str) -> None:
            with suppress(grpc.RpcError):
                for raw in calls[name]:
                    if isinstance(one := convert.parse_response(raw), Directive) and one.read_now:
                        heard[name].append(one)

        threads = [threading.Thread(target=listen, args=(name,)) for name in calls]
        for call, thread in zip(calls.values(), threads, strict=True):
            next(call)
            thread.start()
        moment = {"utc_ns": time.time_ns(), "boot_id": "b"}
        assert http.post("/v1/runs", json={"benchmark": "b", "agents": ["host-a"], "moment": moment}).status_code == 201
        eventually(lambda: len(heard["host-a"]) == 1, "the agent that counts is told")
        assert http.post("/v1/runs", json={"benchmark": "b", "moment": moment}).status_code == 201
        eventually(lambda: [len(told) for told in heard.values()] == [2, 1], "all are told")
        for call in calls.values():
            call.cancel()
        for thread in threads:
            thread.join()
