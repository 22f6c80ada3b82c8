"""Shelly devices on loopback: an aiohttp server in a thread that speaks the RPC of the second generation, with digest authentication."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiohttp import web

from tests.standins.modbus_standin import free_tcp_port

T = TypeVar("T")


def plug(power_w: float = 120.5, energy_wh: float = 5000.0, **more: Any) -> dict[str, Any]:
    """A `switch:0` of a plug."""
    energy = {"total": energy_wh, "by_minute": [0.0, 0.0, 0.0], "minute_ts": 1_795_000_020}
    return {"id": 0, "source": "init", "output": True, "apower": power_w, "voltage": 230.4, "aenergy": energy, **more}


def three_phase(watts: tuple[float, float, float], wh: tuple[float, float, float], **more: Any) -> dict[str, Any]:
    """`em:0` and `emdata:0` of a Pro 3EM."""
    em: dict[str, Any] = {"id": 0, "total_act_power": round(sum(watts), 3), "n_current": None, "user_calibrated_phase": [], **more}
    data: dict[str, Any] = {"id": 0, "total_act": round(sum(wh), 2), "total_act_ret": 0.0}
    for phase, power_w, energy_wh in zip("abc", watts, wh, strict=True):
        em |= {f"{phase}_act_power": power_w, f"{phase}_voltage": 230.1}
        data |= {f"{phase}_total_act_energy": energy_wh}
    return {"em:0": em, "emdata:0": data}


class Shelly:
    """One device. `identity`: what `/shelly` says; `status`: its components; `password`: empty for none. The counter grows."""

    def __init__(
        self,
        *,
        identity: dict[str, Any] | None = None,
        status: dict[str, Any] | None = None,
        password: str = "",
        reuses_nonce: bool = True,
    ) -> None:
        self.identity = identity or {
            "id": "shellyplusplugs-a8032ab12345",
            "mac": "A8032AB12345",
            "model": "SNPL-00112EU",
            "gen": 2,
            "ver": "1.4.4",
            "app": "PlusPlugS",
            "auth_en": bool(password),
        }
        self.status: dict[str, Any] = status if status is not None else {"switch:0": plug()}
        self.status.setdefault("sys", {"mac": self.identity.get("mac"), "unixtime": int(time.time()), "uptime": 1234})
        self.password = password
        self.reuses_nonce = reuses_nonce
        self.port = free_tcp_port()
        self.asked: list[str] = []
        self.grows_since_s: float | None = None
        self._nonce = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="shelly-standin", daemon=True)
        self._thread.start()
        self._answering = self._run(_event())
        self._answering.set()
        self._runner: web.AppRunner | None = None

    def set_power_w(self, power_w: float) -> None:
        """What the plug measures from now on; its counter goes on from where it stands."""
        self._grow()
        self.status["switch:0"]["apower"] = round(power_w, 1)
        self.grows_since_s = time.monotonic()

    def start(self) -> None:
        """Listen; nothing happens where it does."""
        if self._runner is None:
            self._runner = self._run(self._listen())

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            self._run(self._runner.cleanup())
        self._runner = None

    def hang(self) -> None:
        """Take questions, and answer none."""
        self._loop.call_soon_threadsafe(self._answering.clear)

    def resume(self) -> None:
        """Answer again."""
        self._loop.call_soon_threadsafe(self._answering.set)

    def close(self) -> None:
        """End the thread."""
        self.resume()
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _listen(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/shelly", self._who)
        app.router.add_get("/rpc/Shelly.GetStatus", self._what)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        return runner

    async def _who(self, request: web.Request) -> web.Response:
        await self._answering.wait()
        self.asked.append(request.path)
        return web.json_response(self.identity)

    async def _what(self, request: web.Request) -> web.Response:
        await self._answering.wait()
        self.asked.append(request.path)
        if self.password and not self._known(request.headers.get("Authorization", "")):
            self._nonce = secrets.token_hex(8)
            challenge = f'Digest qop="auth", realm="{self.identity["id"]}", nonce="{self._nonce}", algorithm=SHA-256'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        self._grow()
        return web.json_response(self.status)

    def _known(self, authorization: str) -> bool:
        """Whether the request carries the right digest (RFC 7616) for a nonce that was given out; old firmware takes each only once."""
        said = {key: quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', authorization)}
        if not self._nonce or said.get("nonce") != self._nonce or said.get("username") != "admin":
            return False
        ha1 = _sha256(f"admin:{self.identity['id']}:{self.password}")
        ha2 = _sha256(f"GET:{said['uri']}")
        right = _sha256(":".join((ha1, self._nonce, said["nc"], said["cnonce"], said["qop"], ha2)))
        if not self.reuses_nonce:
            self._nonce = ""
        return said.get("response") == right

    def _grow(self) -> None:
        if self.grows_since_s is None:
            return
        now_s = time.monotonic()
        switch = self.status["switch:0"]
        grown_wh = switch["apower"] * (now_s - self.grows_since_s) / 3600
        switch["aenergy"]["total"] = round(switch["aenergy"]["total"] + grown_wh, 3)
        self.grows_since_s = now_s


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _event() -> asyncio.Event:
    return asyncio.Event()
