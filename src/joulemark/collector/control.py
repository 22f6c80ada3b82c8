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
from joulemark.proto.messages import Directive

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


def handlers(broadcast: Callable[[Directive], Awaitable[int]]) -> grpc.GenericRpcHandler:
    """ControlService, answered by `broadcast`."""

    async def answer(raw: bytes, context: Any) -> bytes:
        del context
        return convert.broadcast_response_bytes(await broadcast(convert.parse_broadcast_request(raw)))

    return grpc.method_handlers_generic_handler(SERVICE, {"Broadcast": grpc.unary_unary_rpc_method_handler(answer)})


class Control:
    """The REST process's end of the socket; used from its event loop."""

    def __init__(self, folder: Path) -> None:
        self._target = f"unix:{socket_path(folder)}"
        self._channel: grpc.aio.Channel | None = None

    async def broadcast(self, directive: Directive) -> int | None:
        """Tell every connected agent; how many there were, None when the ingest process does not answer within a second."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target)
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(f"/{SERVICE}/Broadcast")
        try:
            raw = await call(convert.broadcast_request_bytes(directive), timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            log.warning("the ingest process does not answer: %s", error.details())
            return None
        return convert.parse_broadcast_response(raw)

    async def close(self) -> None:
        """Leave the socket."""
        if self._channel is not None:
            await self._channel.close()
