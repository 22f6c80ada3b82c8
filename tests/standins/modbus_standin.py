"""Modbus/TCP meters on loopback: pymodbus' own server in a thread, its registers set and moved from here.

Models are written down here a second time, from the makers' tables, so that a wrong address in a map is found.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

T = TypeVar("T")


def words(form: str, value: float, *, order: str = "big") -> list[int]:
    """`value` in registers; `form` is a format of `struct` for big-endian bytes."""
    raw = struct.pack(">" + form, value)
    found = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
    return found if order == "big" else found[::-1]


def text(value: str, count: int) -> list[int]:
    """ASCII in `count` registers, filled with NUL."""
    raw = value.encode().ljust(2 * count, b"\0")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


class Unit:
    """One meter of a line: `registers` by address, in all function codes. `answer`: an exception code, in the place of any value."""

    def __init__(self, registers: dict[int, list[int]]) -> None:
        self.registers = {a + i: word for a, run in registers.items() for i, word in enumerate(run)}
        self.asked: list[tuple[int, int, int]] = []
        self.answer: ExcCodes | None = None
        self.answer_at: dict[int, ExcCodes] = {}
        self.before_answer: Callable[[], None] = lambda: None

    def put(self, address: int, run: list[int]) -> None:
        """Replace the words from `address` on."""
        self.registers.update({address + i: word for i, word in enumerate(run)})


class Sdm(Unit):
    """Eastron SDM120 or SDM630: float32; its energy grows with its power."""

    def __init__(self, *, serial: int = 20_630_417, order: str = "big", import_kwh: float = 1234.5, three_phases: bool = True) -> None:
        self.order = order
        self.three_phases = three_phases
        self._kwh = import_kwh
        self._since_s = time.monotonic()
        self._power_w = 893.8
        blank = {a: [0, 0] for a in (0, 2, 4, 12, 14, 16, 52, 70, 72, 74, 342, 346, 348, 350)}
        super().__init__({**blank, 0xFC00: words("I", serial)})
        self.put(0, self._f(230.4))
        self.put(70, self._f(50.01))
        self.before_answer = self.move

    def _f(self, value: float) -> list[int]:
        return words("f", value, order=self.order)

    def set_power_w(self, power_w: float) -> None:
        self.move()
        self._power_w = power_w
        self.move()

    def move(self) -> None:
        """Write what it measures now."""
        now_s = time.monotonic()
        self._kwh += self._power_w * (now_s - self._since_s) / 3.6e6
        self._since_s = now_s
        if not self.three_phases:
            self.put(12, self._f(self._power_w))
        else:
            self.put(52, self._f(self._power_w))
            for i, share in enumerate((0.5, 0.3, 0.2)):
                self.put(12 + 2 * i, self._f(self._power_w * share))
                self.put(346 + 2 * i, self._f(self._kwh * share))
        self.put(72, self._f(self._kwh))


class Line:
    """A server with meters by their device id. `start` and `stop` may alternate; the port stays."""

    def __init__(self, units: dict[int, Unit]) -> None:
        self.units = units
        self.port = free_tcp_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="modbus-standin", daemon=True)
        self._thread.start()
        self._answering = self._run(_event())
        self._answering.set()
        self._server: ModbusTcpServer | None = None

    def start(self) -> None:
        """Listen; nothing happens where it does."""
        if self._server is None:
            self._server = self._run(self._listen())

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._run(self._server.shutdown())
        self._server = None

    def hang(self) -> None:
        """Take questions, and answer none."""
        self._loop.call_soon_threadsafe(self._answering.clear)

    def resume(self) -> None:
        """Answer again, what was asked meanwhile first."""
        self._loop.call_soon_threadsafe(self._answering.set)

    def close(self) -> None:
        """End the thread."""
        self.stop()
        self._run(_finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _listen(self) -> ModbusTcpServer:
        devices = [_device(number, unit, self._answering) for number, unit in self.units.items()]
        server = ModbusTcpServer([*devices, _nobody()], address=("127.0.0.1", self.port))
        await server.serve_forever(background=True)
        return server


def _device(number: int, unit: Unit, answering: asyncio.Event) -> SimDevice:
    async def action(code: int, start: int, address: int, count: int, current: list[int], new: object) -> ExcCodes | None:
        unit.asked.append((code, address, count))
        await answering.wait()
        unit.before_answer()
        for i in range(count):
            current[address + i - start] = unit.registers[address + i]
        return unit.answer or next((unit.answer_at[a] for a in unit.answer_at if address <= a < address + count), None)

    return SimDevice(number, _runs(unit.registers), action=action)


def _nobody() -> SimDevice:
    """What a gateway answers for a device id that nobody has."""

    async def action(code: int, start: int, address: int, count: int, current: list[int], new: object) -> ExcCodes | None:
        return ExcCodes.GATEWAY_NO_RESPONSE

    return SimDevice(0, [SimData(0, values=[0] * 1024, datatype=DataType.REGISTERS)], action=action)


def _runs(registers: dict[int, int]) -> list[SimData]:
    """Contiguous stretches of registers; every other address is illegal."""
    found: list[tuple[int, list[int]]] = []
    for address in sorted(registers):
        if found and found[-1][0] + len(found[-1][1]) == address:
            found[-1][1].append(registers[address])
        else:
            found.append((address, [registers[address]]))
    return [SimData(address, values=run, datatype=DataType.REGISTERS) for address, run in found]


def free_tcp_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _event() -> asyncio.Event:
    return asyncio.Event()


async def _finish() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)
