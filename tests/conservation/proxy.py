"""A TCP proxy with faults on demand, one for each agent: it knows bytes and directions, nothing of what they mean but the agent's name."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

PIECE_BYTES: Final = 65_536
LARGE_BYTES: Final = 2_048
"""A piece of more bytes than this carries readings: Hello and clock probes are smaller by far."""
LINGER_S: Final = 1.0


@dataclass(eq=False)
class Pair:
    """One connection of the agent and the one to the collector that continues it."""

    from_agent: asyncio.StreamReader
    to_agent: asyncio.StreamWriter
    from_collector: asyncio.StreamReader
    to_collector: asyncio.StreamWriter
    held: bytearray | None = None
    halves: set[str] = field(default_factory=set)
    opened: bool = False

    def reset(self) -> None:
        """Drop both sides without a goodbye."""
        self.to_agent.transport.abort()
        self.to_collector.transport.abort()


class Link:
    """Listens for one agent on `port` and carries its streams to `collector_port`; the faults act on the connection of the moment."""

    def __init__(self, agent: str, collector_port: int) -> None:
        self.agent, self.collector_port = agent, collector_port
        self.port = 0
        self.torn = self.torn_and_back = self.late_released = 0
        self._delay_s = 0.0
        self._tear = False
        self._dark = False
        self._was_torn = False
        self._release_after_s = 0.0
        self._pair: Pair | None = None
        self._late: Pair | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """End every connection. Safe at any time."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cut(self) -> None:
        if self._pair is not None:
            self._pair.reset()

    def tear(self) -> None:
        """Reset the link in the middle of the next large piece."""
        self._tear = True

    def half_close(self, *, upwards: bool) -> None:
        """End one direction of the connection; the other stays open for as long as the two ends want."""
        if (pair := self._pair) is None:
            return
        with suppress(OSError):
            (pair.to_collector if upwards else pair.to_agent).write_eof()
        pair.halves.add("up" if upwards else "down")

    async def delay(self, hold_s: float, each_s: float) -> None:
        self._delay_s = each_s
        await asyncio.sleep(hold_s)
        self._delay_s = 0.0

    async def dark(self, hold_s: float) -> None:
        """Reset what is there and refuse what comes, for `hold_s`."""
        self._dark = True
        await self.cut()
        await asyncio.sleep(hold_s)
        self._dark = False

    async def late(self, hold_s: float, release_after_s: float) -> None:
        """Hold what the agent sends for `hold_s`, reset its side, and keep the rest of the way open for the held pieces."""
        if (pair := self._pair) is None or self._late is not None:
            return
        pair.held = bytearray()
        await asyncio.sleep(hold_s)
        self._release_after_s, self._late = release_after_s, pair
        pair.to_agent.transport.abort()

    async def _accepted(self, from_agent: asyncio.StreamReader, to_agent: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._dark:
            to_agent.transport.abort()
            return
        self._tasks.add(task)
        try:
            await self._serve(from_agent, to_agent)
        except OSError:
            to_agent.transport.abort()
        except asyncio.CancelledError:
            to_agent.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _serve(self, from_agent: asyncio.StreamReader, to_agent: asyncio.StreamWriter) -> None:
        """Carry one connection until a side ends it; the collector's side of a late one stays open until it was released."""
        pair = Pair(from_agent, to_agent, *await asyncio.open_connection("127.0.0.1", self.collector_port))
        self._pair = pair
        up, down = asyncio.create_task(self._up(pair)), asyncio.create_task(self._down(pair))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if pair.held is not None:
                await asyncio.wait({down}, timeout=30.0)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            pair.reset()
            if self._pair is pair:
                self._pair = None
            if self._late is pair:
                self._late = None

    async def _up(self, pair: Pair) -> None:
        while piece := await pair.from_agent.read(PIECE_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if pair.held is not None:
                pair.held += piece
                continue
            if not pair.opened and self.agent.encode() in piece:
                await self._opened(pair)
            if self._tear and len(piece) > LARGE_BYTES:
                await self._tear_piece(pair, piece)
                return
            if "up" not in pair.halves:
                pair.to_collector.write(piece)
                await pair.to_collector.drain()

    async def _opened(self, pair: Pair) -> None:
        """Hello is in this piece: count a stream that follows a tear, and let late pieces pass just ahead of it."""
        pair.opened = True
        self.torn_and_back += self._was_torn
        self._was_torn = False
        late, self._late = self._late, None
        if late is None or late is pair or not late.held:
            return
        with suppress(OSError):
            late.to_collector.write(bytes(late.held))
            await late.to_collector.drain()
            self.late_released += 1
        asyncio.get_running_loop().call_later(LINGER_S, late.reset)
        await asyncio.sleep(self._release_after_s)

    async def _tear_piece(self, pair: Pair, piece: bytes) -> None:
        """Deliver half of `piece` for certain, then reset."""
        self._tear = False
        pair.to_collector.write(piece[: len(piece) // 2])
        await pair.to_collector.drain()
        await asyncio.sleep(0.02)
        self.torn += 1
        self._was_torn = True
        pair.reset()

    async def _down(self, pair: Pair) -> None:
        while piece := await pair.from_collector.read(PIECE_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if not pair.to_agent.is_closing() and "down" not in pair.halves:
                pair.to_agent.write(piece)
                with suppress(ConnectionError):
                    await pair.to_agent.drain()
