"""HTTP for meters: one session per device, with a deadline for each request, a bound on each answer, and errors that tell what to do.

The only importer of aiohttp among the meters. Nothing is taken from the environment: a proxy stands between no meter and its agent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from joulemark.errors import ConfigError, MeterTransient

MAX_BYTES: Final = 8 << 20
"""Longest answer that is taken: a page of a node exporter has some hundred kilobytes."""

REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises MeterTransient when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise MeterTransient(f"answered {self.body[:60]!r}, which is no JSON") from error


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
    """Requests to one device at `base` (scheme://host:port). `digest`: name and password for HTTP digest authentication."""

    base: str
    deadline_s: float
    trust: Trust = field(default_factory=Trust)
    digest: tuple[str, str] | None = None
    _session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; nothing is sent yet. Raises ConfigError."""
        connector = aiohttp.TCPConnector(limit=2, ssl=self.trust.ssl() if self.base.startswith("https:") else True)
        middlewares = (aiohttp.DigestAuthMiddleware(*self.digest),) if self.digest else ()
        timeout = aiohttp.ClientTimeout(total=self.deadline_s)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, middlewares=middlewares, trust_env=False)

    async def close(self) -> None:
        """Close every connection. Safe at any time."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def ask(self, path: str, *, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to one request, whatever its status; `body` is sent as JSON. A redirect is an answer, never followed.

        Raises MeterTransient when there is no whole answer within the deadline, or a longer one than `MAX_BYTES`.
        """
        async with self.streamed(path, method=method, body=body, headers=headers) as response:
            try:
                read = await response.content.read(MAX_BYTES + 1)
                while len(read) <= MAX_BYTES and (more := await response.content.read(MAX_BYTES + 1 - len(read))):
                    read += more
            except (aiohttp.ClientError, TimeoutError) as error:
                raise MeterTransient(f"{self.base}{path}: {said(error, self.deadline_s)}") from error
            if len(read) > MAX_BYTES:
                raise MeterTransient(f"{self.base}{path} answers more than {MAX_BYTES >> 20} MiB")
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, read)

    @asynccontextmanager
    async def streamed(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        endless: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response of one request while it arrives; an `endless` one (server-sent events) has no deadline. Raises MeterTransient."""
        if self._session is None:
            raise MeterTransient(f"{self.base} is asked before open()")
        timeout = (
            aiohttp.ClientTimeout(total=None, sock_connect=self.deadline_s) if endless else aiohttp.ClientTimeout(total=self.deadline_s)
        )
        try:
            response = await self._session.request(
                method, self.base + path, json=body, headers=headers, allow_redirects=False, timeout=timeout
            )
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise MeterTransient(f"{self.base}{path}: {said(error, self.deadline_s)}") from error
        try:
            yield response
        finally:
            response.release()


def said(error: BaseException, deadline_s: float) -> str:
    """What went wrong, in words that do not depend on the library."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"no answer within {deadline_s:g} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({error.certificate_error})"
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return f"its certificate has another fingerprint, {error.got.hex()}"
    return str(error) or type(error).__name__


def fingerprint(certificate_der: bytes) -> str:
    """SHA-256 of a certificate in DER, in hex: what `Trust.fingerprint` compares."""
    return hashlib.sha256(certificate_der).hexdigest()
