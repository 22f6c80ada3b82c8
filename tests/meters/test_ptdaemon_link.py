from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from joulemark.errors import MeterTransient, MeterUnavailable
from joulemark.meters.ptdaemon_link import LINE_BYTES, Link


async def asked(answer: bytes, *, close: bool = False) -> str:
    """What a link makes of `answer` to one command, within half a second."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"RR\r\n"
        writer.write(answer)
        if close:
            writer.close()
        else:
            await reader.read()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = await Link.dial("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        async with asyncio.timeout(0.5):
            return await link.ask("RR", "Ranges")
    finally:
        link.close()
        server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1.0)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_line_is_an_answer(end: bytes) -> None:
    """A command goes out with CR LF, and a line with LF, or CR LF, is its answer."""
    assert asyncio.run(asked(b"Ranges,0,20.0,0,300.0" + end)) == "Ranges,0,20.0,0,300.0"


def test_half_a_line_is_no_answer() -> None:
    """A line that the daemon did not end is never taken for a whole one: 20 may be the beginning of 200."""
    with pytest.raises(MeterTransient, match="closed the connection"):
        asyncio.run(asked(b"Ranges,0,20", close=True))


def test_a_line_without_end_is_refused() -> None:
    """A peer that never ends its line cannot fill the memory."""
    with pytest.raises(MeterTransient, match="failed"):
        asyncio.run(asked(b"x" * (4 * LINE_BYTES)))


def test_silence_is_left_to_the_deadline() -> None:
    """No answer is waited for until the caller's deadline."""
    with pytest.raises(TimeoutError):
        asyncio.run(asked(b""))


def test_the_answer_of_another_command_is_an_error() -> None:
    """An answer that does not begin as expected names the command and what came."""
    with pytest.raises(MeterTransient, match=r"'Hello, PTDaemon here!' to RR"):
        asyncio.run(asked(b"Hello, PTDaemon here!\r\n"))


def test_nobody_listens(free_port: Callable[[], int]) -> None:
    """A refused connection, or a name that nobody knows, says what to check."""
    for host in ("127.0.0.1", "no-such-host.invalid"):
        with pytest.raises(MeterUnavailable, match="cannot be reached") as raised:
            asyncio.run(Link.dial(host, free_port()))
        assert "PTDaemon runs" in raised.value.next_step
