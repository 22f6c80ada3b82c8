"""One request, or a few, over a session that a test opens and closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from joulemark.errors import MeterTransient
from joulemark.meters.http import Answer, HttpSession

DEADLINE_S = 0.4


def with_session(base: str, work: Callable[[HttpSession], Awaitable[object]], **options: object) -> object:
    """What `work` makes of an open session, which is closed in the end."""

    async def run() -> object:
        session = HttpSession(base, DEADLINE_S, **options)  # type: ignore[arg-type]  # the fields of the session
        await session.open()
        try:
            return await work(session)
        finally:
            await session.close()

    return asyncio.run(run())


def asked(base: str, path: str = "/x", **options: object) -> Answer:
    got = with_session(base, lambda session: session.ask(path), **options)
    assert isinstance(got, Answer)
    return got


def refused(base: str, **options: object) -> MeterTransient:
    with pytest.raises(MeterTransient) as raised:
        asked(base, **options)
    return raised.value
