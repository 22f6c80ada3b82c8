"""The interfaces of a simulated analyser on loopback: a raw TCP socket and VXI-11, with everything that may happen to them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tests.standins.scpi_standin import Analyser

PORTMAPPER_PORT = 111
VXI11_CORE = 0x0607AF
GETPORT = 3
CREATE_LINK, DEVICE_WRITE, DEVICE_READ, DEVICE_CLEAR, DESTROY_LINK = 10, 11, 12, 15, 23
END = 4
IO_TIMEOUT = 15


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Bench:
    """An analyser and its interfaces, in a thread of its own. `start` and `stop` may alternate; the ports stay.

    `hang`: messages are taken and never answered, until `resume`. `mischief`: bytes that are sent in place of the next answers.
    `late_s`: how long the next answer is held back. `unread`: answers that wait in the instrument until VXI-11 reads them.
    `portmapper`: whether port 111 says where VXI-11 is.
    """

    def __init__(self, analyser: Analyser | None = None, *, portmapper: bool = False) -> None:
        self.analyser = analyser or Analyser()
        self.port, self.vxi11_port = free_port(), free_port()
        self.mischief: deque[bytes] = deque()
        self.late_s = 0.0
        self._portmapper = portmapper
        self._hung = False
        self.unread: deque[bytes] = deque()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._servers: list[asyncio.Server] = []

    @property
    def socket_resource(self) -> str:
        return f"TCPIP::127.0.0.1::{self.port}::SOCKET"

    @property
    def vxi11_resource(self) -> str:
        return f"TCPIP::127.0.0.1,{self.vxi11_port}::INSTR"

    def start(self) -> None:
        """Listen. Returns when both ports do."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30.0)

    def stop(self) -> None:
        """Take it off the network: connections are cut. Safe when it is off."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(30.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    def hang(self) -> None:
        self._hung = True

    def resume(self) -> None:
        self._hung = False

    async def _listen(self) -> None:
        self._servers = [
            await asyncio.start_server(self._cut_off(self._lines), "127.0.0.1", self.port),
            await asyncio.start_server(self._cut_off(self._core), "127.0.0.1", self.vxi11_port),
        ]
        if self._portmapper:
            self._servers.append(await asyncio.start_server(self._cut_off(self._ports), "127.0.0.1", PORTMAPPER_PORT))

    async def _leave(self) -> None:
        for server in self._servers:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def _cut_off(self, serve: Serve) -> Serve:
        """`serve` for one connection, which may end at any moment."""

        async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await serve(reader, writer)
            self._writers.discard(writer)
            writer.close()

        return connection

    async def _said(self, message: str) -> bytes:
        """What is sent back for one message."""
        answer = self.analyser.answer(message)
        if self._hung or answer is None:
            return b""
        if self.late_s:
            late_s, self.late_s = self.late_s, 0.0
            await asyncio.sleep(late_s)
        return self.mischief.popleft() if self.mischief else answer.encode("ascii") + b"\n"

    async def _lines(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(await self._said(line.decode("ascii").strip()))
            await writer.drain()

    async def _core(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            procedure, arguments, reply = await called(reader)
            if procedure == CREATE_LINK:
                reply(writer, struct.pack(">iIII", 0, 1, 0, 65_536))
            elif procedure == DEVICE_WRITE:
                (size,) = struct.unpack(">I", arguments[16:20])
                if said := await self._said(arguments[20 : 20 + size].decode("ascii").strip()):
                    self.unread.append(said)
                reply(writer, struct.pack(">iI", 0, size))
            elif procedure == DEVICE_READ:
                (timeout_ms,) = struct.unpack(">I", arguments[8:12])
                if not self.unread:
                    await asyncio.sleep(timeout_ms / 1000)
                said = self.unread.popleft() if self.unread else b""
                error, reason = (0, END) if said else (IO_TIMEOUT, 0)
                reply(writer, struct.pack(">iiI", error, reason, len(said)) + said + b"\0" * (-len(said) % 4))
            elif procedure == DEVICE_CLEAR:
                self.unread.clear()
                reply(writer, struct.pack(">i", 0))
            else:
                reply(writer, struct.pack(">i", 0))
            await writer.drain()

    async def _ports(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            procedure, arguments, reply = await called(reader)
            asked = procedure == GETPORT and struct.unpack(">I", arguments[:4])[0] == VXI11_CORE
            reply(writer, struct.pack(">I", self.vxi11_port if asked else 0))
            await writer.drain()


Reply = Callable[[asyncio.StreamWriter, bytes], None]


async def called(reader: asyncio.StreamReader) -> tuple[int, bytes, Reply]:
    """The next remote procedure call (RFC 5531 over TCP): its number, its arguments, and how to answer it."""
    (mark,) = struct.unpack(">I", await reader.readexactly(4))
    call = await reader.readexactly(mark & 0x7FFF_FFFF)
    xid, _, _, _, _, procedure = struct.unpack(">6I", call[:24])
    offset = 24
    for _ in range(2):  # credentials, verifier
        (size,) = struct.unpack(">I", call[offset + 4 : offset + 8])
        offset += 8 + size + (-size % 4)

    def reply(writer: asyncio.StreamWriter, body: bytes) -> None:
        answer = struct.pack(">6I", xid, 1, 0, 0, 0, 0) + body
        writer.write(struct.pack(">I", 0x8000_0000 | len(answer)) + answer)

    return procedure, call[offset:], reply


@contextmanager
def bench(analyser: Analyser | None = None, *, portmapper: bool = False) -> Iterator[Bench]:
    """A bench that is on while the context lasts."""
    one = Bench(analyser, portmapper=portmapper)
    one.start()
    try:
        yield one
    finally:
        one.stop()
