"""Marks over gRPC, as a client of the collector's port hears them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

from joulemark import timebase
from joulemark.collector import marks
from joulemark.collector.door import Door
from joulemark.collector.identity import Peer
from joulemark.config import LimitsConfig
from joulemark.proto.v1 import runs_pb2 as pb
from tests.collector.conftest import Collector

S = 1_000_000_000
SERVICE = "/joulemark.proto.v1.RunService"


class Calls:
    """The three calls of RunService at `address`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.start = channel.unary_unary(f"{SERVICE}/StartRun", pb.StartRunRequest.SerializeToString, pb.StartRunResponse.FromString)
        self.phase = channel.unary_unary(f"{SERVICE}/MarkPhase", pb.MarkPhaseRequest.SerializeToString, pb.MarkPhaseResponse.FromString)
        self.stop = channel.unary_unary(f"{SERVICE}/StopRun", pb.StopRunRequest.SerializeToString, pb.StopRunResponse.FromString)


def refusal(call: Callable[[Any], Any], request: Any) -> tuple[grpc.StatusCode, str]:
    """How the collector refuses `request`."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    assert isinstance(caught.value, grpc.Call)
    return caught.value.code(), caught.value.details() or ""


def test_marks_may_come_over_grpc(collector: Collector) -> None:
    """StartRun, MarkPhase and StopRun on the agents' port make the same run as over REST; what REST refuses has its status."""
    at = [pb.Moment(utc_ns=i * S, boot_id=timebase.boot_id()) for i in range(1, 5)]
    with grpc.insecure_channel(collector.grpc) as channel:
        calls = Calls(channel)
        run_id = calls.start(pb.StartRunRequest(moment=at[0], benchmark="g", labels={"k": "v"})).run_id
        calls.phase(pb.MarkPhaseRequest(run_id=run_id, name="p", kind=pb.PHASE_KIND_WARMUP, edge=pb.EDGE_BEGIN, moment=at[1]))
        end = pb.MarkPhaseRequest(run_id=run_id, name="p", edge=pb.EDGE_END, moment=at[2], tokens=pb.TokenCount(output=0), request_count=4)
        calls.phase(end)
        assert calls.stop(pb.StopRunRequest(run_id=run_id, moment=at[3])).received_ns > 0
        assert refusal(calls.stop, pb.StopRunRequest(run_id="../x", moment=at[3]))[0] is grpc.StatusCode.NOT_FOUND
        code, details = refusal(calls.phase, pb.MarkPhaseRequest(run_id=run_id, name="p", moment=at[2]))
        assert (code, "edge" in details) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    run = httpx.get(f"{collector.rest}/v1/runs/{run_id}").json()
    (window,) = run["phases"]
    assert (window["name"], window["kind"], window["tokens"]["output"], window["tokens"]["input"]) == ("p", "warmup", 0, None)
    assert (window["requests"], run["labels"]) == (4, {"k": "v"})


@pytest.mark.parametrize(
    ("address", "header"),
    [
        ("ipv4:127.0.0.1:50312", {}),
        ("ipv6:%5B::1%5D:50312", {}),
        ("ipv4:192.0.2.7:50312", {"Forwarded": "for=192.0.2.7"}),
        ("ipv6:%5B2001:db8::7%5D:50312", {"Forwarded": 'for="[2001:db8::7]"'}),
    ],
)
def test_a_mark_from_another_machine_says_so(address: str, header: dict[str, str]) -> None:
    """The REST process learns of a caller beyond loopback, so that what is open to this machine alone stays shut."""
    assert marks.origin(Peer(address)) == header


def test_a_call_that_says_nothing_is_not_waited_for() -> None:
    """A call of RunService whose message does not come ends after the time that a Hello has, and is counted."""
    door = Door(LimitsConfig(hello_timeout_s=0.2))

    async def ask() -> grpc.StatusCode:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((marks.handlers("http://127.0.0.1:9", door=door),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                call: Any = channel.stream_unary(f"{SERVICE}/StopRun")(timeout=10)
                code: grpc.StatusCode = await call.code()
                return code
        finally:
            await server.stop(None)

    assert asyncio.run(ask()) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert door.refused == {"hello_timeout_s": 1}


def test_a_mark_without_the_rest_process_is_unavailable(free_port: Callable[[], int]) -> None:
    """While nothing answers at the REST address a mark fails as UNAVAILABLE; bytes that are no message as INVALID_ARGUMENT."""

    async def ask(raw: bytes) -> grpc.StatusCode:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((marks.handlers(f"http://127.0.0.1:{free_port()}"),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await channel.unary_unary(f"{SERVICE}/StopRun")(raw)
        except grpc.aio.AioRpcError as error:
            return error.code()
        finally:
            await server.stop(None)
        raise AssertionError("the call was answered")

    assert asyncio.run(ask(pb.StopRunRequest(run_id="r").SerializeToString())) is grpc.StatusCode.UNAVAILABLE
    assert asyncio.run(ask(b"\x0a\xff")) is grpc.StatusCode.INVALID_ARGUMENT
