"""Metric reports that a Redfish service pushes as server-sent events: the newest value of each metric, for a moment.

Source: DMTF DSP0266 (Redfish specification 1.20), section 12.5 (server-sent events); schema MetricReport 1.5; HTML standard, section
9.2 (event stream).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from joulemark.errors import MeterTransient
from joulemark.meters.http import HttpSession
from joulemark.meters.redfish_resources import mapping, sequence, utc_ns
from joulemark.meters.redfish_service import Service
from joulemark.units import NS_PER_S

FRESH_S: Final = 1.0
"""How old a pushed value may be when its report is sent, and how long it stands for a read after it arrived."""

IDLE_S: Final = 120.0
"""A stream that says nothing for so long is opened anew."""

RETRY_S: Final = 30.0
"""Wait before a stream that ended is opened again."""

MAX_EVENT_BYTES: Final = 1 << 20


class Pushed(NamedTuple):
    """A value of a metric as it stands in a report, and its date (UTC) by the clock of the BMC."""

    raw: Any
    t_ns: int | None


class Events:
    """Cuts an event stream into the data of its events."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of each event that `piece` completes. Raises MeterTransient for an event that does not end."""
        *lines, self._rest = (self._rest + piece).replace(b"\r\n", b"\n").split(b"\n")
        found = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
                self._held += len(line)
            elif not line.strip() and self._data:
                found.append(b"\n".join(self._data))
                self._data, self._held = [], 0
        if len(self._rest) + self._held > MAX_EVENT_BYTES:
            raise MeterTransient(f"an event of the stream is longer than {MAX_EVENT_BYTES >> 20} MiB")
        return found


def pushed(data: bytes) -> dict[str, Pushed]:
    """The newest value of each metric property in a report; empty for another event and for what is no JSON.

    A value that was older than `FRESH_S` when the report was sent is left out, and so is one whose age the report does not tell.
    """
    try:
        report = json.loads(data, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return {}
    sent_ns = utc_ns(mapping({"report": report}, "report").get("Timestamp"))
    found: dict[str, Pushed] = {}
    for entry in sequence(mapping({"report": report}, "report"), "MetricValues"):
        name, t_ns = mapping({"entry": entry}, "entry").get("MetricProperty"), utc_ns(mapping({"entry": entry}, "entry").get("Timestamp"))
        if not isinstance(name, str) or t_ns is None or sent_ns is None or sent_ns - t_ns > FRESH_S * NS_PER_S:
            continue
        if name not in found or t_ns >= (found[name].t_ns or 0):
            found[name] = Pushed(entry.get("MetricValue"), t_ns)
    return found


def stream_path(event_service: Mapping[str, Any]) -> str:
    """Where the service streams metric reports; "" where it does not. Filtered to them where the service can."""
    path = event_service.get("ServerSentEventUri")
    if not isinstance(path, str) or not path.startswith("/") or event_service.get("ServiceEnabled") is False:
        return ""
    can_filter = mapping(event_service, "SSEFilterPropertiesSupported").get("EventFormatType") is True
    return f"{path}?$filter=EventFormatType%20eq%20MetricReport" if can_filter else path


class Reports:
    """Listens to a stream in a task of its own, and keeps values of the metrics `names` for `FRESH_S`: no clock tells that one is old."""

    def __init__(self, http: HttpSession, service: Service, path: str, names: frozenset[str]) -> None:
        self._http, self._service, self._path, self._names = http, service, path, names
        self._newest: dict[str, Pushed] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen until `stop`."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Listen no more. Safe at any time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._task = None

    def taken(self, names: frozenset[str]) -> Pushed | None:
        """The value of the metric that has one of `names`, if it came just now; each is given out once."""
        return next((self._newest.pop(name) for name in names if name in self._newest), None)

    def has(self, names: frozenset[str]) -> bool:
        """Whether `taken` would give one."""
        return not names.isdisjoint(self._newest)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._http.streamed(self._path, headers=self._service.headers, idle_s=IDLE_S) as pieces:
                    await self._keep(pieces)
            except MeterTransient:
                pass  # reads ask for the values as long as none are pushed
            await asyncio.sleep(RETRY_S)

    async def _keep(self, pieces: AsyncIterator[bytes]) -> None:
        events = Events()
        async for piece in pieces:
            for data in events.feed(piece):
                found = {name: value for name, value in pushed(data).items() if name in self._names}
                self._newest.update(found)
                asyncio.get_running_loop().call_later(FRESH_S, self._forget, found)

    def _forget(self, found: Mapping[str, Pushed]) -> None:
        for name, value in found.items():
            if self._newest.get(name) is value:
                del self._newest[name]
