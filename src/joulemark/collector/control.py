"""The local control sockets: how the REST process reaches the agents through the ingest processes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from joulemark.errors import ConfigError
from joulemark.proto import convert
from joulemark.proto.messages import Directive, IngestStatus

log = logging.getLogger("joulemark.collector.control")
SERVICE: Final = "joulemark.proto.v1.ControlService"
PATH_LIMIT: Final = 100
TIMEOUT_S: Final = 1.0


def socket_path(folder: Path, number: int = 0) -> Path:
    """Where the socket of ingest process `number` lies. Raises ConfigError when the system's limit on socket paths (107 bytes) is near."""
    path = folder.resolve() / "control.sock"
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise ConfigError(f"collector.data_dir {folder} is too long for a socket path", f"use one of at most {PATH_LIMIT - 13} bytes")
    return path.with_name(f"control-{number}.sock") if number else path


def handlers(broadcast: Callable[[Directive, Sequence[str]], Awaitable[int]], status: Callable[[], IngestStatus]) -> grpc.GenericRpcHandler:
    """ControlService, answered by `broadcast` and `status`."""

    async def tell(raw: bytes, context: Any) -> bytes:
        del context
        return convert.broadcast_response_bytes(await broadcast(*convert.parse_broadcast_request(raw)))

    async def say(raw: bytes, context: Any) -> bytes:
        del raw, context
        return convert.status_response_bytes(status())

    calls: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Broadcast": grpc.unary_unary_rpc_method_handler(tell),
        "Status": grpc.unary_unary_rpc_method_handler(say),
    }
    return grpc.method_handlers_generic_handler(SERVICE, calls)


class Line:
    """The REST process's end of one socket; used from its event loop. `name`: of whom is at the other end, for the log."""

    def __init__(self, path: Path, name: str) -> None:
        self._target, self._name = f"unix:{path}", name
        self._channel: grpc.aio.Channel | None = None
        self._answers = True

    async def ask(self, method: str, request: bytes) -> bytes | None:
        """The answer, None without one within a second."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target)
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(f"/{SERVICE}/{method}")
        try:
            answer = await call(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if self._answers:  # once: a live page asks every second
                log.warning("%s does not answer: %s", self._name, error.details())
            self._answers = False
            return None
        self._answers = True
        return answer

    async def close(self) -> None:
        """Leave the socket."""
        if self._channel is not None:
            await self._channel.close()


class Control:
    """The REST process's way to all ingest processes. It knows of the agents only when every one of them answers."""

    def __init__(self, folder: Path, processes: int = 1) -> None:
        paths = [socket_path(folder, number) for number in range(processes)]
        names = [f"ingest process {number}" if number else "the ingest process" for number in range(processes)]
        self._lines = [Line(*one) for one in zip(paths, names, strict=True)]

    async def broadcast(self, directive: Directive, agents: Sequence[str] = ()) -> int | None:
        """Tell every connected agent, or those of `agents`; how many there were, None when an ingest process is silent for a second."""
        answers = await self._ask("Broadcast", convert.broadcast_request_bytes(directive, agents))
        return None if answers is None else sum(map(convert.parse_broadcast_response, answers))

    async def status(self) -> IngestStatus | None:
        """What the ingest processes say of themselves, added up; None when one does not answer within a second."""
        answers = await self._ask("Status", convert.status_request_bytes())
        return None if answers is None else added([convert.parse_status_response(raw) for raw in answers])

    async def _ask(self, method: str, request: bytes) -> list[bytes] | None:
        """What all answer, None when one does not; each is asked, whatever the others do."""
        answers = await asyncio.gather(*(line.ask(method, request) for line in self._lines))
        return None if None in answers else [one for one in answers if one is not None]

    async def close(self) -> None:
        """Leave the sockets."""
        await asyncio.gather(*(line.close() for line in self._lines))


def added(found: Sequence[IngestStatus]) -> IngestStatus:
    """Of several processes together."""
    refused: Counter[str] = Counter()
    for one in found:
        refused.update(one.refused)
    return IngestStatus(sum(one.agent_count for one in found), sum(one.pending_bytes for one in found), dict(refused))
