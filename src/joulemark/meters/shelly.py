"""Smart plugs and energy meters of Shelly, second generation and later: power and energy of every component that measures.

One `Shelly.GetStatus` a poll brings all components in one bracket. The device is asked, not listened to: it notifies only when power
changed by 5 % and 10 W. Watt-hours come as decimal fractions and are kept exactly.

Source: Shelly Gen2+ API (shelly-api-docs.shelly.cloud/gen2): Shelly.GetStatus, Switch, PM1, EM, EMData, EM1, EM1Data, Authentication.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final

from joulemark.addresses import refuse_place
from joulemark.config import INT64_END, at_least, read_secret
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.descriptions import id_part, legible
from joulemark.meters.http import Answer, HttpSession
from joulemark.readings import Accuracy, Boundary, Current, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import J_PER_WH, NS_PER_S

USER: Final = "admin"
"""The one account that the devices know."""

IDENTITY: Final = "/shelly"
"""Answered by every generation, and without a password."""
STATUS: Final = "/rpc/Shelly.GetStatus"

POWER_EXPONENT: Final = -3
ENERGY_EXPONENT: Final = -1
TENTH_W: Final = 100
"""One tenth of a watt in milliwatts: what all values of power but the sum of phases are rounded to."""
MINUTE_S: Final = 60.0
"""EMData and EM1Data keep one record a minute, and their totals move with it."""

NEXT_STEP: Final = "check that it is a Shelly of the second generation"

COMPONENT: Final = re.compile(r"[a-z0-9_]{1,40}:[0-9]{1,4}")
MOST_CHANNELS: Final = 128
"""More are no device's, but a broken answer."""
PHASES: Final = ("a", "b", "c")
NO_METER: Final = ("power_meter", "ct_type_not_set")
"""Errors that say that the meter of a component does not measure. Others (overtemp, phase_sequence) leave the value what it is."""
BEYOND: Final = "out_of_range"

CLASS_B: Final = Accuracy(pct_reading=1.0, source="class B, Shelly Pro 3EM, kb.shelly.cloud")
CLASS_B_MODELS: Final = ("SPEM-003CEBEU",)


@dataclass(frozen=True, slots=True)
class ShellyConfig:
    """`[[meter]] kind = "shelly"`: one plug, relay or energy meter of the second generation or later."""

    host: str
    """Name or address of the device."""
    port: int = 80
    """TCP port of its web server."""
    password_file: Path | None = None
    """File that holds the password of the device, where authentication is enabled; its user is always admin."""
    phases: bool = False
    """Also read each phase of a three-phase meter, as meters of their own."""
    deadline_s: float = 3.0
    """Longest time in seconds that a poll may take."""

    def __post_init__(self) -> None:
        at_least("shelly.port", self.port, 1)
        at_least("shelly.deadline_s", self.deadline_s, 0.1)
        if not self.host or "/" in self.host:
            raise ConfigError(f"shelly.host = {self.host!r} is no name and no address", 'write it without http://, as "10.0.0.50"')
        refuse_place("shelly", self.host, self.port)


@dataclass(frozen=True, slots=True)
class Channel:
    """One value of a status: where it stands, what it is, and which errors speak of it.

    `path`: keys from the top. `phase`: letter of the phase, none for the whole. `errors`: component and its keys that list errors.
    """

    name: str
    path: tuple[str, ...]
    quantity: Quantity
    component: str
    errors: tuple[str, ...] = ("errors",)
    phase: str = ""
    step: int = 1
    update_period_s: float | None = None


def parse_channels(status: Mapping[str, Any], *, phases: bool) -> tuple[Channel, ...]:
    """What the components of a status measure, in their order: fields tell, not names, so that new components are found too.

    Raises MeterTransient for more channels than a device has.
    """
    found: list[Channel] = []
    for key, component in status.items():
        if not COMPONENT.fullmatch(key) or not isinstance(component, Mapping):
            continue
        if "total_act_power" in component:
            found.extend(_three_phase(key, status, phases=phases))
        elif field := next((name for name in ("apower", "act_power") if name in component), ""):
            found.extend(_single(key, field, component, status))
        if len(found) > MOST_CHANNELS:
            raise MeterTransient(f"the device tells of more than {MOST_CHANNELS} channels", NEXT_STEP)
    return tuple(found)


def _single(key: str, field: str, component: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Channel]:
    """Power of a switch, PM1 or EM1, and its counter in itself or in its EM1Data."""
    name, data = key.replace(":", "-"), _data_of(key)
    yield Channel(f"{name}-power", (key, field), Quantity.POWER, key, step=TENTH_W)
    if "aenergy" in component:
        yield Channel(f"{name}-energy", (key, "aenergy", "total"), Quantity.ENERGY_COUNTER, key, step=_energy_step("0.001"))
    elif isinstance(status.get(data), Mapping):
        path = (data, "total_act_energy")
        yield Channel(f"{name}-energy", path, Quantity.ENERGY_COUNTER, key, step=_energy_step("0.01"), update_period_s=MINUTE_S)


def _three_phase(key: str, status: Mapping[str, Any], *, phases: bool) -> Iterator[Channel]:
    """Power of an EM and its counter in EMData; where asked for, of each phase too."""
    name, data = key.replace(":", "-"), _data_of(key)
    has_data = isinstance(status.get(data), Mapping)
    step = _energy_step("0.01")
    every = ("errors", *(f"{phase}_errors" for phase in PHASES))
    yield Channel(f"{name}-power", (key, "total_act_power"), Quantity.POWER, key, every)
    if has_data:
        yield Channel(f"{name}-energy", (data, "total_act"), Quantity.ENERGY_COUNTER, key, every, step=step, update_period_s=MINUTE_S)
    for phase in PHASES if phases else ():
        own, path = ("errors", f"{phase}_errors"), (data, f"{phase}_total_act_energy")
        yield Channel(f"{name}-{phase}-power", (key, f"{phase}_act_power"), Quantity.POWER, key, own, phase, TENTH_W)
        if has_data:
            yield Channel(f"{name}-{phase}-energy", path, Quantity.ENERGY_COUNTER, key, own, phase, step, MINUTE_S)


def _data_of(key: str) -> str:
    """The component that counts for the component `key`: `emdata:0` for `em:0`."""
    kind, _, number = key.partition(":")
    return f"{kind}data:{number}"


def _energy_step(wh: str) -> int:
    return int((Decimal(wh) * J_PER_WH).scaleb(-ENERGY_EXPONENT))


def judged(channel: Channel, status: Mapping[str, Any]) -> tuple[int | None, Quality, str]:
    """Value of `channel` as an integer, quality and reason."""
    component = status.get(channel.component)
    if not isinstance(component, Mapping):
        return None, Quality.GAP, f"the device tells nothing of {channel.component}"
    for error in errors_of(component, channel.errors):
        if error.startswith(NO_METER):
            return None, Quality.GAP, f"{channel.component} says {error}"
        if error.startswith(BEYOND):
            return None, Quality.OVER_RANGE, f"{channel.component} says {error}"
    read: Any = status
    for key in channel.path:
        read = read.get(key) if isinstance(read, Mapping) else None
    return counted(read, channel.quantity, ".".join(channel.path))


def errors_of(component: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    """Every error that a component lists under one of `keys`."""
    return [legible(str(error)) for key in keys if isinstance(listed := component.get(key), list) for error in listed]


def counted(read: object, quantity: Quantity, where: str) -> tuple[int | None, Quality, str]:
    """A number of watts or watt-hours as an integer; what is none is no value."""
    if read is None:
        return None, Quality.GAP, f"{where} is null or missing"
    if isinstance(read, bool) or not isinstance(read, int | Decimal) or not Decimal(read).is_finite():
        return None, Quality.SENTINEL, f"{where} is {str(read)[:40]!r}, which is no number"
    if Decimal(read).copy_abs() >= INT64_END:
        return None, Quality.SENTINEL, f"{where} is {str(read)[:40]!r}, beyond 64 bits"
    power = quantity is Quantity.POWER
    scaled = Decimal(read).scaleb(-POWER_EXPONENT) if power else (Decimal(read) * J_PER_WH).scaleb(-ENERGY_EXPONENT)
    if abs(scaled) >= INT64_END:
        return None, Quality.SENTINEL, f"{where} is {str(read)[:40]!r}, beyond 64 bits"
    return int(scaled.to_integral_value()), Quality.OK, ""


class ShellyMeter(AsyncMeter):
    """One device with all its components that measure."""

    kind: ClassVar[str] = "shelly"

    def __init__(self, config: ShellyConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s)
        self._config = config
        self._host = host
        self._base = f"http://{config.host}:{config.port}"
        self._session: HttpSession | None = None
        self._mac = ""
        self._channels: tuple[Channel, ...] = ()

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Ask who it is and for one status.

        Raises MeterUnavailable when it is silent, no Shelly, one of the first generation, refuses the password, or measures nothing.
        """
        config = self._config
        password = read_secret(config.password_file, "shelly password_file") if config.password_file else None
        self._session = HttpSession(self._base, config.deadline_s, digest=(USER, password) if password is not None else None)
        await self._session.open()
        try:
            identity = parse_identity(await self._session.ask(IDENTITY), self._base)
            if identity.get("auth_en") and password is None:
                raise MeterUnavailable(f"{self._base} wants a password", "write it into a file and name that in password_file")
            status = await self._status()
        except MeterGone as error:
            raise MeterUnavailable(error.what, error.next_step) from error
        except MeterTransient as error:
            raise MeterUnavailable(error.what, error.next_step or "check that the device is on, and host and port") from error
        self._mac = str(identity["mac"])
        self._channels = parse_channels(status, phases=config.phases)
        if not self._channels:
            name = legible(identity.get("model")) or "the device"
            raise MeterUnavailable(f"{self._base}: {name} has no component that measures power", "remove this [[meter]]")
        return (described(identity, self._channels, host=self._host),)

    async def poll(self, clock: Clock) -> list[Sample]:
        """One sample: every component, in one request."""
        (device,) = self.info
        shift_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        status = await self._status()
        t_read1_ns = clock.mono_ns()
        mac = told(status, "sys", "mac")
        if mac is not None and mac != self._mac:
            raise MeterGone(f"{self._base} is another device now: MAC {legible(str(mac))}, not {legible(self._mac)}", "correct host")
        unix_s = told(status, "sys", "unixtime")
        t_device_ns = unix_s * NS_PER_S if isinstance(unix_s, int) and 0 < unix_s < INT64_END // NS_PER_S else None
        values, qualities, reasons = zip(*(judged(channel, status) for channel in self._channels), strict=True)
        return [Sample(device.device_id, t_read0_ns, t_read1_ns, shift_ns, values, (t_device_ns,) * len(values), qualities, reasons)]

    async def disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def _status(self) -> Mapping[str, Any]:
        """All components. Raises MeterTransient; MeterGone for a password that is refused, so that its file is read again."""
        if self._session is None:
            raise MeterTransient(f"{self._base} is asked before open()", "open the meter first")
        answer = await self._session.ask(STATUS)
        if answer.status == 401:
            raise MeterGone(f"{self._base} refuses the password of user {USER}", "correct the file that password_file names")
        if answer.status != 200:
            raise MeterTransient(f"{self._base}{STATUS} answers {answer.status}", NEXT_STEP)
        status = answer.json(number=Decimal)
        if not isinstance(status, Mapping):
            raise MeterTransient(f"{self._base}{STATUS} answers no table of components", NEXT_STEP)
        return status


def parse_identity(answer: Answer, base: str) -> Mapping[str, Any]:
    """What the device says of itself. Raises MeterUnavailable for what is no Shelly, and for one of the first generation."""
    try:
        said = answer.json() if answer.status == 200 else None
    except MeterTransient:
        said = None
    if not isinstance(said, Mapping) or not isinstance(said.get("mac"), str) or not said["mac"]:
        raise MeterUnavailable(f"{base}{IDENTITY} answers {answer.status}, not as a Shelly does", "check host and port")
    if not isinstance(said.get("gen"), int):
        raise MeterUnavailable(
            f"{base} is a Shelly of the first generation ({legible(said.get('type')) or 'no type told'}), which speaks another protocol",
            "use one of the second generation or later, or read it with kind exec",
        )
    return said


def told(status: Mapping[str, Any], component: str, key: str) -> Any:
    """One key of one component; None where either is missing."""
    inner = status.get(component)
    return inner.get(key) if isinstance(inner, Mapping) else None


def described(identity: Mapping[str, Any], channels: tuple[Channel, ...], *, host: str) -> DeviceInfo:
    """The description of a device. What a component feeds is named by MAC and component; the whole of three phases covers each."""
    mac, model = legible(identity["mac"]), legible(identity.get("model"))
    device_id = f"shelly:{host}:{id_part(mac)}"
    phased = {channel.component for channel in channels if channel.phase}

    def covers(channel: Channel) -> tuple[str, ...]:
        place = f"{mac}-{channel.component}".replace(":", "-")
        if channel.component not in phased:
            return (place,)
        return tuple(f"{place}-{phase}" for phase in (channel.phase or PHASES))

    def meter(channel: Channel) -> MeterInfo:
        energy = channel.quantity is Quantity.ENERGY_COUNTER
        return MeterInfo(
            meter_id=f"{device_id}:{channel.name}",
            kind="shelly",
            quantity=channel.quantity,
            exponent=ENERGY_EXPONENT if energy else POWER_EXPONENT,
            boundary=Boundary.OUTLET,
            current=Current.AC,
            vendor="Shelly",
            model=model,
            serial=mac,
            firmware=legible(identity.get("ver")),
            update_period_s=channel.update_period_s,
            accuracy=CLASS_B if energy and model in CLASS_B_MODELS else None,
            covers=covers(channel),
            step=channel.step,
            interface="HTTP RPC",
        )

    return DeviceInfo(device_id, tuple(meter(channel) for channel in channels))


DRIVER: Final = Driver("shelly", ShellyConfig, lambda config, host: ShellyMeter(config, host=host))
"""Never discovered: a device needs an address."""
