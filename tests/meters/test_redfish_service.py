from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from joulemark.errors import MeterError, MeterTransient
from joulemark.meters import http
from joulemark.meters.http import HttpSession
from joulemark.meters.redfish_service import Missing, Service
from tests.meters.living.redfish import serving
from tests.standins.redfish_standin import ENVIRONMENT, PASSWORD, ROOT, RedfishServer

Work = Callable[[Service], Awaitable[Any]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedfishServer]:
    with serving(tmp_path, tls=False) as running:
        yield running


def entered(server: RedfishServer, work: Work) -> Any:
    """What `work` makes of a service that is logged in to."""

    async def run() -> Any:
        session = HttpSession(server.url, 1.0)
        await session.open()
        service = Service(session, "admin", PASSWORD)
        try:
            await service.enter()
            return await work(service)
        finally:
            await service.leave()
            await session.close()

    return asyncio.run(run())


def refused(server: RedfishServer, path: str = ENVIRONMENT) -> MeterError:
    with pytest.raises(MeterError) as raised:
        entered(server, lambda service: service.get(path))
    return raised.value


def test_a_session_is_ended(server: RedfishServer) -> None:
    """Leaving ends the session at the address that the service gave it, though that is a whole URL."""
    entered(server, lambda service: service.get(ENVIRONMENT))
    assert server.session_count == 0
    assert server.requests[-1] == ("DELETE", f"{ROOT}/SessionService/Sessions/1")


def test_leaving_a_hung_service_takes_no_time(server: RedfishServer) -> None:
    """A service that does not take the goodbye is left as it is."""

    async def work(service: Service) -> float:
        server.hang()
        begin_s = asyncio.get_running_loop().time()
        await service.leave()
        return asyncio.get_running_loop().time() - begin_s

    assert entered(server, work) < 0.6


@pytest.mark.parametrize("whole", [False, True])
def test_a_redirect_on_the_service_is_followed(server: RedfishServer, whole: bool) -> None:
    """A path that moved on the same service is found, whether the answer names it as a path or as a URL."""

    async def moved(_request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": f"{server.url if whole else ''}{ENVIRONMENT}"})

    server.overrides = {f"{ROOT}/old": moved}
    assert "PowerWatts" in entered(server, lambda service: service.get(f"{ROOT}/old"))


@pytest.mark.parametrize("there", ["https://evil.example/x", "//evil.example/x", "ftp://x", ""])
def test_a_redirect_elsewhere_is_told(server: RedfishServer, there: str) -> None:
    """Another host is never asked, and no token goes there; the error says where the service points."""

    async def moved(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": there})

    server.overrides = {ENVIRONMENT: moved}
    error = refused(server)
    assert "status 302" in error.what or "status 404" in error.what


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"<html><body>Login</body></html>", "no JSON"), (b"", "answered nothing"), (b"[1]", "no JSON object"), (b'{"a": 1', "no JSON")],
)
def test_what_is_no_resource(server: RedfishServer, body: bytes, words: str) -> None:
    """A page, nothing, a list and half an object are no resource: told for one that is read, empty for one that is looked for."""

    async def odd(_request: web.Request) -> web.Response:
        return web.Response(body=body)

    server.overrides = {ENVIRONMENT: odd}
    error = refused(server)
    assert isinstance(error, Missing)
    assert words in error.what
    assert error.next_step
    assert entered(server, lambda service: service.find(ENVIRONMENT)) == {}


def test_a_huge_answer_is_cut(server: RedfishServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer beyond the bound is an error, not memory."""
    monkeypatch.setattr(http, "MAX_BYTES", 100_000)
    server.overrides = {ENVIRONMENT: {"Name": "x" * 200_000}}
    assert "answers more than" in refused(server).what


def test_a_busy_service_is_not_an_absent_part(server: RedfishServer) -> None:
    """503 while looking for a part is an error: a busy service must not seem to have none."""
    server.overrides = {ENVIRONMENT: 503}
    with pytest.raises(MeterTransient, match="again after 30 s"):
        entered(server, lambda service: service.find(ENVIRONMENT))


def test_a_root_that_wants_a_login(server: RedfishServer) -> None:
    """A service that shows its root only to who is logged in is entered all the same."""

    async def guarded(request: web.Request) -> web.Response:
        known = request.headers.get("X-Auth-Token") in server.tokens
        return web.json_response(server.resources()[ROOT]) if known else web.Response(status=401)

    server.overrides = {ROOT: guarded}
    assert "PowerWatts" in entered(server, lambda service: service.get(ENVIRONMENT))


def test_no_error_tells_the_password(server: RedfishServer) -> None:
    """Neither the refusal of an account nor any other error holds the password."""
    server.login_status = 403
    with pytest.raises(MeterError) as raised:
        entered(server, lambda service: service.get(ENVIRONMENT))
    assert "refuses user 'admin'" in raised.value.what
    assert PASSWORD not in str(raised.value)
