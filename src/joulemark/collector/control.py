"""The local control socket: how the REST process reaches the agents through the ingest process."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
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


def socket_path(folder: Path) -> Path:
    """Where the socket lies. Raises ConfigError when the system's limit on socket paths (107 bytes) is near."""
    path = folder.resolve() / "control.sock"
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise ConfigError(f"collector.data_dir {folder} is too long for a socket path", f"use one of at most {PATH_LIMIT - 13} bytes")
    return path


def handlers(broadcast: Callable[[Directive], Awaitable[int]], status: Callable[[], IngestStatus]) -> grpc.GenericRpcHandler:
    """ControlService, answered by `broadcast` and `status`."""

    async def tell(raw: bytes, context: Any) -> bytes:
        del context
        return convert.broadcast_response_bytes(await broadcast(convert.parse_broadcast_request(raw)))

    async def say(raw: bytes, context: Any) -> bytes:
        del raw, context
        return convert.status_response_bytes(status())

    calls: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Broadcast": grpc.unary_unary_rpc_method_handler(tell),
        "Status": grpc.unary_unary_rpc_method_handler(say),
    }
    return grpc.method_handlers_generic_handler(SERVICE, calls)


class Control:
    """The REST process's end of the socket; used from its event loop."""

    def __init__(self, folder: Path) -> None:
        self._target = f"unix:{socket_path(folder)}"
        self._channel: grpc.aio.Channel | None = None
        self._answers = True

    async def broadcast(self, directive: Directive) -> int | None:
        """Tell every connected agent; how many there were, None when the ingest process does not answer within a second."""
        raw = await self._ask("Broadcast", convert.broadcast_request_bytes(directive))
        return None if raw is None else convert.parse_broadcast_response(raw)

    async def status(self) -> IngestStatus | None:
        """What the ingest process says of itself, None when it does not answer within a second."""
        raw = await self._ask("Status", convert.status_request_bytes())
        return None if raw is None else convert.parse_status_response(raw)

    async def _ask(self, method: str, request: bytes) -> bytes | None:
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target)
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(f"/{SERVICE}/{method}")
        try:
            answer = await call(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if self._answers:  # once: a live page asks every second
                log.warning("the ingest process does not answer: %s", error.details())
            self._answers = False
            return None
        self._answers = True
        return answer

    async def close(self) -> None:
        """Leave the socket."""
        if self._channel is not None:
            await self._channel.close()
