"""RunService on the gRPC port: each call goes on to the REST process, which alone writes the catalogue.

So does the caller's token, the metadata `authorization`: marks ask for the same one by either way. A certificate says which
machine sends readings; it does not say who may write runs. Where no token was ever made, runs are this machine's own affair by
either way too.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import grpc
import grpc.aio

from joulemark.addresses import is_loopback
from joulemark.collector.door import Door
from joulemark.collector.identity import Peer
from joulemark.collector.refusal import Refused
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
    """The REST process as calls reach it: at `url`, known by `trust` where that is HTTPS; for whom `door` lets in."""

    url: str
    trust: Trust
    door: Door

    async def heard(self, context: Any, parse: Callable[[bytes], Any]) -> Any:
        """What `parse` makes of the one message of a call; ends the call when none comes, nor such a message, or from whom is refused."""
        peer = Peer.on(context)
        if peer.pem and (why := self.door.validity.refuses(peer.pem)) is not None:
            self.door.refused["certificate"] += 1
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"the certificate of this client is refused, {why}")
        try:
            with self.door.knocking(peer):
                raw = await asyncio.wait_for(context.read(), self.door.limits.hello_timeout_s)
            return parse(b"" if raw is grpc.aio.EOF else raw)
        except Refused as refused:
            self.door.refused[refused.reason] += 1
            await context.abort(refused.code, refused.details)
        except TimeoutError:
            self.door.refused["hello_timeout_s"] += 1
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no message within {self.door.limits.hello_timeout_s} s")
        except FormatError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def post(self, context: Any, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to `body`; ends the call with the matching status when it is an error or none comes."""
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT, headers={**shown(context), **origin(Peer.on(context))}) as session,
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


def handlers(rest_url: str, trust: Trust = lambda: None, door: Door | None = None) -> grpc.GenericRpcHandler:
    """The three calls of RunService, forwarded to `rest_url`; `trust` knows its certificate where it is HTTPS.

    To gRPC they are streams of one message, so that it is not held before `door` has let it in.
    """
    rest = Rest(rest_url, trust, door or Door())

    async def start(_: Any, context: Any) -> bytes:
        body = await rest.heard(context, marks.start_body)
        return marks.start_answer(await rest.post(context, "", body))

    async def phase(_: Any, context: Any) -> bytes:
        run_id, body = await rest.heard(context, marks.phase_body)
        return marks.phase_answer(await rest.post(context, f"/{quote(run_id, safe='')}/phases", body))

    async def stop(_: Any, context: Any) -> bytes:
        run_id, body = await rest.heard(context, marks.stop_body)
        return marks.stop_answer(await rest.post(context, f"/{quote(run_id, safe='')}/stop", body))

    calls = {"StartRun": start, "MarkPhase": phase, "StopRun": stop}
    return grpc.method_handlers_generic_handler(SERVICE, {name: grpc.stream_unary_rpc_method_handler(call) for name, call in calls.items()})


def shown(context: Any) -> dict[str, str]:
    """The header with the token that the caller showed, none when it showed none or bytes that no header holds."""
    values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    return {"Authorization": values[0]} if values and isinstance(values[0], str) and values[0].isprintable() else {}


def origin(peer: Peer) -> dict[str, str]:
    """The header that says whose call this was (RFC 7239), none for one of this machine: what is open to it alone stays shut to others."""
    if is_loopback(peer.host):
        return {}
    return {"Forwarded": f'for="[{peer.host}]"' if ":" in peer.host else f"for={peer.host}"}
