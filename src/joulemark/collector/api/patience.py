"""Connections that do not go on are closed: uvicorn itself waits for ever for the rest of a request, and for a reader of its answer."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from joulemark.collector.api.limits import Limits
from joulemark.collector.api.problems import MEDIA_TYPE, problem
from joulemark.collector.api.refusals import Reason, Refused

ANSWER_STEP_BYTES: Final = 65_536
"""What a reader takes at least in `answer_stall_s`."""
ANSWERS: Final = {
    Reason.BUSY: (503, "too many connections are open", "close those that are not used, and ask again in a second"),
    Reason.TOO_SLOW: (408, "the head of the request did not arrive in time", "send it at once"),
    Reason.TOO_LARGE: (431, "the head of the request is too long", "send shorter names and fewer headers"),
    Reason.MALFORMED: (400, "this is no HTTP/1.1 request", "see /openapi.json for what is served, and use https:// where it is https"),
}


class Patience(H11Protocol):
    """One connection. It has `head_s` from its begin, or from its last answer, until the head of a request is whole."""

    refused: Refused
    limits: Limits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._turn_away(Reason.BUSY)
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        self._await_head()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        too_long = self.conn.trailing_data[0] and len(self.conn.trailing_data[0]) > self.limits.head_bytes
        self._turn_away(Reason.TOO_LARGE if too_long else Reason.MALFORMED)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_timer = self.loop.call_later(self.limits.answer_stall_s, self._stalled, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_timer is not None:
            self._answer_timer.cancel()

    def _await_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(self.limits.head_s, self._late)

    def _late(self) -> None:
        """No whole head in time. One that sent nothing at all is closed without a word."""
        self._head_timer = None
        if self.transport.is_closing():
            self.transport.abort()  # it was told to go, and does not even take that
        elif self.conn.trailing_data[0] and self.conn.our_state is h11.IDLE:
            self._turn_away(Reason.TOO_SLOW)
        else:
            self.refused.count(Reason.TOO_SLOW)
            self.transport.abort()

    def _stalled(self, waiting: int) -> None:
        """Go on while the reader takes enough."""
        now_waiting = self.transport.get_write_buffer_size()
        if waiting - now_waiting >= ANSWER_STEP_BYTES:
            self._answer_timer = self.loop.call_later(self.limits.answer_stall_s, self._stalled, now_waiting)
        else:
            self.refused.count(Reason.TOO_SLOW)
            self.transport.abort()

    def _turn_away(self, reason: Reason) -> None:
        """Answer with a problem, and close."""
        self.refused.count(reason)
        status, detail, next_step = ANSWERS[reason]
        body = bytes(problem(status, detail, next_step, kind=reason).body)
        headers = [("content-type", MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._await_head()
        self.transport.close()

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._answer_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = None


def patient(refused: Refused, limits: Limits) -> type[Patience]:
    """The protocol class for uvicorn, which makes one of it for each connection."""
    return type("Connection", (Patience,), {"refused": refused, "limits": limits})
