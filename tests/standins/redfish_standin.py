"""A Redfish service on loopback, over TLS: sessions that end, a session limit, slow and hung answers, metric reports, odd firmware.

It serves resources that a test may change by path. `set_power_w` changes what it measures; its energy is the exact integral.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import secrets
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from tests import certificates

ROOT = "/redfish/v1"
USER = "admin"
PASSWORD = "secret12"
SESSIONS = f"{ROOT}/SessionService/Sessions"
ENVIRONMENT = f"{ROOT}/Chassis/1U/EnvironmentMetrics"
POWER = f"{ROOT}/Chassis/1U/Power"
SENSOR = f"{ROOT}/Chassis/1U/Sensors/TotalPower"
THERMAL = f"{ROOT}/Chassis/1U/ThermalSubsystem"
THERMAL_METRICS = f"{THERMAL}/ThermalMetrics"
INLET = f"{ROOT}/Chassis/1U/Sensors/InletTemp"
SUPPLIES = f"{ROOT}/Chassis/1U/PowerSubsystem/PowerSupplies"
SYSTEM_UUID = "38947555-7742-3448-3784-823347823834"
OFFSET_H = 6
"""Its clock shows a zone six hours east of UTC."""

Override = Callable[[web.Request], Awaitable[web.StreamResponse]] | Mapping[str, Any] | int


def ref(path: str) -> dict[str, str]:
    return {"@odata.id": path}


class RedfishServer:
    """One service in `folder`; `start` and `stop` may alternate, address and account stay. Runs in a thread of its own.

    `overrides`: path -> object, status or handler that is served instead. `login_status`: 201 gives a token, 204 none.
    `inlet_c`: what its thermometer at the intake shows; None where it has none.
    """

    def __init__(self, folder: Path, *, power_w: float = 512.0, tls: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.ca_file: Path | None = None
        self._context: ssl.SSLContext | None = None
        if tls:
            authority = certificates.authority(folder / "pki")
            issued = certificates.collector(authority, "bmc")
            self.ca_file, self.cert_file = authority.certificate_file, issued.cert_file
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(issued.cert_file, issued.key_file)
        self.overrides: dict[str, Override] = {}
        self.login_status, self.session_limit, self.session_s = 201, 8, 3600.0
        self.inlet_c: float | None = None
        self.delay_s, self.report_period_s, self.report_age_s = 0.0, 0.2, 0.0
        self.tokens: dict[str, tuple[str, float]] = {}
        self.requests: list[tuple[str, str]] = []
        self.logins = self.most_at_once = self._busy = 0
        self._power_w, self._energy_j, self._since_s = power_w, 1_000_000.0, time.monotonic()
        self._running = asyncio.Event()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="redfish-standin")
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, at the port of the last time."""
        self._do(self._start())

    def stop(self) -> None:
        """Drop every connection and serve no more; sessions are forgotten, as after a restart."""
        self._do(self._stop())
        self.tokens.clear()

    def end(self) -> None:
        """Stop for good."""
        self.stop()
        self._do(self._cancel_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hang(self) -> None:
        """Take requests and answer none."""
        self._loop.call_soon_threadsafe(self._running.clear)

    def resume(self) -> None:
        """Answer again, what waits too."""
        self._loop.call_soon_threadsafe(self._running.set)

    def set_power_w(self, power_w: float) -> None:
        """What it measures from now on."""
        self._energy_j, self._since_s, self._power_w = self.energy_j, time.monotonic(), power_w

    def restart_counter(self) -> None:
        """Its energy begins at zero, as after a restart of the BMC."""
        self._energy_j, self._since_s = 0.0, time.monotonic()

    @property
    def energy_j(self) -> float:
        """The integral of the power that was set."""
        return self._energy_j + self._power_w * (time.monotonic() - self._since_s)

    @property
    def session_count(self) -> int:
        """Sessions that are open."""
        return len(self.tokens)

    def expire_sessions(self) -> None:
        """End all sessions."""
        self.tokens.clear()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        self._running.set()
        app = web.Application(middlewares=[self._guard])
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _cancel_rest(self) -> None:
        """End handlers whose connection went away while they hung."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Delay, hang, and who may ask."""
        self.requests.append((request.method, request.path))
        await self._running.wait()
        await asyncio.sleep(self.delay_s)
        open_to_all = request.path.rstrip("/") == ROOT or (request.path == SESSIONS and request.method == "POST")
        if not open_to_all and not self._known(request):
            return web.json_response({"error": {"code": "Base.1.0.NoValidSession"}}, status=401)
        self._busy += 1
        self.most_at_once = max(self.most_at_once, self._busy)
        try:
            answer: web.StreamResponse = await handler(request)
        finally:
            self._busy -= 1
        return answer

    def _known(self, request: web.Request) -> bool:
        if request.headers.get("Authorization") == f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}":
            return True
        token = request.headers.get("X-Auth-Token", "")
        path, end_s = self.tokens.get(token, ("", 0.0))
        if time.monotonic() > end_s:
            self.tokens.pop(token, None)
            return False
        self.tokens[token] = path, time.monotonic() + self.session_s
        return True

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if path == SESSIONS and request.method == "POST":
            return self._log_in(await request.json())
        if request.method == "DELETE":
            self.tokens = {token: held for token, held in self.tokens.items() if held[0] != path}
            return web.Response(status=204)
        override = self.overrides.get(path)
        if callable(override):
            return await override(request)
        if isinstance(override, int):
            return web.Response(status=override, headers={"Retry-After": "30"} if override == 503 else {})
        if path == f"{ROOT}/EventService/SSE":
            return await self._stream(request)
        found = override if override is not None else self.resources().get(path)
        return web.json_response(found) if found is not None else web.json_response({"error": {}}, status=404)

    def _log_in(self, account: Mapping[str, Any]) -> web.Response:
        self.logins += 1
        if (account.get("UserName"), account.get("Password")) != (USER, PASSWORD):
            return web.json_response({"error": {"code": "Base.1.0.ResourceAtUriUnauthorized"}}, status=401)
        if self.login_status != 201:
            return web.Response(status=self.login_status)
        if len(self.tokens) >= self.session_limit:
            return web.json_response({"error": {"code": "Base.1.0.SessionLimitExceeded"}}, status=503)
        token, path = secrets.token_hex(16), f"{SESSIONS}/{self.logins}"
        self.tokens[token] = path, time.monotonic() + self.session_s
        return web.json_response({"@odata.id": path}, status=201, headers={"X-Auth-Token": token, "Location": self.url + path})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        try:
            while True:
                report = json.dumps(self.report(), indent=1).replace("\n", "\ndata: ")
                await stream.write(f": a comment\r\nid: 1\r\ndata: {report}\n\n".encode())
                await asyncio.sleep(self.report_period_s)
                await self._running.wait()
        except ConnectionResetError:
            return stream

    def now(self, ago_s: float = 0.0) -> str:
        """Its time, with its zone."""
        zone = datetime.timezone(datetime.timedelta(hours=OFFSET_H))
        return (datetime.datetime.now(zone) - datetime.timedelta(seconds=ago_s)).isoformat(timespec="milliseconds")

    def report(self) -> dict[str, Any]:
        """A metric report: values are text, the newest last."""
        metric = {"MetricId": "TotalPower", "MetricProperty": SENSOR}
        values = [
            {**metric, "MetricValue": f"{self._power_w + 0.5 * age:.1f}", "Timestamp": self.now(self.report_age_s + 0.1 * age)}
            for age in (2, 1, 0)
        ]
        return {"@odata.type": "#MetricReport.v1_4_2.MetricReport", "Timestamp": self.now(), "MetricValues": values}

    def resources(self) -> dict[str, dict[str, Any]]:
        """Path to resource, as of now."""
        power_w, energy_j = round(self._power_w, 1), self.energy_j
        chassis = f"{ROOT}/Chassis/1U"
        supplies = {
            f"{SUPPLIES}/{name}": {
                "Id": name,
                "Manufacturer": "Delta",
                "Model": "DPS-1600",
                "SerialNumber": f"PSU-{i}",
                "PowerSupplyType": "AC",
                "Status": {"State": "Enabled"},
                "Metrics": ref(f"{SUPPLIES}/{name}/Metrics"),
            }
            for i, name in enumerate(("Bay1", "Bay2"))
        }
        metrics = {
            f"{path}/Metrics": {
                "InputPowerWatts": {"Reading": round(power_w / 2, 1)},
                "EnergykWh": {"Reading": round(energy_j / 2 / 3.6e6, 4)},
                "Status": {"State": "Enabled"},
            }
            for path in supplies
        }
        return {
            ROOT: {
                "RedfishVersion": "1.20.0",
                "Vendor": "Contoso",
                "Chassis": ref(f"{ROOT}/Chassis"),
                "Managers": ref(f"{ROOT}/Managers"),
                "EventService": ref(f"{ROOT}/EventService"),
                "Links": {"Sessions": ref(SESSIONS)},
            },
            f"{ROOT}/SessionService": {"SessionTimeout": 300},
            f"{ROOT}/Managers": {"Members": [ref(f"{ROOT}/Managers/BMC")]},
            f"{ROOT}/Managers/BMC": {"FirmwareVersion": "7.10.30"},
            f"{ROOT}/Systems/1": {"UUID": SYSTEM_UUID, "Manufacturer": "Contoso", "Model": "3500"},
            f"{ROOT}/Chassis": {"Members": [ref(chassis)]},
            chassis: {
                "Id": "1U",
                "ChassisType": "RackMount",
                "Manufacturer": "Contoso",
                "Model": "3500RX",
                "SerialNumber": "437XR1138R2",
                "Links": {"ComputerSystems": [ref(f"{ROOT}/Systems/1")], "ManagedBy": [ref(f"{ROOT}/Managers/BMC")]},
                "EnvironmentMetrics": ref(ENVIRONMENT),
                "PowerSubsystem": ref(f"{chassis}/PowerSubsystem"),
                "Power": ref(POWER),
                "ThermalSubsystem": ref(THERMAL),
            },
            ENVIRONMENT: {
                "PowerWatts": {"Reading": power_w, "DataSourceUri": SENSOR},
                "EnergykWh": {"Reading": round(energy_j / 3.6e6, 6)},
            },
            SENSOR: {
                "Reading": power_w,
                "ReadingUnits": "W",
                "ReadingTime": self.now(),
                "SensingInterval": "PT0.25S",
                "ReadingAccuracy": 6.0,
                "ReadingRangeMax": 3000,
                "VoltageType": "AC",
            },
            **self.thermal(),
            f"{chassis}/PowerSubsystem": {"PowerSupplies": ref(SUPPLIES)},
            SUPPLIES: {"Members": [ref(path) for path in supplies]},
            **supplies,
            **metrics,
            POWER: {
                "PowerControl": [{"PowerConsumedWatts": round(power_w), "PowerMetrics": {"IntervalInMin": 1}, "PowerCapacityWatts": 3200}]
            },
            f"{ROOT}/EventService": {
                "ServiceEnabled": True,
                "ServerSentEventUri": f"{ROOT}/EventService/SSE",
                "SSEFilterPropertiesSupported": {"EventFormatType": True},
            },
        }

    def thermal(self) -> dict[str, dict[str, Any]]:
        """What it tells of the air at its intake."""
        if self.inlet_c is None:
            return {}
        intake = {"Reading": self.inlet_c, "DataSourceUri": INLET}
        return {
            THERMAL: {"ThermalMetrics": ref(THERMAL_METRICS)},
            THERMAL_METRICS: {"TemperatureSummaryCelsius": {"Intake": intake, "Exhaust": {"Reading": self.inlet_c + 14.0}}},
            INLET: {"Reading": self.inlet_c, "ReadingUnits": "Cel", "ReadingType": "Temperature", "ReadingAccuracy": 1.5},
        }
