"""HTTP for meters: one session per device, with a deadline for each request, a bound on each answer, and errors that tell what to do.

The only importer of aiohttp among the meters. Nothing is taken from the environment: a proxy stands between no meter and its agent.
Cookies are not kept, and answers are asked for as they are, not compressed: a few kilobytes could unfold to any length.

A connection that the server gave up between two requests is replaced, and the request sent once more, where it is one that may be
sent twice (GET, DELETE; RFC 9110, section 9.2.2): aiohttp does so. A POST is never sent twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from joulemark.errors import ConfigError, MeterTransient

MAX_BYTES: Final = 8 << 20
"""Longest answer that is taken: a page of a node exporter has some hundred kilobytes."""

TLS_GOODBYE_S: Final = 0.05
"""What TLS needs to end a connection, also one that was refused, before the loop may end (aiohttp, "Graceful shutdown")."""

REDIRECTS: Final = (301, 302, 303, 307, 308)

FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
"""What aiohttp raises when a request fails; the last for an address or a header that cannot be sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, *, number: Callable[[str], Any] = float) -> Any:
        """The body as JSON; `number` makes one out of a number that is not whole, also out of NaN and Infinity, which some devices send.

        Raises MeterTransient when it is no JSON.
        """
        try:
            return json.loads(self.body, parse_float=number, parse_constant=number)
        except (ValueError, ArithmeticError, RecursionError) as error:
            what = f"answered {self.body[:60]!r}, which is no JSON" if self.body else "answered nothing"
            raise MeterTransient(what, "check that the address is that of the device") from error


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom an https device has to be: `ca_file` signed its certificate, or the certificate has this SHA-256 `fingerprint`.

    With neither, an authority that this machine trusts must have signed it.
    """

    ca_file: Path | None = None
    fingerprint: str = ""

    def ssl(self) -> ssl.SSLContext | aiohttp.Fingerprint:
        """What aiohttp checks. Raises ConfigError for a file or a fingerprint that is none."""
        if self.fingerprint:
            try:
                return aiohttp.Fingerprint(bytes.fromhex(self.fingerprint.replace(":", "")))
            except ValueError as error:
                raise ConfigError(f"fingerprint {self.fingerprint!r} is no SHA-256: {error}", "write its 64 hex digits") from error
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigError(f"cannot use the certificate {self.ca_file}: {error}", "name the PEM file of the authority") from error


@dataclass(slots=True)
class HttpSession:
    """Requests to one device at `base` (scheme://host:port). `digest`: name and password for HTTP digest authentication.

    `connections`: how many the device is asked to hold at one time.
    """

    base: str
    deadline_s: float
    trust: Trust = field(default_factory=Trust)
    digest: tuple[str, str] | None = field(default=None, repr=False)
    connections: int = 2
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)

    async def open(self) -> None:
        """Make the session; nothing is sent yet. Raises ConfigError."""
        await self.close()
        trusted = self.trust.ssl() if self.base.startswith("https:") else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.connections, ssl=trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "joulemark"},
            middlewares=(aiohttp.DigestAuthMiddleware(*self.digest),) if self.digest else (),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection. Safe at any time."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            if self.base.startswith("https:"):
                await asyncio.sleep(TLS_GOODBYE_S)

    async def ask(self, path: str, *, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to one request, whatever its status; `body` is sent as JSON. A redirect is an answer, never followed.

        Raises MeterTransient when there is no whole answer within the deadline, or a longer one than `MAX_BYTES`.
        """
        try:
            async with asyncio.timeout(self.deadline_s), self._response(method, path, body=body, headers=headers) as response:
                read = bytearray()
                async for chunk in response.content.iter_any():
                    read += chunk
                    if len(read) > MAX_BYTES:
                        raise MeterTransient(f"{self.base}{path} answers more than {MAX_BYTES >> 20} MiB", "check that it is a meter")
                return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, bytes(read))
        except FAILURES as error:
            raise self._failure(path, error) from error

    @asynccontextmanager
    async def streamed(self, path: str, *, headers: Mapping[str, str] | None = None, idle_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an answer without an end (server-sent events), in pieces as they arrive.

        Raises MeterTransient when the status is not 200, and when nothing arrives for `idle_s`, the answer's headers included.
        """
        try:
            async with self._response("GET", path, headers=headers, idle_s=idle_s) as response:
                if response.status != 200:
                    raise MeterTransient(f"{self.base}{path} answers {response.status}")
                yield response.content.iter_any()
        except FAILURES as error:
            raise self._failure(path, error, idle_s) from error

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, *, body: Any = None, headers: Mapping[str, str] | None = None, idle_s: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One response, whose connection is used again only when its body was read to the end."""
        if self._session is None:
            raise MeterTransient(f"{self.base} is asked before open()", "open the meter first")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=idle_s, sock_read=idle_s)
        response = await self._session.request(method, self.base + path, json=body, headers=headers, allow_redirects=False, timeout=timeout)
        try:
            yield response
        finally:
            response.close()

    def _failure(self, path: str, error: BaseException, waited_s: float | None = None) -> MeterTransient:
        what, next_step = said(error, waited_s or self.deadline_s)
        return MeterTransient(f"{self.base}{path}: {what}", next_step)


def said(error: BaseException, deadline_s: float) -> tuple[str, str]:
    """What went wrong and what to do, in words that do not depend on the library."""
    reach = "check that the device is on, and its address and port"
    if isinstance(error, TimeoutError):
        return f"no answer within {deadline_s:g} s", reach
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        return f"its certificate is not trusted: {why}", "name its authority in ca_file, or the SHA-256 of the certificate in fingerprint"
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return f"its certificate has another fingerprint, {error.got.hex()}", "correct fingerprint only if the certificate was renewed"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known", "check the name, or write the address"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"it does not speak TLS there ({getattr(error.os_error, 'reason', error.os_error)})", "check the scheme and the port"
    if isinstance(error, aiohttp.InvalidURL):
        return "this is no address", "write scheme://host:port"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection without an answer", reach
    if isinstance(error, aiohttp.ClientPayloadError):
        return "its answer ends in the middle", ""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"it does not answer in HTTP ({error.message.splitlines()[0] if error.message else error.status})", "check the port"
    if isinstance(error, OSError):
        cause = getattr(error, "os_error", error)
        return f"no connection ({os.strerror(cause.errno) if cause.errno else cause})", reach
    return str(error) or type(error).__name__, ""


def fingerprint(certificate_der: bytes) -> str:
    """SHA-256 of a certificate in DER, in hex: what `Trust.fingerprint` compares."""
    return hashlib.sha256(certificate_der).hexdigest()
