"""Power of a server as its BMC reports it: DCMI Get Power Reading over IPMI 2.0 LAN (RMCP+).

One child process per BMC (`ipmi_child`) holds the session; this side holds the deadline, so `read` never waits longer. A BMC
says whole watts about once a second, does not say how it averages, and dates them with a clock that is often wrong: the read
bracket dates the reading, the BMC's time is kept as information. Beside the power, and seldom, it says how warm the air is that the
server takes in (`ipmi_inlet`).

Source: DCMI specification 1.5, section 6.6.1 (Get Power Reading); IPMI specification 2.0, sections 20.1 (Get Device ID) and
22.14 (Get System GUID).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from joulemark.config import at_least, read_secret
from joulemark.errors import MeterTransient, MeterUnavailable
from joulemark.meters.base import Driver, Isolation
from joulemark.meters.child import ChildLate, SupervisedChild
from joulemark.meters.ipmi_inlet import Inlet, inlet_of
from joulemark.readings import Boundary, Current, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_S

CHILD_MODULE: Final = "joulemark.meters.ipmi_child"
POWER_READING: Final[Mapping[str, Any]] = {"netfn": 0x2C, "command": 0x02, "data": [0xDC, 0x01, 0x00, 0x00]}
DEVICE_ID: Final[Mapping[str, Any]] = {"netfn": 0x06, "command": 0x01, "data": []}
SYSTEM_GUID: Final[Mapping[str, Any]] = {"netfn": 0x06, "command": 0x37, "data": []}

REPLY: Final = struct.Struct("<BHHHHIIB")
DCMI_GROUP: Final = 0xDC
ACTIVE_BIT: Final = 0x40
NO_READING_W: Final = 0xFFFF
"""All bits set: what BMC firmware puts where it has no reading."""
NO_BMC_TIME: Final = (0, 0xFFFFFFFF)
PYGHMI_TIMEOUT: Final = "timeout"


@dataclass(frozen=True, slots=True)
class IpmiConfig:
    """`[[meter]] kind = "ipmi"`: one BMC, and an account on it with the privilege OPERATOR or more (pyghmi asks for no less)."""

    host: str
    """Name or address of the BMC."""
    user: str
    """Name of the account on the BMC."""
    password_file: Path
    """File that holds the password of the account, readable by the agent only."""
    port: int = 623
    """UDP port of the BMC."""
    witness_interval_s: float = 30.0
    """How often the temperature of the air that the server takes in is read, in seconds; 0 reads it never."""
    deadline_s: float = 3.0
    """Longest time in seconds that a login or a read may take before the session is replaced."""

    def __post_init__(self) -> None:
        at_least("ipmi.port", self.port, 1)
        at_least("ipmi.witness_interval_s", self.witness_interval_s, 0.0)
        at_least("ipmi.deadline_s", self.deadline_s, 0.1)


@dataclass(frozen=True, slots=True)
class PowerReading:
    """One DCMI power reading. Statistics cover the last `period_ms`; `bmc_time_s` is the BMC's own idea of UTC."""

    current_w: int
    minimum_w: int
    maximum_w: int
    average_w: int
    bmc_time_s: int
    period_ms: int
    active: bool


def parse_power_reading(data: bytes) -> PowerReading:
    """The reading in the bytes after the completion code. Raises MeterTransient when they are no DCMI power reading."""
    if len(data) < REPLY.size or data[0] != DCMI_GROUP:
        raise MeterTransient(f"BMC answered {data.hex() or 'nothing'} instead of a DCMI power reading")
    _, current_w, minimum_w, maximum_w, average_w, bmc_time_s, period_ms, state = REPLY.unpack_from(data)
    return PowerReading(current_w, minimum_w, maximum_w, average_w, bmc_time_s, period_ms, bool(state & ACTIVE_BIT))


def judged(reading: PowerReading) -> tuple[int | None, Quality, str]:
    """Value in watts, quality and reason: an inactive measurement is a gap; 0 W, from a BMC that answers, and all bits set are no power."""
    if not reading.active:
        return None, Quality.GAP, "BMC says that power measurement is not active"
    if reading.current_w in (0, NO_READING_W):
        return None, Quality.SENTINEL, f"BMC answered {reading.current_w} W, which is no measurement"
    return reading.current_w, Quality.OK, ""


def serial_of(guid: bytes, fallback: str) -> str:
    """The system GUID in hex, or `fallback` where the BMC has none (all bytes equal)."""
    return guid.hex() if len(guid) == 16 and len(set(guid)) > 1 else fallback


class IpmiMeter:
    """The server input power of one machine, asked from its BMC, and seldom the temperature of its inlet."""

    kind: ClassVar[str] = "ipmi"
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def __init__(self, config: IpmiConfig, *, host: str) -> None:
        self._config = config
        self._host = host
        self._child: SupervisedChild | None = None
        self._info: tuple[DeviceInfo, ...] = ()
        self._inlet: Inlet | None = None
        self._inlet_after_ns = 0

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return self._info

    def open(self) -> None:
        """Log in, identify the BMC and take one reading.

        Raises MeterUnavailable when the BMC does not answer within the deadline, refuses the account, or has no DCMI power
        reading; ConfigError when the password file cannot be read.
        """
        if self._child is not None:
            return
        config = self._config
        password = read_secret(config.password_file, "ipmi password_file")
        hello = {"bmc": config.host, "port": config.port, "userid": config.user, "password": password}
        child = SupervisedChild(CHILD_MODULE, hello, deadline_s=config.deadline_s)
        try:
            self._log_in(child)
            power = self._identified(child)
            self._inlet, self._inlet_after_ns = inlet_of(partial(asked, child), power.meters[0], config.witness_interval_s), 0
            self._info = (power,) if self._inlet is None else (power, self._inlet.device)
        except MeterUnavailable:
            child.close()
            raise
        self._child = child

    def read(self, clock: Clock) -> list[Sample]:
        """One sample: watts, or a gap with the reason; one more of the inlet when that is due. Never waits longer than `deadline_s`."""
        if self._child is None:
            raise MeterTransient("ipmi meter is not open")
        shift_ns = utc_minus_mono_ns(clock)
        power = self._power(self._child, clock, shift_ns)
        left_s = self._config.deadline_s - (power.t_read1_ns - power.t_read0_ns) / NS_PER_S
        quick = power.values[0] is not None and left_s >= self._config.deadline_s / 2  # else the power would pay for a late answer
        if self._inlet is None or not quick or power.t_read1_ns < self._inlet_after_ns:
            return [power]
        self._inlet_after_ns = power.t_read1_ns + round(self._config.witness_interval_s * NS_PER_S)
        return [power, self._inlet.read(partial(asked, self._child, deadline_s=left_s), clock, shift_ns)]

    def _power(self, child: SupervisedChild, clock: Clock, shift_ns: int) -> Sample:
        device = self._info[0]
        t_read0_ns = clock.mono_ns()
        try:
            reading = parse_power_reading(asked(child, POWER_READING))
        except MeterTransient as error:
            return Sample.gap(device, t_read0_ns, clock.mono_ns(), shift_ns, error.what)
        t_read1_ns = clock.mono_ns()
        value, quality, reason = judged(reading)
        t_bmc_ns = None if reading.bmc_time_s in NO_BMC_TIME else reading.bmc_time_s * NS_PER_S
        return Sample(device.device_id, t_read0_ns, t_read1_ns, shift_ns, (value,), (t_bmc_ns,), (quality,), (reason,))

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child = None

    @property
    def child_pid(self) -> int | None:
        """Process id of the child that holds the session; None while there is none."""
        return self._child.pid if self._child else None

    def _log_in(self, child: SupervisedChild) -> None:
        config = self._config
        where = f"BMC {config.host}:{config.port}"
        try:
            child.start()
        except MeterTransient as error:
            if error.next_step:
                raise MeterUnavailable(f"{where}: {error.what}", error.next_step) from error
            if isinstance(error, ChildLate) or error.what == PYGHMI_TIMEOUT:
                raise MeterUnavailable(
                    f"{where} does not answer within {config.deadline_s:g} s",
                    f"check host and port, and that IPMI over LAN is on: {trial_command(config)}",
                ) from error
            raise MeterUnavailable(
                f"{where} refuses user {config.user!r}: {error.what}",
                f"correct user or {config.password_file}, then try: {trial_command(config)}",
            ) from error

    def _identified(self, child: SupervisedChild) -> DeviceInfo:
        config = self._config
        try:
            parse_power_reading(asked(child, POWER_READING))
            device = asked(child, DEVICE_ID)
        except MeterTransient as error:
            raise MeterUnavailable(
                f"BMC {config.host}:{config.port} gives no DCMI power reading: {error.what}",
                "remove this [[meter]], or read the server with another meter",
            ) from error
        try:
            guid = asked(child, SYSTEM_GUID)
        except MeterTransient:
            guid = b""
        serial = serial_of(guid, f"{config.host}-{config.port}".replace(":", "-"))
        meter = MeterInfo(
            meter_id=f"ipmi:{self._host}:{serial}:power",
            kind=self.kind,
            quantity=Quantity.POWER,
            exponent=0,
            boundary=Boundary.SERVER_INPUT,
            current=Current.AC,
            vendor=f"IANA enterprise {int.from_bytes(device[6:9], 'little')}",
            model=f"product {int.from_bytes(device[9:11], 'little')}",
            serial=serial,
            firmware=f"{device[2] & 0x7F}.{device[3]:02x}",
            update_period_s=1.0,
            note="how the BMC averages its present power is not stated",
        )
        return DeviceInfo(meter.device_id, (meter,))


def asked(child: SupervisedChild, request: Mapping[str, Any], *, deadline_s: float | None = None) -> bytes:
    """The bytes that the BMC answers to `request`, in `deadline_s` or the child's own. Raises MeterTransient."""
    return bytes.fromhex(child.ask(request, deadline_s=deadline_s)["data"])


def trial_command(config: IpmiConfig) -> str:
    """The ipmitool command that makes the same reading by hand."""
    account = f"-U {config.user} -f {config.password_file}"
    return f"ipmitool -I lanplus -H {config.host} -p {config.port} {account} dcmi power reading"


DRIVER: Final = Driver("ipmi", IpmiConfig, lambda config, host: IpmiMeter(config, host=host))
"""Never discovered: a BMC needs an account."""
