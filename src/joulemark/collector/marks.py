"""RunService on the gRPC port: each call goes on to the REST process, which alone writes the catalogue.

So does the caller's token, the metadata `authorization`: marks ask for the same one by either way. A certificate says which
machine sends readings; it does not say who may write runs. Where no token was ever made, runs are this machine's own affair by
either way too.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import grpc

from joulemark.addresses import is_loopback
from joulemark.collector.identity import AlwaysValid, Peer, Validity
from joulemark.errors import FormatError
from joulemark.proto import marks

SERVICE: Final = "joulemark.proto.v1.RunService"
STATUS: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    507: grpc.StatusCode.UNAVAILABLE,
}
Trust = Callable[[], ssl.SSLContext | None]
TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, slots=True)
class Rest:
    """The REST process as calls reach it: at `url`, known by `trust` where that is HTTPS; for whom `validity` does not refuse."""

    url: str
    trust: Trust
    validity: Validity

    async def post(self, context: Any, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to `body`; ends the call with the matching status when it is an error or none comes."""
        peer = Peer.on(context)
        if peer.pem and (why := self.validity.refuses(peer.pem)) is not None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"the certificate of this client is refused, {why}")
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT, headers={**shown(context), **origin(peer)}) as session,
                session.post(f"{self.url}/v1/runs{path}", json=body, ssl=self.trust() or True) as response,
            ):
                answer: dict[str, Any] = await response.json(content_type=None)
                if response.ok:
                    return answer
                told = [str(answer[key]) for key in ("detail", "next_step") if answer.get(key)]
                code, details = STATUS.get(response.status, grpc.StatusCode.INTERNAL), ". ".join(told)
        except (aiohttp.ClientError, TimeoutError) as error:
            code, details = grpc.StatusCode.UNAVAILABLE, f"the REST process does not answer: {error}"
        await context.abort(code, details)
        raise AssertionError("abort does not return")


def handlers(rest_url: str, trust: Trust = lambda: None, validity: Validity | None = None) -> grpc.GenericRpcHandler:
    """The three calls of RunService, forwarded to `rest_url`; `trust` knows its certificate where it is HTTPS."""
    rest = Rest(rest_url, trust, validity or AlwaysValid())

    async def start(raw: bytes, context: Any) -> bytes:
        body = await parsed(context, marks.start_body, raw)
        return marks.start_answer(await rest.post(context, "", body))

    async def phase(raw: bytes, context: Any) -> bytes:
        run_id, body = await parsed(context, marks.phase_body, raw)
        return marks.phase_answer(await rest.post(context, f"/{quote(run_id, safe='')}/phases", body))

    async def stop(raw: bytes, context: Any) -> bytes:
        run_id, body = await parsed(context, marks.stop_body, raw)
        return marks.stop_answer(await rest.post(context, f"/{quote(run_id, safe='')}/stop", body))

    calls = {"StartRun": start, "MarkPhase": phase, "StopRun": stop}
    return grpc.method_handlers_generic_handler(SERVICE, {name: grpc.unary_unary_rpc_method_handler(call) for name, call in calls.items()})


async def parsed(context: Any, parse: Any, raw: bytes) -> Any:
    """What `parse` makes of `raw`; ends the call with INVALID_ARGUMENT for bytes that are no such message."""
    try:
        return parse(raw)
    except FormatError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def shown(context: Any) -> dict[str, str]:
    """The header with the token that the caller showed, none when it showed none or bytes that no header holds."""
    values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    return {"Authorization": values[0]} if values and isinstance(values[0], str) and values[0].isprintable() else {}


def origin(peer: Peer) -> dict[str, str]:
    """The header that says whose call this was (RFC 7239), none for one of this machine: what is open to it alone stays shut to others."""
    if is_loopback(peer.host):
        return {}
    return {"Forwarded": f'for="[{peer.host}]"' if ":" in peer.host else f"for={peer.host}"}
