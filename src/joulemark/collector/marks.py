"""RunService on the gRPC port: each call goes on to the REST process, which alone writes the catalogue."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import aiohttp
import grpc

from joulemark.errors import FormatError
from joulemark.proto import marks

SERVICE: Final = "joulemark.proto.v1.RunService"
STATUS: Final = {404: grpc.StatusCode.NOT_FOUND, 409: grpc.StatusCode.FAILED_PRECONDITION, 422: grpc.StatusCode.INVALID_ARGUMENT}
TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


def handlers(rest_url: str) -> grpc.GenericRpcHandler:
    """The three calls of RunService, forwarded to `rest_url`."""

    async def start(raw: bytes, context: Any) -> bytes:
        body = await parsed(context, marks.start_body, raw)
        return marks.start_answer(await forward(context, f"{rest_url}/v1/runs", body))

    async def phase(raw: bytes, context: Any) -> bytes:
        run_id, body = await parsed(context, marks.phase_body, raw)
        return marks.phase_answer(await forward(context, f"{rest_url}/v1/runs/{quote(run_id, safe='')}/phases", body))

    async def stop(raw: bytes, context: Any) -> bytes:
        run_id, body = await parsed(context, marks.stop_body, raw)
        return marks.stop_answer(await forward(context, f"{rest_url}/v1/runs/{quote(run_id, safe='')}/stop", body))

    calls = {"StartRun": start, "MarkPhase": phase, "StopRun": stop}
    return grpc.method_handlers_generic_handler(SERVICE, {name: grpc.unary_unary_rpc_method_handler(call) for name, call in calls.items()})


async def parsed(context: Any, parse: Any, raw: bytes) -> Any:
    """What `parse` makes of `raw`; ends the call with INVALID_ARGUMENT for bytes that are no such message."""
    try:
        return parse(raw)
    except FormatError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


async def forward(context: Any, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The REST answer to `body`; ends the call with the matching status when it is an error or none comes."""
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.post(url, json=body) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            if response.ok:
                return answer
            code, details = STATUS.get(response.status, grpc.StatusCode.INTERNAL), str(answer.get("detail", response.reason))
    except (aiohttp.ClientError, TimeoutError) as error:
        code, details = grpc.StatusCode.UNAVAILABLE, f"the REST process does not answer: {error}"
    await context.abort(code, details)
    raise AssertionError("abort does not return")
