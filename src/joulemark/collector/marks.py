"""RunService on the gRPC port: each call goes on to the REST process, which alone writes the catalogue.

So does the caller's token, the metadata `authorization`: marks ask for the same one by either way. A certificate says which
machine sends readings; it does not say who may write runs.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import grpc

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


def handlers(rest_url: str, trust: Trust = lambda: None) -> grpc.GenericRpcHandler:
    """The three calls of RunService, forwarded to `rest_url`; `trust` knows its certificate where it is HTTPS."""

    async def start(raw: bytes, context: Any) -> bytes:
        body = await parsed(context, marks.start_body, raw)
        return marks.start_answer(await forward(context, trust, f"{rest_url}/v1/runs", body))

    async def phase(raw: bytes, context: Any) -> bytes:
        run_id, body = await parsed(context, marks.phase_body, raw)
        return marks.phase_answer(await forward(context, trust, f"{rest_url}/v1/runs/{quote(run_id, safe='')}/phases", body))

    async def stop(raw: bytes, context: Any) -> bytes:
        run_id, body = await parsed(context, marks.stop_body, raw)
        return marks.stop_answer(await forward(context, trust, f"{rest_url}/v1/runs/{quote(run_id, safe='')}/stop", body))

    calls = {"StartRun": start, "MarkPhase": phase, "StopRun": stop}
    return grpc.method_handlers_generic_handler(SERVICE, {name: grpc.unary_unary_rpc_method_handler(call) for name, call in calls.items()})


async def parsed(context: Any, parse: Any, raw: bytes) -> Any:
    """What `parse` makes of `raw`; ends the call with INVALID_ARGUMENT for bytes that are no such message."""
    try:
        return parse(raw)
    except FormatError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


async def forward(context: Any, trust: Trust, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The REST answer to `body`; ends the call with the matching status when it is an error or none comes."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, headers=shown(context)) as session,
            session.post(url, json=body, ssl=trust() or True) as response,
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


def shown(context: Any) -> dict[str, str]:
    """The header with the token that the caller showed, none when it showed none or bytes that no header holds."""
    values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    return {"Authorization": values[0]} if values and isinstance(values[0], str) and values[0].isprintable() else {}
