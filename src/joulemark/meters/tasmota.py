"""Power and energy of a smart plug with the firmware Tasmota, asked over an MQTT broker.

The plug is asked for each reading (`Status 8`): what it publishes by itself comes every ten seconds at most. Answers have no number
and the time of the plug's own clock in its own zone: the read bracket dates a reading, and that time is not used. The topic LWT, which
the broker keeps, says whether the plug is connected.

Source: Tasmota documentation, pages MQTT, Commands (Status, FullTopic, PowerRes, EnergyRes, SetOption129) and Energy Monitoring.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from joulemark.addresses import is_loopback, refuse_place
from joulemark.config import at_least, read_secret
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.descriptions import legible
from joulemark.meters.tasmota_answers import Energy, decimals, mac_of, parse_answer, parse_energy, read_as
from joulemark.readings import Boundary, Current, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import J_PER_KWH

POWER_EXPONENT: Final = -3
ENERGY_EXPONENT: Final = 0
UPDATE_PERIOD_S: Final = 1.0
"""The firmware works through its energy sensor each second (xdrv_03_energy)."""

KEEPALIVE_S: Final = 10
"""A broker that is silent for longer is given up."""

GOODBYE_S: Final = 0.3
MAX_BYTES: Final = 1 << 16
LONGEST_TOPIC: Final = 200

ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "8": ("STATUS8", "StatusSNS"),
    "5": ("STATUS5", "StatusNET"),
    "2": ("STATUS2", "StatusFWR"),
    "": ("STATUS", "Status"),
}
"""Question -> last part of the topic of its answer, and the one key of it."""

QUIET: Final = logging.getLogger("joulemark.meters.tasmota.library")
QUIET.setLevel(logging.CRITICAL + 1)  # what the library has to say, its errors say too, and the runner reports those


@dataclass(frozen=True, slots=True)
class TasmotaConfig:
    """`[[meter]] kind = "tasmota"`: one plug, and the broker that it is connected to."""

    broker: str
    """Name or address of the MQTT broker."""
    topic: str
    """Topic of the plug, as its page "Configure MQTT" shows it."""
    port: int = 1883
    """TCP port of the broker; 8883 is usual with TLS."""
    full_topic: str = "%prefix%/%topic%/"
    """FullTopic of the plug, as the same page shows it."""
    user: str = ""
    """Account on the broker; empty for none."""
    password_file: Path | None = None
    """File that holds the password of the account, readable by the agent only."""
    tls: bool = False
    """Whether the broker is spoken to by TLS."""
    ca_file: Path | None = None
    """Certificate of the authority that signed the broker's certificate, in PEM; implies tls."""
    insecure: bool = False
    """Whether the password may go without tls to a broker on another machine: whoever listens there can read it."""
    deadline_s: float = 2.0
    """Longest time in seconds that a read may take."""

    def __post_init__(self) -> None:
        at_least("tasmota.port", self.port, 1)
        at_least("tasmota.deadline_s", self.deadline_s, 0.1)
        refuse_place("tasmota", self.broker, self.port)
        if not self.topic or not self.topic.isprintable() or len(self.topic) > LONGEST_TOPIC or set(self.topic) & set("+#"):
            raise ConfigError(f"tasmota.topic {self.topic!r} is no topic of one plug", "copy it from the plug's page Configure MQTT")
        if "%prefix%" not in self.full_topic or len(self.full_topic) > LONGEST_TOPIC or set(self.full_topic) & set("+#"):
            raise ConfigError(f"tasmota.full_topic {self.full_topic!r} has no %prefix%", "copy it from the plug's page Configure MQTT")
        if self.user and self.password_file is None:
            raise ConfigError("tasmota.user is given without password_file", "give both, or none")
        if self.user and not (self.tls or self.ca_file or self.insecure or is_loopback(self.broker)):
            raise ConfigError(f"tasmota would send the password to {self.broker} as text", "set tls or ca_file, or insecure = true")

    def topic_of(self, prefix: str, last: str) -> str:
        """The whole topic of a command (`cmnd`), an answer (`stat`) or a message (`tele`)."""
        middle = self.full_topic.replace("%prefix%", prefix).replace("%topic%", self.topic).strip("/")
        return f"{middle}/{last}"


def described(host: str, config: TasmotaConfig, said: Mapping[str, Mapping[str, Any]], energy: Energy) -> DeviceInfo:
    """The plug and its meters. `said`: its answers by question."""
    serial = mac_of(said.get("5", {})) or config.topic.replace(":", "-")
    firmware = said.get("2", {})
    device_id = f"tasmota:{host}:{serial}"

    def meter(channel: str, quantity: Quantity, exponent: int, step: int) -> MeterInfo:
        return MeterInfo(
            meter_id=f"{device_id}:{channel}",
            kind="tasmota",
            quantity=quantity,
            exponent=exponent,
            boundary=Boundary.OUTLET,
            current=Current.AC,
            vendor="Tasmota",
            model=legible(said.get("", {}).get("DeviceName")),
            serial=serial,
            firmware=legible(firmware.get("Version")),
            update_period_s=UPDATE_PERIOD_S,
            step=step,
            interface="MQTT",
            note=f"topic {config.topic}, {legible(firmware.get('Hardware')) or 'hardware not told'}; the maker of the plug is not told",
        )

    powers, totals = energy.powers_w, energy.totals_kwh
    step_w, step_kwh = max(map(decimals, powers), default=0), max(map(decimals, totals), default=0)
    return DeviceInfo(
        device_id,
        (
            *(meter(name, Quantity.POWER, POWER_EXPONENT, 10 ** max(0, 3 - step_w)) for name in channels("power", len(powers))),
            *(
                meter(name, Quantity.ENERGY_COUNTER, ENERGY_EXPONENT, max(1, J_PER_KWH // 10**step_kwh))
                for name in channels("energy", len(totals))
            ),
        ),
    )


def channels(name: str, count: int) -> list[str]:
    """Names of channels: without a number where there is one."""
    return [name] if count == 1 else [f"{name}-{i}" for i in range(1, count + 1)]


class TasmotaMeter(AsyncMeter):
    """One plug."""

    kind: ClassVar[str] = "tasmota"

    def __init__(self, config: TasmotaConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s)
        self._config = config
        self._host = host
        self._client: aiomqtt.Client | None = None
        self._listener: asyncio.Task[None] | None = None
        self._waiting: dict[str, tuple[str, asyncio.Future[dict[str, Any]]]] = {}
        self._online: bool | None = None
        self._shape = (0, 0)

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Connect to the broker, ask the plug who it is, and take one reading."""
        client = self._client = self._made()
        try:
            await client.__aenter__()
            for topic in (self._config.topic_of("stat", "+"), self._config.topic_of("tele", "LWT")):
                await client.subscribe(topic)
        except aiomqtt.MqttError as error:
            raise self._refused(error) from error
        self._online = None
        self._listener = asyncio.create_task(self._listen(client))
        said = await self._introduced()
        energy = parse_energy(said["8"])
        if energy is None:
            raise MeterUnavailable(f"{self._name} measures no energy", "remove this [[meter]]; the plug needs an energy sensor")
        self._shape = energy.shape
        return (described(self._host, self._config, said, energy),)

    async def poll(self, clock: Clock) -> list[Sample]:
        """One sample: powers and counters as the plug prints them; a gap while the broker says that it is offline.

        Raises MeterTransient when it does not answer in time, MeterGone when the broker is gone or the plug has other channels now.
        """
        (device,) = self.info
        shift_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        if self._online is False and self._listener is not None and not self._listener.done():
            reason = f"the broker says that {self._name} is offline ({self._config.topic_of('tele', 'LWT')})"
            return [Sample.gap(device, t_read0_ns, clock.mono_ns(), shift_ns, reason)]
        energy = parse_energy(await self._asked("8"))
        t_read1_ns = clock.mono_ns()
        if energy is None or energy.shape != self._shape:
            raise MeterGone(f"{self._name} has other channels than before", "it is opened again, and described anew")
        values = [read_as(power, 1, POWER_EXPONENT) for power in energy.powers_w]
        values += [read_as(total, J_PER_KWH, ENERGY_EXPONENT) for total in energy.totals_kwh]
        qualities = tuple(Quality.GAP if value is None else Quality.OK for value in values)
        reasons = tuple("the plug printed no number" if value is None else "" for value in values)
        return [Sample(device.device_id, t_read0_ns, t_read1_ns, shift_ns, tuple(values), (None,) * len(values), qualities, reasons)]

    async def disconnect(self) -> None:
        """Leave the broker: the listener first, since it waits on the connection."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._client is not None:
            self._client.timeout = GOODBYE_S
            with suppress(aiomqtt.MqttError):
                await self._client.__aexit__(None, None, None)
        self._client = self._listener = None

    @property
    def _name(self) -> str:
        return f"{self._config.topic} at {self._config.broker}:{self._config.port}"

    def _made(self) -> aiomqtt.Client:
        """A client of the broker, not connected. Raises ConfigError for a secret or a certificate that cannot be read."""
        config = self._config
        password = read_secret(config.password_file, "tasmota password_file") if config.password_file else None
        return aiomqtt.Client(
            config.broker,
            config.port,
            username=config.user or None,
            password=password if config.user else None,
            tls_context=trusted(config.ca_file) if config.tls or config.ca_file else None,
            timeout=config.deadline_s,
            keepalive=KEEPALIVE_S,
            logger=QUIET,
        )

    def _refused(self, error: aiomqtt.MqttError) -> MeterUnavailable:
        """Why the broker does not take this client."""
        config = self._config
        where = f"the broker {config.broker}:{config.port}"
        if isinstance(error, MqttConnectError):
            return MeterUnavailable(
                f"{where} refuses {f'user {config.user!r}' if config.user else 'who gives no user'}: {error}",
                f"correct user or {config.password_file}" if config.user else "give user and password_file",
            )
        return MeterUnavailable(f"{where} cannot be used: {error}", "check broker, port and tls, and that the broker runs")

    async def _introduced(self) -> dict[str, dict[str, Any]]:
        """The plug's answers by question. Raises MeterUnavailable unless it says its energy and its network within the deadline."""
        tasks = {question: asyncio.create_task(self._asked(question)) for question in ANSWERS}
        _, late = await asyncio.wait(tasks.values(), timeout=self._config.deadline_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        said = {question: task.result() for question, task in tasks.items() if not task.cancelled() and task.exception() is None}
        if said.keys() >= {"8", "5"}:
            return said
        for error in (task.exception() for task in tasks.values() if not task.cancelled()):
            if isinstance(error, MeterTransient):
                raise MeterUnavailable(f"{self._name} {error.what}", "check that the topic is that of a plug with Tasmota") from error
        if self._online is False:
            raise MeterUnavailable(f"the broker says that {self._name} is offline", "plug it in, and check its Wi-Fi")
        raise MeterUnavailable(
            f"{self._name} does not answer within {self._config.deadline_s:g} s",
            "check topic and full_topic on the plug's page Configure MQTT, and that the account may use them",
        )

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Hand on what the broker delivers, until it is gone."""
        with suppress(aiomqtt.MqttError):
            async for message in client.messages:
                self._deliver(str(message.topic), message.payload, retained=message.retain)

    def _deliver(self, topic: str, payload: object, *, retained: bool) -> None:
        """Take note of one message: the state of the plug, or the answer that is waited for. A kept answer is an old one."""
        if not isinstance(payload, bytes) or len(payload) > MAX_BYTES:
            return
        if topic == self._config.topic_of("tele", "LWT"):
            self._online = payload == b"Online"
        elif topic in self._waiting and not retained:
            key, waiting = self._waiting[topic]
            try:
                said = parse_answer(payload, key)
            except MeterTransient as error:
                if not waiting.done():
                    waiting.set_exception(error)
                return
            if said is not None and not waiting.done():
                waiting.set_result(said)

    async def _asked(self, question: str) -> dict[str, Any]:
        """The answer to `Status question`. Raises MeterGone when the broker leaves; waits as long as the caller lets it."""
        if self._client is None or self._listener is None:
            raise MeterTransient(f"{self._name} is asked before open()")
        last, key = ANSWERS[question]
        topic = self._config.topic_of("stat", last)
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[topic] = (key, waiting)
        try:
            await self._client.publish(self._config.topic_of("cmnd", "Status"), question)
            either: set[asyncio.Future[Any]] = {waiting, self._listener}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except aiomqtt.MqttError as error:
            raise self._lost() from error
        finally:
            self._waiting.pop(topic, None)
        if not waiting.done():
            raise self._lost()
        return waiting.result()

    def _lost(self) -> MeterGone:
        return MeterGone(f"the broker {self._config.broker}:{self._config.port} closed the connection", "check that it runs")


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Whom the broker has to be: signed by `ca_file`, else by an authority that this machine trusts. Raises ConfigError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"tasmota.ca_file {ca_file} cannot be used: {error}", "name the PEM file of the authority") from error


DRIVER: Final = Driver("tasmota", TasmotaConfig, lambda config, host: TasmotaMeter(config, host=host))
"""Never discovered: a plug needs a broker and a topic."""
