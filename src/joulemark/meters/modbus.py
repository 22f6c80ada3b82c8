"""Electricity meters and analysers that speak Modbus/TCP, themselves or behind a gateway to RS-485: what to read stands in a map.

One poll asks for every register it needs in as few requests as the map allows, inside one bracket. `open()` tests the map on the
device first: a voltage or a frequency that cannot be is a wrong map or word order, and is refused.

Source: MODBUS Application Protocol Specification V1.1b3, sections 6.3, 6.4 and 7 (read registers, exception codes); the sources
of the maps stand in the maps.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from joulemark.addresses import refuse_place
from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.modbus_map import Block, DeviceMap, blocks, load_file, load_shipped, shipped
from joulemark.meters.modbus_register import Identity, MeterRegister, Register, StatusRegister, judged, number
from joulemark.readings import Accuracy, DeviceInfo, MeterInfo, MeterRange, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns

HIGHEST_UNIT: Final = 255
BEYOND_RATED: Final = 2.0
"""More than this much of the rated power at `open()` is a wrong map, not a load."""

EXCEPTIONS: Final[Mapping[int, tuple[str, str]]] = {
    1: ("illegal function", "correct function_code in the map (3 holding, 4 input registers)"),
    2: ("illegal address", "choose the map of this model with device or map_file"),
    3: ("illegal count of registers", "lower longest_read in the map, or set even_reads"),
    4: ("device failure", "check that device_id is that of a meter"),
    5: ("acknowledged, not ready", "try again later"),
    6: ("device busy", "read it less often, or by one master only"),
    8: ("memory parity error", "restart the meter"),
    10: ("gateway has no path", "correct the route of device_id in the gateway"),
    11: ("meter behind the gateway is silent", "check device_id, the wires of RS-485 and the baud rate of the gateway"),
}
"""Exception code -> what it means, and what to do."""

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)  # it writes its last frames to stderr at every error


@dataclass(frozen=True, slots=True)
class ModbusConfig:
    """`[[meter]] kind = "modbus"`: one meter, by its own Ethernet port or behind a gateway."""

    host: str
    """Name or address of the meter, or of the gateway before it."""
    device: str = ""
    """Model of the meter, one of em24, em340, sdm120, sdm630, wt310e; or give map_file."""
    map_file: Path | None = None
    """Register map of your own, a TOML file, in the place of device."""
    port: int = 502
    """TCP port of the meter or gateway."""
    device_id: int = 1
    """Modbus address of the meter, which a gateway needs to find it."""
    phases: bool = False
    """Also read each phase, as meters of their own."""
    serial: str = ""
    """Serial number on the case, for meters that do not tell it; else host, port and device_id stand in the meter ids."""
    range_volts: float | None = None
    """Voltage range that an analyser stands at, which Modbus does not tell; with range_amps it gives the accuracy."""
    range_amps: float | None = None
    """Current range that an analyser stands at."""
    update_period_s: float | None = None
    """Seconds between two new values, where you know it better than the map."""
    deadline_s: float = 3.0
    """Longest time in seconds that a poll may take."""

    def __post_init__(self) -> None:
        at_least("modbus.port", self.port, 1)
        at_least("modbus.deadline_s", self.deadline_s, 0.1)
        refuse_place("modbus", self.host, self.port)
        if bool(self.device) == bool(self.map_file):
            raise ConfigError("modbus needs either device or map_file", f"set device to one of {', '.join(shipped())}")
        if not 0 <= self.device_id <= HIGHEST_UNIT:
            raise ConfigError(f"modbus.device_id = {self.device_id} is no Modbus address", f"set it between 0 and {HIGHEST_UNIT}")
        for name in ("range_volts", "range_amps", "update_period_s"):
            if (value := getattr(self, name)) is not None:
                at_least(f"modbus.{name}", value, 1e-3)

    def load_map(self) -> DeviceMap:
        """The register map. Raises ConfigError."""
        return load_file(self.map_file) if self.map_file else load_shipped(self.device)


class Refused(Exception):
    """The device answered a request with an exception code."""

    def __init__(self, code: int) -> None:
        self.code = code
        what, self.next_step = EXCEPTIONS.get(code, ("unknown exception", "see the manual of the meter"))
        self.what = f"exception {code}: {what}"
        super().__init__(self.what)


class ModbusMeter(AsyncMeter):
    """One Modbus device: its power and energy, and those of its phases where asked for."""

    kind: ClassVar[str] = "modbus"

    def __init__(self, config: ModbusConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s)
        self._config = config
        self._host = host
        self._map = config.load_map()
        self._meters = self._map.wanted(phases=config.phases)
        if config.phases and not any(meter.phase for meter in self._meters):
            raise ConfigError(f"modbus.phases: the map {self._map_name} knows no phases", "leave phases out")
        device = self._map
        self._blocks = blocks([*self._meters, *device.status], longest=device.longest_read, even=device.even_reads, bridge=device.bridge)
        self._client: AsyncModbusTcpClient | None = None
        self._serial = ""

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Connect, test the map on the device, identify it and take one reading.

        Raises MeterUnavailable when it does not answer, answers exceptions, or says what cannot be.
        """
        try:
            await self._connected()
            await self._refuse_wrong_map()
            words = [await self._asked(block) for block in self._blocks]
            identity = {name: await self._identity(name) for name in Identity}
        except MeterUnavailable:
            raise
        except MeterError as error:
            raise MeterUnavailable(error.what, error.next_step or "check that the meter is on, and host and port") from error
        except Refused as error:
            raise MeterUnavailable(f"{self._where} answers {error.what}", error.next_step) from error
        self._serial = identity[Identity.SERIAL]
        return (self._described(identity, words),)

    async def poll(self, clock: Clock) -> list[Sample]:
        """One sample: every meter of the device, in one bracket."""
        (device,) = self.info
        if self._client is None:
            await self._connected()
            await self._refuse_stranger()
        shift_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        answers = [await self._answer(block) for block in self._blocks]
        t_read1_ns = clock.mono_ns()
        judgements = [self._judged(register, answers) for register in self._meters]
        if beyond := self._beyond_range(answers):
            judgements = [(None, Quality.OVER_RANGE, beyond)] * len(judgements)
        values, qualities, reasons = zip(*judgements, strict=True)
        return [Sample(device.device_id, t_read0_ns, t_read1_ns, shift_ns, values, (None,) * len(values), qualities, reasons)]

    async def disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    @property
    def _where(self) -> str:
        return f"{self._config.host}:{self._config.port} device_id {self._config.device_id}"

    async def _connected(self) -> None:
        config = self._config
        client = AsyncModbusTcpClient(config.host, port=config.port, timeout=config.deadline_s, retries=0, reconnect_delay=0)
        self._client = client
        try:
            there = await client.connect()
        except asyncio.CancelledError:
            await self.disconnect()
            raise
        if not there:
            await self.disconnect()
            raise MeterTransient(
                f"{config.host}:{config.port} takes no Modbus/TCP connection", "check host and port, and that Modbus/TCP is enabled"
            )

    async def _asked(self, block: Block) -> Sequence[int]:
        """The words of `block`. Raises Refused, or MeterTransient for a lost connection, which is renewed at the next poll.

        A connection with an answer outstanding is not used again: the answer would meet the next question.
        """
        client = self._client
        if client is None:
            raise MeterTransient(f"{self._where} is not connected")
        ask = client.read_holding_registers if block.function_code == 3 else client.read_input_registers
        try:
            answer = await ask(block.address, count=block.count, device_id=self._config.device_id)
        except (ModbusException, OSError) as error:
            await self.disconnect()
            raise MeterTransient(f"{self._where} does not answer a request for register {block.address}") from error
        except asyncio.CancelledError:
            await self.disconnect()
            raise
        if answer.isError():
            raise Refused(answer.exception_code)
        if len(answer.registers) != block.count:
            await self.disconnect()
            raise MeterTransient(f"{self._where} answers {len(answer.registers)} registers instead of {block.count}")
        return answer.registers

    async def _answer(self, block: Block) -> Sequence[int] | Refused:
        try:
            return await self._asked(block)
        except Refused as error:
            return error

    async def _words(self, register: Register) -> Sequence[int]:
        """One register by a request of its own: model codes and serial numbers can be read in no other way on some devices."""
        (block,) = blocks([register], even=self._map.even_reads)
        return block.words(register, await self._asked(block))

    async def _refuse_wrong_map(self) -> None:
        for check in self._map.checks:
            words = await self._words(check)
            if not check.believable(words):
                raise MeterUnavailable(
                    f"{self._where}: {check.name} reads {float(number(check, words)) * check.scale:g}, "
                    f"which is not between {check.low:g} and {check.high:g}",
                    f"word_order = {str(check.word_order)!r}, type or addresses of the map {self._map_name} are not those of this device",
                )

    async def _identity(self, wanted: Identity) -> str:
        """What the device says of itself; empty where the map knows no register for it, or the device does not answer it."""
        for register in self._map.identity:
            if register.field is wanted:
                try:
                    return register.text(await self._words(register))
                except Refused:
                    return ""
        return ""

    async def _refuse_stranger(self) -> None:
        """A device that came back under the same address has to be the same."""
        serial = await self._identity(Identity.SERIAL)
        if serial != self._serial:
            await self.disconnect()
            what = f"{self._where} is another meter now: serial number {serial or 'none'}, not {self._serial or 'none'}"
            raise MeterGone(what, "put the meter back, or restart the agent to measure with this one")

    @property
    def _map_name(self) -> str:
        return str(self._config.map_file or self._config.device)

    def _judged(self, register: MeterRegister, answers: Sequence[Sequence[int] | Refused]) -> tuple[int | None, Quality, str]:
        words = self._found(register, answers)
        return (None, Quality.GAP, f"{self._where} answers {words.what}") if isinstance(words, Refused) else judged(register, words)

    def _found(self, register: Register, answers: Sequence[Sequence[int] | Refused]) -> Sequence[int] | Refused:
        block, answer = next((b, a) for b, a in zip(self._blocks, answers, strict=True) if b.holds(register))
        return answer if isinstance(answer, Refused) else block.words(register, answer)

    def _beyond_range(self, answers: Sequence[Sequence[int] | Refused]) -> str:
        """Why no value may be used: a status register says so, or does not answer; empty where all is well."""
        for register in self._map.status:
            words = self._found(register, answers)
            if isinstance(words, Refused):
                return f"{register.name} cannot be told: {words.what}"
            if bits := set_bits(register, words):
                return f"device says {register.name}: status 0x{bits:04X}"
        return ""

    def _described(self, identity: Mapping[Identity, str], answers: Sequence[Sequence[int]]) -> DeviceInfo:
        config, device = self._config, self._map
        unit = f"{config.host}-{config.port}-{config.device_id}"
        serial = (config.serial or identity[Identity.SERIAL] or unit).replace(":", "-")
        device_id = f"{self.kind}:{self._host}:{serial}"
        has_range = config.range_volts is not None or config.range_amps is not None
        described = []
        for register, phases in zip(self._meters, covered(self._meters), strict=True):
            words = self._found(register, answers)
            assert not isinstance(words, Refused)
            self._refuse_beyond_rated(register, words)
            described.append(
                MeterInfo(
                    meter_id=f"{device_id}:{register.channel}",
                    kind=self.kind,
                    quantity=register.unit.quantity,
                    exponent=register.exponent,
                    boundary=device.boundary,
                    current=device.current,
                    vendor=device.vendor,
                    model=device.model,
                    serial=config.serial or identity[Identity.SERIAL],
                    firmware=identity[Identity.FIRMWARE],
                    update_period_s=config.update_period_s or device.update_period_s,
                    accuracy=accuracy(config, device, register.unit.quantity),
                    covers=tuple(f"{serial}-{phase}" for phase in phases),
                    rated_w=device.rated_w,
                    step=register.step(words),
                    interface=device.interface,
                    range=MeterRange(volts=config.range_volts, amps=config.range_amps) if has_range else None,
                    note="" if device.verified else f"map {self._map_name} is not confirmed in full: {device.source}",
                )
            )
        return DeviceInfo(device_id, tuple(described))

    def _refuse_beyond_rated(self, register: MeterRegister, words: Sequence[int]) -> None:
        rated_w = self._map.rated_w
        value, _, _ = judged(register, words)
        if rated_w is None or value is None or register.unit.quantity is not Quantity.POWER:
            return
        if abs(value) * 10.0**register.exponent > BEYOND_RATED * rated_w:
            raise MeterUnavailable(
                f"{self._where}: {register.channel} reads {value * 10.0**register.exponent:g} W, and the device is made for {rated_w:g} W",
                f"word_order = {str(register.word_order)!r}, type or scale of the map {self._map_name} are not those of this device",
            )


def set_bits(register: StatusRegister, words: Sequence[int]) -> int:
    """The bits of a status register that say that something is wrong."""
    return int(number(register, words)) & register.mask


def accuracy(config: ModbusConfig, device: DeviceMap, quantity: Quantity) -> Accuracy | None:
    """The limit of error of one quantity; None where it depends on a range that nobody told."""
    stated = device.accuracy.get(quantity)
    if stated is None or not stated.pct_range or stated.range_w:
        return stated
    if config.range_volts is None or config.range_amps is None:
        return None
    return Accuracy(stated.pct_reading, stated.pct_range, config.range_volts * config.range_amps, stated.abs_w, stated.source)


def covered(meters: Sequence[MeterRegister]) -> tuple[tuple[str, ...], ...]:
    """What each of `meters` covers, where phases are read: each its own phase, the whole device all of them; else nothing is said."""
    phases = tuple(dict.fromkeys(meter.phase for meter in meters if meter.phase))
    return tuple((meter.phase,) if meter.phase else phases for meter in meters)


DRIVER: Final = Driver("modbus", ModbusConfig, lambda config, host: ModbusMeter(config, host=host))
"""Never discovered: a meter needs an address and a map."""
