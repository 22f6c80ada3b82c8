"""Power and energy of servers as their BMC tells by Redfish: EnvironmentMetrics, power supplies, or the older PowerControl.

Beside them, and seldom, the temperature of the air that a server takes in.

The session is renewed when the BMC ends it. Values are asked for at each read; where the BMC pushes metric reports, a value that came
just now is taken instead. A BMC dates values with a clock that is often wrong: the read bracket dates the reading, the BMC's date is
kept as information.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import SplitResult, urlsplit

from joulemark.addresses import is_loopback
from joulemark.config import at_least, read_secret
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.http import HttpSession, Trust
from joulemark.meters.redfish_discovery import KIND, Discovery, Origin, Source
from joulemark.meters.redfish_reports import Reports, stream_path
from joulemark.meters.redfish_resources import Value, judged, link, value_at
from joulemark.meters.redfish_service import Missing, Service
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_S

REQUEST_SHARE: Final = 0.8
"""Share of the deadline that one request may take: a part that does not answer then leaves time to tell of the others."""

AT_ONCE: Final = 2
"""Requests that a BMC is asked to answer at one time, beside the stream."""


@dataclass(frozen=True, slots=True)
class RedfishConfig:
    """`[[meter]] kind = "redfish"`: one BMC, or another service that speaks Redfish, and an account on it that may log in and read."""

    url: str
    """Address of the service: https://HOST or https://HOST:PORT."""
    user: str
    """Name of the account on the BMC."""
    password_file: Path
    """File that holds the password of the account, readable by the agent only."""
    ca_file: Path | None = None
    """Certificate of the authority that signed the BMC's, in PEM; authorities that this machine trusts unless set."""
    fingerprint: str = ""
    """SHA-256 of the BMC's own certificate, in hex: for a certificate that no authority signed."""
    insecure: bool = False
    """Whether http is allowed on addresses other than loopback: the password then goes over the network as text."""
    chassis: tuple[str, ...] = ()
    """Ids of the chassis to read; all that measure power unless set."""
    origin: Origin = Origin.AUTO
    """What is read: `environment` the whole chassis, `supplies` each power supply, `control` the older Power; `auto` takes the first."""
    witness_interval_s: float = 30.0
    """How often the temperature of the air that a server takes in is read, in seconds; 0 reads it never."""
    stream: bool = True
    """Whether metric reports are listened to where the BMC pushes them."""
    deadline_s: float = 5.0
    """Longest time in seconds that a read may take."""
    open_deadline_s: float = 60.0
    """Longest time in seconds for logging in and looking through all chassis."""

    def __post_init__(self) -> None:
        at_least("redfish.deadline_s", self.deadline_s, 0.1)
        at_least("redfish.open_deadline_s", self.open_deadline_s, self.deadline_s)
        at_least("redfish.witness_interval_s", self.witness_interval_s, 0.0)
        address = self.address
        if address.scheme not in ("http", "https") or not address.hostname or "@" in address.netloc or address.path.strip("/"):
            raise ConfigError(f"redfish.url = {self._shown} is no address of a service", 'write for example "https://10.0.0.21"')
        if address.scheme == "http" and not self.insecure and not is_loopback(address.hostname):
            raise ConfigError(f"redfish.url = {self._shown} would send the password as text", "write https, or set insecure = true")
        if self.ca_file and self.fingerprint:
            raise ConfigError("redfish.ca_file and redfish.fingerprint are both set", "keep the one that is to be checked")
        if self.fingerprint:
            Trust(fingerprint=self.fingerprint).ssl()

    @property
    def _shown(self) -> str:
        return repr(self.url.rsplit("@", 1)[-1])  # what stands before may be a password

    @property
    def address(self) -> SplitResult:
        """The parts of `url`. Raises ConfigError."""
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError as error:
            raise ConfigError(f"redfish.url = {self._shown}: is no address", 'write for example "https://10.0.0.21"') from error
        return parts

    @property
    def place(self) -> str:
        """Host and port, as a part of a meter id."""
        return self.address.netloc.replace(":", "-").strip("[]")


class RedfishMeter(AsyncMeter):
    """All sources of one service, a device each; those that are witnesses are read seldom."""

    kind: ClassVar[str] = KIND

    def __init__(self, config: RedfishConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s, open_deadline_s=config.open_deadline_s)
        self._config, self._host = config, host
        self._http: HttpSession | None = None
        self._service: Service | None = None
        self._reports: Reports | None = None
        self._sources: tuple[Source, ...] = ()
        self._inlets: tuple[Source, ...] = ()
        self._inlets_after_ns = 0
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def connect(self) -> tuple[DeviceInfo, ...]:
        config = self._config
        password = read_secret(config.password_file, "redfish password_file")
        address = config.address
        trust = Trust(config.ca_file, config.fingerprint)
        base = f"{address.scheme}://{address.netloc}"
        self._http = HttpSession(base, REQUEST_SHARE * config.deadline_s, trust, connections=AT_ONCE + 1)
        await self._http.open()
        self._service = Service(self._http, config.user, password)
        self._slots = asyncio.Semaphore(AT_ONCE)
        root = await self._service.enter()
        self._service.begin_poll()
        discovery = Discovery(self._service, self._host, config.place, config.origin, config.chassis, config.witness_interval_s)
        found = await discovery.sources(root)
        self._sources = tuple(source for source in found if not source.device.seldom)
        self._inlets, self._inlets_after_ns = tuple(source for source in found if source.device.seldom), 0
        path = stream_path(await self._service.find(link(root, "EventService"))) if config.stream else ""
        if path:
            names = frozenset().union(*(point.metrics for source in self._sources for point in source.points))
            self._reports = Reports(self._http, self._service, path, names)
            self._reports.start()
        return tuple(source.device for source in (*self._sources, *self._inlets))

    async def poll(self, clock: Clock) -> list[Sample]:
        """One sample per source, of the witnesses those that are due.

        Raises MeterTransient when no power answers, MeterGone when none is there any more.
        """
        if self._service is None:
            raise MeterTransient("redfish is not connected", "open it first")
        self._service.begin_poll()
        begin_ns, shift_ns = clock.mono_ns(), utc_minus_mono_ns(clock)
        asked = (*self._sources, *self._due(begin_ns))
        outcomes = await asyncio.gather(*(self._read_source(self._service, source, clock, shift_ns) for source in asked))
        errors = [outcome for outcome in outcomes[: len(self._sources)] if isinstance(outcome, MeterError)]
        if gone := next((outcome for outcome in outcomes if isinstance(outcome, MeterGone)), None):
            raise gone
        if len(errors) == len(self._sources):
            if all(isinstance(error, Missing) for error in errors):
                raise MeterGone(errors[0].what, errors[0].next_step)
            raise errors[0]
        return [
            outcome if isinstance(outcome, Sample) else Sample.gap(source.device, begin_ns, clock.mono_ns(), shift_ns, outcome.what)
            for source, outcome in zip(asked, outcomes, strict=True)
        ]

    def _due(self, now_ns: int) -> tuple[Source, ...]:
        """The witnesses, where it is time to look at them."""
        if now_ns < self._inlets_after_ns:
            return ()
        self._inlets_after_ns = now_ns + round(self._config.witness_interval_s * NS_PER_S)
        return self._inlets

    async def disconnect(self) -> None:
        if self._reports is not None:
            await self._reports.stop()
        try:
            if self._service is not None:
                await self._service.leave()
        finally:
            if self._http is not None:
                await self._http.close()
            self._http, self._service, self._reports, self._sources, self._inlets = None, None, None, (), ()

    async def _read_source(self, service: Service, source: Source, clock: Clock, shift_ns: int) -> Sample | MeterError:
        """A sample, or the error in its place."""
        async with self._slots:
            t_read0_ns = clock.mono_ns()
            values = self._pushed(source)
            if values is None:
                try:
                    resource = await service.get(source.path)
                except (MeterTransient, MeterGone) as error:
                    return error
                values = [value_at(resource, point) for point in source.points]
            return sample(source.device, values, t_read0_ns, clock.mono_ns(), shift_ns)

    def _pushed(self, source: Source) -> list[Value] | None:
        """The values of a source from reports that came just now; None unless all of them did."""
        reports = self._reports
        if reports is None or not all(reports.has(point.metrics) for point in source.points):
            return None
        values = []
        for point in source.points:
            if (found := reports.taken(point.metrics)) is not None:
                values.append(judged(found.raw, point, where="the metric report", t_ns=found.t_ns))
        return values


def sample(device: DeviceInfo, values: Sequence[Value], t_read0_ns: int, t_read1_ns: int, shift_ns: int) -> Sample:
    """The sample of `device` that holds `values`."""
    return Sample(
        device.device_id,
        t_read0_ns,
        t_read1_ns,
        shift_ns,
        tuple(value.value for value in values),
        tuple(value.t_ns for value in values),
        tuple(value.quality for value in values),
        tuple(value.reason for value in values),
    )


DRIVER: Final = Driver(KIND, RedfishConfig, lambda config, host: RedfishMeter(config, host=host))
"""Never discovered: a BMC needs an account."""
