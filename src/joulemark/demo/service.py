"""A stub of an OpenAI-compatible inference service: real HTTP, real streaming, no model.

It answers `/v1/chat/completions` and `/v1/completions` (streamed or whole, with usage), `/v1/models` and `/health`. A prompt token
is four characters. It serves loopback only.

Run alone: `python -m joulemark.demo.service --port 8000`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import uuid
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from joulemark.timebase import SystemClock
from joulemark.units import NS_PER_S

MODEL: Final = "stub-model"
CHARACTERS_PER_TOKEN: Final = 4
TOKEN_TEXT: Final = " energy"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the stub takes, counted from the request: `first_token_s`, then one token each `per_token_s`, without drift."""

    first_token_s: float = 0.02
    per_token_s: float = 0.004

    def token_s(self, count: int) -> float:
        """When `count` tokens are out."""
        return self.first_token_s + self.per_token_s * (count - 1)


async def sleep_until(deadline_s: float) -> None:
    """Sleep to a moment of the loop's clock; a late one costs nothing more."""
    await asyncio.sleep(max(0.0, deadline_s - asyncio.get_running_loop().time()))


def prompt_tokens(body: dict[str, Any]) -> int:
    """Tokens of the prompt by the stub's own rule, at least one."""
    text = str(body.get("prompt", "")) + "".join(str(message.get("content", "")) for message in body.get("messages", []))
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def wanted_tokens(body: dict[str, Any]) -> int:
    """How many tokens to answer."""
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 16)


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion in the making: chat or plain, and its token counts."""

    chat: bool
    model: str
    created_s: int
    answer_id: str
    usage: dict[str, int]

    @property
    def kind(self) -> str:
        return "chat.completion" if self.chat else "text_completion"

    def envelope(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The object every answer and every chunk shares."""
        return {"id": self.answer_id, "object": self.kind, "created": self.created_s, "model": self.model, "choices": choices, **more}

    def choice(self, text: str, finish: str | None, *, delta: bool) -> dict[str, Any]:
        """One choice holding `text`."""
        if not self.chat:
            return {"index": 0, "text": text, "finish_reason": finish}
        return {"index": 0, "delta" if delta else "message": {"role": "assistant", "content": text}, "finish_reason": finish}

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        """A server-sent event."""
        event = self.envelope(choices, **more)
        event["object"] = "chat.completion.chunk" if self.chat else self.kind
        return b"data: " + json.dumps(event).encode() + b"\n\n"


class StubService:
    """The routes; `pace` sets how long an answer takes."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.clock = SystemClock()

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/chat/completions", self.chat),
                web.post("/v1/completions", self.complete),
                web.get("/v1/models", self.models),
                web.get("/health", self.health),
            ]
        )
        return app

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(request, chat=True)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(request, chat=False)

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "joulemark"}]})

    async def health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def answer(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        body = await request.json()
        n, n_in = wanted_tokens(body), prompt_tokens(body)
        usage = {"prompt_tokens": n_in, "completion_tokens": n, "total_tokens": n_in + n}
        made = Answer(chat, str(body.get("model", MODEL)), self.clock.utc_ns() // NS_PER_S, f"cmpl-{uuid.uuid4().hex}", usage)
        begin_s = asyncio.get_running_loop().time()
        if body.get("stream"):
            wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return await self.stream(request, made, begin_s=begin_s, wants_usage=wants_usage)
        await sleep_until(begin_s + self.pace.token_s(n))
        return web.json_response(made.envelope([made.choice(TOKEN_TEXT * n, "length", delta=False)], usage=usage))

    async def stream(self, request: web.Request, made: Answer, *, begin_s: float, wants_usage: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        n = made.usage["completion_tokens"]
        for i in range(n):
            await sleep_until(begin_s + self.pace.token_s(i + 1))
            await response.write(made.chunk([made.choice(TOKEN_TEXT, "length" if i == n - 1 else None, delta=True)]))
        if wants_usage:
            await response.write(made.chunk([], usage=made.usage))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(prog="joulemark.demo.service", description="Stub inference service on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--first-token-s", type=float, default=Pace().first_token_s)
    parser.add_argument("--per-token-s", type=float, default=Pace().per_token_s)
    args = parser.parse_args()
    service = StubService(Pace(args.first_token_s, args.per_token_s))
    web.run_app(service.application(), host="127.0.0.1", port=args.port, print=None)


if __name__ == "__main__":
    main()
