"""Power and energy from the page of a Prometheus exporter: dcgm-exporter, Kepler, Scaphandre, ipmi_exporter, node_exporter, Zeus, others.

What an exporter calls its metrics is data (`prometheus_sources`). Most exporters renew their page by themselves, dcgm-exporter every
30 s unless told otherwise, and no page says how old its numbers are. So the page is watched: a number on a page that has not changed
since the last read is marked stale, and how often the page is renewed is measured, not believed.

Source: Prometheus exposition formats, text format 0.0.4.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters import page_access
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.descriptions import legible
from joulemark.meters.http import HttpSession, Trust
from joulemark.meters.prometheus_page import Refresh, Row, Shown, parse_page, shown
from joulemark.meters.prometheus_sources import FOLDER, Metric, Source, load, shipped
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Sample, TimestampSource
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_S

CUSTOM: Final = "custom"
LOOK_S: Final = 0.1
"""Time between two looks at a page that is watched."""

ENOUGH_RENEWALS: Final = 4
"""A watch ends early after so many."""

POLLED_RENEWALS: Final = 3
"""Renewals seen by polling alone that make a period."""

DISAGREE: Final = 1.5
"""A measured period this many times longer or shorter than the described one has to be described anew."""

AGAIN: Final = "it is opened again, and described anew; nothing is to be done"
ACCEPT: Final = "text/plain;version=0.0.4"


@dataclass(frozen=True, slots=True)
class PrometheusConfig:
    """`[[meter]] kind = "prometheus"`: the page of one exporter."""

    url: str
    """Address of the page, for example http://node1:9400/metrics."""
    source: str = "dcgm"
    """Which exporter it is: dcgm, zeusd, kepler, scaphandre, ipmi_exporter or node_exporter; custom takes source_file."""
    source_file: Path | None = None
    """File that describes an exporter of your own, for source custom."""
    insecure: bool = False
    """Whether the password or token may go over http to another machine: whoever listens there can read it."""
    deadline_s: float = 2.0
    """Longest time in seconds that a read may take."""
    watch_s: float = 2.5
    """Seconds for which the page is watched at the start, to see how often it is renewed."""
    update_period_s: float | None = None
    """Seconds between two renewals of the page as the exporter is configured; what is measured wins."""
    trust_page_time: bool = False
    """Whether the times on the page, where it has any, date the readings: only for an exporter whose clock is right."""
    user: str = ""
    """Account for HTTP basic authentication; empty for none."""
    password_file: Path | None = None
    """File that holds the password of the account, readable by the agent only."""
    token_file: Path | None = None
    """File that holds a bearer token, readable by the agent only."""
    ca_file: Path | None = None
    """Certificate of the authority that signed the exporter's certificate, in PEM, for https."""
    fingerprint: str = ""
    """SHA-256 of the exporter's certificate in hex, for https without an authority."""

    def __post_init__(self) -> None:
        at_least("prometheus.deadline_s", self.deadline_s, 0.1)
        at_least("prometheus.watch_s", self.watch_s, 0.0)
        if self.update_period_s is not None:
            at_least("prometheus.update_period_s", self.update_period_s, 0.001)
        page_access.check("prometheus", self)
        if self.source not in (*shipped(), CUSTOM):
            raise ConfigError(f"prometheus.source {self.source!r} is not known", f"use one of {', '.join((*shipped(), CUSTOM))}")
        if (self.source == CUSTOM) != (self.source_file is not None):
            raise ConfigError("prometheus.source_file and source custom go together", 'give source = "custom" and source_file')


class PrometheusMeter(AsyncMeter):
    """The devices on one page."""

    kind: ClassVar[str] = "prometheus"

    def __init__(self, config: PrometheusConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s, open_deadline_s=2 * config.deadline_s + config.watch_s)
        self._config = config
        self._host = host
        url = urlsplit(config.url)
        self._path = f"{url.path or '/metrics'}{'?' + url.query if url.query else ''}"
        trust = Trust(config.ca_file, config.fingerprint)
        self._session = HttpSession(f"{url.scheme}://{url.netloc}", config.deadline_s, trust)
        self._place = (parse_qs(url.query).get("target") or [url.netloc])[0].replace(":", "-").replace("/", "-")
        self._source = load(config.source_file or FOLDER / f"{config.source}.toml")
        self._headers: dict[str, str] = {}
        self._refresh = Refresh()
        self._measured_s: float | None = None

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Read the page, name its devices, and watch how often it is renewed, unless that is known from before."""
        self._headers = page_access.credentials(self.kind, self._config)
        await self._session.open()
        try:
            rows = await self._rows()
            found = shown(self._source, rows, self._place)
            if not found:
                raise MeterUnavailable(f"{self._config.url} {lack(self._source, rows)}", self._mending_step())
            if not self._source.on_scrape and self._measured_s is None:
                self._measured_s = await self._watched(rows)
        except MeterTransient as error:
            raise MeterUnavailable(error.what, error.next_step or self._mending_step()) from error
        return tuple(self._described(serial, device) for serial, device in found.items())

    async def poll(self, clock: Clock) -> list[Sample]:
        """One sample per device. A number on a page that has not changed since the last read is stale.

        Raises MeterGone when the page has devices that are not described, or is renewed in another rhythm than described: opened again,
        both are.
        """
        shift_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        rows = await self._rows()
        t_read1_ns = clock.mono_ns()
        found = {f"{self.kind}:{self._host}:{serial}": device for serial, device in shown(self._source, rows, self._place).items()}
        if not found:
            raise MeterTransient(f"{self._config.url} {lack(self._source, rows)}")
        if new := found.keys() - {device.device_id for device in self.info}:
            raise MeterGone(f"{self._config.url} shows {min(new)}, which it did not show before", AGAIN)
        still_s = None if self._source.on_scrape else self._refresh.look(rows, t_read1_ns)
        self._compare_rhythm()
        return [self._sample(device, found.get(device.device_id), (t_read0_ns, t_read1_ns, shift_ns), still_s) for device in self.info]

    async def disconnect(self) -> None:
        await self._session.close()

    async def _rows(self) -> list[Row]:
        """The rows on the page. Raises MeterTransient."""
        answer = await self._session.ask(self._path, headers={"Accept": ACCEPT, **self._headers})
        if answer.status != 200:
            raise page_access.refusal(self._config, answer)
        try:
            return parse_page(answer.body, answer.headers.get("content-type", ""), self._source.names)
        except MeterTransient as error:
            raise MeterTransient(f"{self._config.url}: {error.what}") from error

    async def _watched(self, rows: list[Row]) -> float | None:
        """The period of the page, seen by looking at it for `watch_s`; None when it was not renewed twice."""
        loop = asyncio.get_running_loop()
        watch = Refresh()
        watch.look(rows, round(loop.time() * NS_PER_S))
        end_s = loop.time() + self._config.watch_s
        while loop.time() + LOOK_S < end_s and watch.renewals < ENOUGH_RENEWALS:
            await asyncio.sleep(LOOK_S)
            watch.look(await self._rows(), round(loop.time() * NS_PER_S))
        return watch.period_s

    def _compare_rhythm(self) -> None:
        """Raise MeterGone when polling shows the page to be renewed in another rhythm than described."""
        seen_s = self._refresh.period_s
        if seen_s is None or self._refresh.renewals < POLLED_RENEWALS or not self._refresh.resolved:
            return
        meter = self.info[0].meters[0]
        described_s = meter.update_period_measured_s or meter.update_period_s
        if described_s is None or not described_s / DISAGREE <= seen_s <= described_s * DISAGREE:
            self._measured_s = seen_s
            raise MeterGone(f"{self._config.url} is renewed every {seen_s:.3g} s, not every {described_s or 0:g} s as described", AGAIN)

    def _sample(self, device: DeviceInfo, found: Shown | None, times: tuple[int, int, int], still_s: float | None) -> Sample:
        """What the page says of one device; `times`: read bracket, and UTC minus monotonic time."""
        if found is None:
            return Sample.gap(device, *times, f"{self._config.url} no longer shows this device")
        by_channel = {metric.channel_name: metric for metric in found.devices.metric}
        told = [reading(found, by_channel[meter.channel], still_s) for meter in device.meters]
        values, qualities, reasons, t_device_ns = zip(*told, strict=True)
        return Sample(device.device_id, *times, values, t_device_ns, qualities, reasons)

    def _described(self, serial: str, device: Shown) -> DeviceInfo:
        """A device with those of its metrics that the page has."""
        metrics = [metric for metric in device.devices.metric if metric.channel_name in device.rows]
        device_id = f"{self.kind}:{self._host}:{serial}"
        return DeviceInfo(device_id, tuple(self._meter(metric, device, device_id, serial) for metric in metrics))

    def _meter(self, metric: Metric, device: Shown, device_id: str, serial: str) -> MeterInfo:
        row, _ = device.row(metric)
        dated = self._config.trust_page_time and row is not None and row.t_ns is not None
        devices = device.devices
        return MeterInfo(
            meter_id=f"{device_id}:{metric.channel_name}",
            kind=self.kind,
            quantity=metric.quantity,
            exponent=metric.exponent,
            boundary=devices.boundary,
            current=devices.current,
            vendor=device.label(devices.maker) or devices.vendor,
            model=device.label(devices.model),
            serial=serial,
            firmware=device.label(devices.firmware),
            averaging=metric.averaging,
            update_period_s=self._config.update_period_s or self._source.update_period_s,
            update_period_measured_s=self._measured_s,
            timestamp_source=TimestampSource.DEVICE if dated else TimestampSource.READ_BRACKET,
            covers=self._covered(device, serial),
            interface="Prometheus text",
            note="; ".join(filter(None, (self._source.about, devices.note, self._origin(device)))),
        )

    def _covered(self, device: Shown, serial: str) -> tuple[str, ...]:
        """The GPU or package it measures, as other meters of this host call it where the exporter runs here.

        Cords are the operator's to name.
        """
        devices = device.devices
        if devices.boundary not in (Boundary.GPU, Boundary.PACKAGE):
            return ()
        here = urlsplit(self._config.url).hostname in ("localhost", "127.0.0.1", "::1", self._host)
        if not devices.covers or (devices.local and not here):
            return (serial,)
        name = legible(devices.covers.format_map(Labels(device.labels)))
        return (f"{self._host}/{name}" if devices.local else name,)

    def _origin(self, device: Shown) -> str:
        """Which host the page names, and whether it repeats a device for its parts."""
        host = device.label(device.devices.host)
        shared = f"mig_shared: the rows of {device.parts} instances repeat the whole device, which is read once" if device.parts else ""
        return "; ".join(filter(None, (f"host {host}" if host else "", shared)))

    def _mending_step(self) -> str:
        return f"check url and source (here {self._config.source}), and try: curl -sS '{self._config.url}'"


class Labels(dict[str, str]):
    """Labels of a row; one that is not there is empty."""

    def __missing__(self, key: str) -> str:
        return ""


def reading(device: Shown, metric: Metric, still_s: float | None) -> tuple[int | None, Quality, str, int | None]:
    """Value, quality, reason and time of one metric; `still_s`: since when the page repeats itself, None for a new page."""
    row, reason = device.row(metric)
    if row is None:
        return None, Quality.GAP, reason, None
    value, quality, reason = metric.judged(row.value)
    if quality is Quality.OK and still_s is not None:
        quality, reason = Quality.STALE, f"the page has not changed for {still_s:.3g} s"
    return value, quality, reason, row.t_ns


def lack(source: Source, rows: list[Row]) -> str:
    """What is wrong with a page on which no device was found."""
    present = sorted({row.name for row in rows} - {*source.pulse})
    if not present:
        return f"has none of the metrics of {source.about}"
    wanted = sorted({label for devices in source.device for label in (*devices.serial, *devices.select)})
    labels = sorted({label for row in rows for label in row.labels})
    return f"has {present[0]}, but not with the labels {', '.join(wanted)} that name a device; it has {', '.join(labels) or 'none'}"


DRIVER: Final = Driver("prometheus", PrometheusConfig, lambda config, host: PrometheusMeter(config, host=host))
"""Never discovered: a page needs an address."""
