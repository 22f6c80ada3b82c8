"""A Redfish service that is logged in to: resources by path, one session, and a new login when the old one has ended.

Source: DMTF DSP0266 (Redfish specification 1.20), section 13 (security details): session login, X-Auth-Token, HTTP basic.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from joulemark.errors import MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.http import REDIRECTS, Answer, HttpSession
from joulemark.meters.redfish_resources import link, path_of

ROOT: Final = "/redfish/v1/"
SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
NOT_THERE: Final = frozenset({403, 404, 405, 410, 500, 501})
"""What services answer for a resource that they name and do not have."""

NO_SESSIONS: Final = frozenset({404, 405, 501})
GOODBYE_S: Final = 0.4
"""How long the end of a session, and of a login under way, may each take."""


class Missing(MeterTransient):
    """The service answers, but not with this resource."""


class Service:
    """Resources of the service behind `http`, read in the name of `user`."""

    def __init__(self, http: HttpSession, user: str, password: str) -> None:
        self._http, self._user, self._password = http, user, password
        self._headers: Mapping[str, str] = {}
        self._sessions, self._own_session = SESSIONS, ""
        self._login: asyncio.Task[None] | None = None
        self._may_log_in = True

    @property
    def headers(self) -> Mapping[str, str]:
        """What shows who asks: for a stream that is read beside the resources."""
        return self._headers

    async def enter(self) -> Mapping[str, Any]:
        """Log in, and return the service root. Raises MeterUnavailable when the account is refused, MeterTransient."""
        answer = await self._ask(ROOT)
        root = {} if answer.status == 401 else resource(answer, ROOT)
        self._sessions = link(root, "Links", "Sessions") or SESSIONS
        await self._logged_in()
        return root or await self.get(ROOT)

    def begin_poll(self) -> None:
        """From here on one new login is allowed."""
        self._may_log_in = True

    async def get(self, path: str) -> Mapping[str, Any]:
        """The resource at `path`. Raises Missing, MeterTransient, and MeterGone when the account is refused by now."""
        shown = self._headers
        answer = await self._ask(path)
        if answer.status == 401:
            await self._renewed(shown)
            answer = await self._ask(path)
        return resource(answer, path)

    async def find(self, path: str) -> Mapping[str, Any]:
        """The resource at `path`, empty where there is none. Raises MeterTransient when the service does not answer, or is busy."""
        try:
            return await self.get(path) if path else {}
        except Missing:
            return {}

    async def leave(self) -> None:
        """End the session, also one whose login is still under way. Raises nothing."""
        try:
            if self._login is not None:
                await asyncio.wait({self._login}, timeout=GOODBYE_S)
                self._login.cancel()
            if self._own_session:
                async with asyncio.timeout(GOODBYE_S):
                    await self._http.ask(self._own_session, method="DELETE", headers=self._headers)
        except (MeterTransient, TimeoutError):
            pass  # a service that takes no goodbye ends the session by itself, when it has been idle for a while
        self._headers, self._own_session, self._login = {}, "", None

    async def _ask(self, path: str) -> Answer:
        """The answer to a GET; a redirect to another path of the service is followed once, one to anywhere else never."""
        answer = await self._http.ask(path, headers=self._headers)
        if answer.status in REDIRECTS and (there := self._same_service(answer.headers.get("location", ""))):
            return await self._http.ask(there, headers=self._headers)
        return answer

    def _same_service(self, location: str) -> str:
        """The path of `location` if it lies on this service, else ""."""
        base = self._http.base
        return path_of(location.removeprefix(base) if location.startswith(f"{base}/") else location)

    async def _renewed(self, shown: Mapping[str, str]) -> None:
        """Log in again, unless another request has done so since `shown` was sent. Raises MeterTransient and MeterGone."""
        if self._headers is not shown:
            return
        if not self._may_log_in and (self._login is None or self._login.done()):
            raise MeterTransient(f"{self._http.base} ends a new session at once", "look at the session limit and timeout of the BMC")
        self._may_log_in = False
        try:
            await self._logged_in()
        except MeterUnavailable as error:
            raise MeterGone(error.what, error.next_step) from error

    async def _logged_in(self) -> None:
        """A login that goes on when the poll that wanted it is out of time: cut off, it would leave a session behind at each poll."""
        if self._login is None or self._login.done():
            self._login = asyncio.create_task(self._log_in())
            self._login.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._login)

    async def _log_in(self) -> None:
        account = {"UserName": self._user, "Password": self._password}
        answer = await self._http.ask(self._sessions, method="POST", body=account)
        token = answer.headers.get("x-auth-token")
        if 200 <= answer.status < 300 and token:
            self._own_session, self._headers = session_path(answer), {"X-Auth-Token": token}
        elif 200 <= answer.status < 300 or answer.status in NO_SESSIONS:
            self._own_session, self._headers = "", basic(self._user, self._password)
            await self._check_basic()
        else:
            raise self._refused(answer)

    async def _check_basic(self) -> None:
        """HTTP basic is refused at the first protected resource only: ask for one. Raises MeterUnavailable."""
        answer = await self._ask(SESSIONS.rpartition("/")[0])
        if answer.status == 401:
            self._headers = {}
            raise self._refused(answer)

    def _refused(self, answer: Answer) -> MeterTransient | MeterUnavailable:
        if answer.status in (401, 403) or (answer.status == 400 and b"SessionLimit" not in answer.body):
            what = f"{self._http.base} refuses user {self._user!r} (status {answer.status})"
            return MeterUnavailable(what, "correct user or password_file, and see that the account may log in by Redfish")
        if answer.status == 503 or b"SessionLimit" in answer.body:
            what = f"{self._http.base} takes no further session (status {answer.status}{later(answer)})"
            return MeterTransient(what, "end sessions that other programs left on the BMC, or wait until they time out")
        return MeterTransient(f"{self._http.base}{self._sessions} answers a login with status {answer.status}", "check that url is a BMC")


def resource(answer: Answer, path: str) -> Mapping[str, Any]:
    """The JSON object in `answer`, numbers as printed. Raises Missing and MeterTransient."""
    if answer.status in NOT_THERE:
        raise Missing(f"{path} answers status {answer.status}", "check in the BMC's pages that the part is there")
    if answer.status != 200:
        raise MeterTransient(f"{path} answers status {answer.status}{later(answer)}{elsewhere(answer)}", "look at the state of the BMC")
    try:
        found = answer.json(number=Decimal)
    except MeterTransient as error:
        raise Missing(f"{path} {error.what}", "check that url is the address of the BMC's Redfish service") from error
    if not isinstance(found, dict):
        raise Missing(f"{path} is no JSON object", "check that url is the address of the BMC's Redfish service")
    return found


def later(answer: Answer) -> str:
    """When a busy service wants to be asked again, in words."""
    after = answer.headers.get("retry-after", "")
    return f", again after {after[:40]} s" if after.isdecimal() else ""


def elsewhere(answer: Answer) -> str:
    """Where a service points to that is not asked there, in words."""
    return f", to {answer.headers.get('location', 'nowhere')[:100]}" if answer.status in REDIRECTS else ""


def session_path(answer: Answer) -> str:
    """The path of a new session, which ends it; "" where the service tells none."""
    try:
        return path_of(urlsplit(answer.headers.get("location", "") or odata_id(answer)).path)
    except ValueError:
        return ""


def odata_id(answer: Answer) -> str:
    """The path that a service gives a new session in the body."""
    try:
        return link({"session": answer.json()}, "session")
    except MeterTransient:
        return ""


def basic(user: str, password: str) -> Mapping[str, str]:
    """The header of HTTP basic authentication (RFC 7617)."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
