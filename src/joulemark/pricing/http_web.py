"""The web by aiohttp: pinned origins, caps of pages, bytes and time, patience where a provider asks for it, nothing secret kept.

The only importer of aiohttp in pricing. Nothing is taken from the environment, and cookies are not kept. Answers are asked for packed,
because a price list is 300 MB, and are unpacked in bounded steps: a kilobyte of gzip may unfold to any length.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import tempfile
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urljoin

import aiohttp
import yarl

from joulemark import __version__
from joulemark.errors import ConfigError, EnvironmentFailed, FormatError, RemoteUnreachable
from joulemark.pricing.patience import asked_wait_s, backoff_s
from joulemark.pricing.question import Question
from joulemark.pricing.tally import Tally
from joulemark.pricing.web import NotModified, Reply, bare, joined, origin
from joulemark.timebase import Clock

REDIRECTS: Final = (301, 302, 303, 307, 308)
PASSING: Final = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which the same question may be answered a moment later."""

REFUSED: Final = (401, 403)
MOST_HOPS: Final = 5
CHUNK_BYTES: Final = 1 << 18
SHOWN_BYTES: Final = 300
"""Of the body of an error that a message repeats."""

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one gathering may take. A list of AWS for one region is 300 MB, one of Azure for a machine and a region one page.

    `idle_s`: longest silence of a server. `most_wait_s`: longest wait before an attempt; a provider that asks for more is left alone
    until the next gathering.
    """

    pages: int = 200
    page_bytes: int = 64 << 20
    total_bytes: int = 2 << 30
    deadline_s: float = 900.0
    idle_s: float = 60.0
    attempts: int = 4
    first_wait_s: float = 1.0
    most_wait_s: float = 120.0


class Passing(Exception):
    """An attempt failed in a way that may pass: `what` for the message, `wait_s` when the server said how long to wait."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.what, self.wait_s = what, wait_s


@dataclass(slots=True)
class HttpWeb:
    """The web for one gathering, as `async with HttpWeb(origins, clock=clock) as web`. `tally` says what was read.

    `known`: address to the `ETag` and `Last-Modified` of the list that was read last from it. `folder`: where large lists lie
    until the end; the system's place for such files unless given.
    """

    origins: frozenset[str]
    clock: Clock = field(kw_only=True)
    limits: Limits = field(default_factory=Limits, kw_only=True)
    known: Mapping[str, tuple[str, str]] = field(default_factory=dict, kw_only=True)
    folder: Path | None = field(default=None, kw_only=True)
    rng: random.Random = field(default_factory=random.Random, kw_only=True, repr=False)
    tally: Tally = field(default_factory=Tally, init=False)
    _taken: int = field(default=0, init=False)
    _end_s: float = field(default=0.0, init=False)
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _place: tempfile.TemporaryDirectory[str] | None = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        self._end_s = asyncio.get_running_loop().time() + self.limits.deadline_s
        self._place = tempfile.TemporaryDirectory(prefix="joulemark-prices-", dir=self.folder)
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "gzip", "User-Agent": f"joulemark/{__version__}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.limits.idle_s, sock_read=self.limits.idle_s),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._place is not None:
            self._place.cleanup()
        if self._session is not None:
            await self._session.close()
        self._session = self._place = None

    async def get(
        self, url: str, *, params: Mapping[str, str] = NOTHING, secret: Mapping[str, str] = NOTHING, secret_keys: tuple[str, ...] = ()
    ) -> Reply:
        """GET of one page into memory. Raises RemoteUnreachable, FormatError, ConfigError or NotModified."""
        return await self._asked(Question("GET", joined(url, params), secret, secret_keys))

    async def post(self, url: str, body: Mapping[str, Any], *, secret: Mapping[str, str] = NOTHING) -> Reply:
        """POST of JSON; asked again like a GET, because what is posted here is a question. Raises RemoteUnreachable or FormatError."""
        return await self._asked(Question("POST", url, secret, body=json.dumps(body).encode()))

    async def stream(self, url: str, *, secret: Mapping[str, str] = NOTHING) -> Reply:
        """GET of a large list into a file, hashed on the way. Raises what `get` does."""
        return await self._asked(Question("GET", url, secret, to_file=True))

    async def _asked(self, question: Question) -> Reply:
        """The reply to `question`, after as many attempts as it takes and the limits allow."""
        self._pinned(question.url, question)
        if question.exposed:
            raise ConfigError(f"{question.shown} would carry a key in plain text", "write its address with https")
        if self.tally.pages >= self.limits.pages:
            raise FormatError(f"{question.shown} would be page {self.limits.pages + 1} of the list", "ask for less: name what you rent")
        for attempt in range(1, self.limits.attempts + 1):
            try:
                async with asyncio.timeout_at(self._end_s):
                    return await self._attempt(question)
            except TimeoutError as error:
                if self._left_s() <= 0:
                    what = f"{question.shown} was not read within the {self.limits.deadline_s:g} s of a gathering"
                    raise RemoteUnreachable(what, "prices that are known stay in use; it is asked again at the next interval") from error
                failed = Passing(f"was silent for {self.limits.idle_s:g} s")
            except Passing as passing:
                failed = passing
            except aiohttp.ClientError as error:
                failed = Passing(f"cannot be read: {question.masked(str(error) or type(error).__name__)}")
            except OSError as error:
                raise EnvironmentFailed(f"{question.shown} cannot be kept: {error}", "make room where temporary files lie") from error
            await self._wait(question, failed, attempt)
        raise AssertionError("the last attempt raises")  # pragma: no cover

    async def _wait(self, question: Question, failed: Passing, attempt: int) -> None:
        """Wait before the next attempt. Raises RemoteUnreachable when there is none, or it would come too late."""
        wait_s = backoff_s(attempt, first_s=self.limits.first_wait_s, most_s=self.limits.most_wait_s, rng=self.rng)
        if failed.wait_s is not None:
            wait_s = max(failed.wait_s, wait_s)
        if failed.wait_s is not None and (failed.wait_s > self.limits.most_wait_s or failed.wait_s > self._left_s()):
            what = f"{question.shown} {failed.what} and asks to be left alone for {failed.wait_s:g} s"
            raise RemoteUnreachable(what, "it is asked again at the next interval; ask less often when this repeats")
        if attempt >= self.limits.attempts or wait_s > self._left_s():
            raise RemoteUnreachable(
                f"{question.shown} {failed.what}, after {attempt} attempts", "check the network and the provider's status page"
            )
        await asyncio.sleep(wait_s)

    async def _attempt(self, question: Question) -> Reply:
        """One attempt, along redirects inside the pinned origins."""
        url, hops = question.url, 0
        while True:
            async with self._sent(question, url) as response:
                if question.method == "GET" and response.status in REDIRECTS:
                    url, hops = urljoin(url, response.headers.get("Location", "")), hops + 1
                    self._pinned(url, question)
                    if hops > MOST_HOPS:
                        raise FormatError(f"{question.shown} redirects more than {MOST_HOPS} times", "write the address it ends at")
                    continue
                if response.status == 304 and question.kept in self.known:
                    raise NotModified(self._reply(question, response))
                if response.status != 200:
                    await self._refused(question, response)
                return await self._read(question, response)

    @contextlib.asynccontextmanager
    async def _sent(self, question: Question, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to one request. Secrets go only to the origin that the source named."""
        assert self._session is not None, "HttpWeb is used outside `async with`"
        headers = dict(question.secret) if origin(url) == origin(question.url) else {}
        if question.method == "GET":
            validators = zip(("If-None-Match", "If-Modified-Since"), self.known.get(question.kept, ("", "")), strict=True)
            headers |= {name: value for name, value in validators if value}
        if question.body is not None:
            headers["Content-Type"] = "application/json"
        address = yarl.URL(quote(url, safe=PRINTABLE), encoded=True)
        async with self._session.request(question.method, address, data=question.body, headers=headers, allow_redirects=False) as response:
            yield response

    async def _refused(self, question: Question, response: aiohttp.ClientResponse) -> None:
        """Raise for an answer that is no list: Passing when it may pass, RemoteUnreachable when it will not."""
        self.tally.http_status = response.status
        begin = b"" if "Content-Encoding" in response.headers else await response.content.read(SHOWN_BYTES)
        said = "".join(char if char.isprintable() else " " for char in question.masked(begin.decode("utf-8", errors="replace"))).strip()
        what = f"answered {response.status}{f': {said}' if said else ''}"
        if response.status in PASSING:
            raise Passing(what, asked_wait_s(response.headers, utc_ns=self.clock.utc_ns()))
        next_step = "check the key in key_file" if response.status in REFUSED else "check the address and the keys of this [[feed]]"
        raise RemoteUnreachable(f"{question.shown} {what}", next_step)

    async def _read(self, question: Question, response: aiohttp.ClientResponse) -> Reply:
        """The body, in memory or in a file."""
        sha256, length, body = hashlib.sha256(), 0, bytearray()
        path = Path(self._place.name) / f"{self.tally.pages}" if question.to_file and self._place else None
        with path.open("wb") if path else contextlib.nullcontext() as file:
            async for piece in self._unpacked(response):
                length += len(piece)
                self._taken += len(piece)
                if self._taken > self.limits.total_bytes or (file is None and length > self.limits.page_bytes):
                    most = self.limits.total_bytes if self._taken > self.limits.total_bytes else self.limits.page_bytes
                    raise FormatError(f"{question.shown} is longer than {most} bytes", "ask for less: name what you rent")
                sha256.update(piece)
                if file is None:
                    body += piece
                else:
                    file.write(piece)
        return self._reply(question, response, length, sha256=sha256.hexdigest(), body=bytes(body), path=path)

    async def _unpacked(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body in pieces of at most CHUNK_BYTES. Raises Passing when it ends early, FormatError when it is packed in another way."""
        packing = response.headers.get("Content-Encoding", "identity").lower()
        if packing == "identity":
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                yield chunk
            return
        if packing != "gzip":
            raise FormatError(f"{bare(str(response.url))} is packed as {packing!r}, which was not asked for", "report it with the address")
        unpacker = zlib.decompressobj(wbits=31)
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            left = chunk
            try:
                while left:
                    unpacker = zlib.decompressobj(wbits=31) if unpacker.eof else unpacker  # several members follow each other (RFC 1952)
                    yield unpacker.decompress(left, CHUNK_BYTES)
                    left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            except zlib.error as error:
                raise Passing(f"is damaged on the way: {error}") from error
        if not unpacker.eof:
            raise Passing("ends in the middle")

    def _reply(self, question: Question, response: aiohttp.ClientResponse, length: int = 0, **body: Any) -> Reply:
        """What an answer is to the source; counted. A list that did not change keeps the validators that it was asked with."""
        etag, last_modified = self.known.get(question.kept, ("", "")) if response.status == 304 else ("", "")
        reply = Reply(
            url=question.kept,
            http_status=response.status,
            fetched_at_ns=self.clock.utc_ns(),
            etag=response.headers.get("ETag", etag),
            last_modified=response.headers.get("Last-Modified", last_modified),
            **body,
        )
        self.tally.add(reply, length)
        return reply

    def _pinned(self, url: str, question: Question) -> None:
        """Raise FormatError for an address outside the pinned origins."""
        if (place := origin(url)) not in self.origins:
            raise FormatError(
                f"{question.shown} leads to {place}, which is not an origin of this feed",
                "set the address in its [[feed]] table when the provider says that it has moved",
            )

    def _left_s(self) -> float:
        """Seconds to the deadline."""
        return self._end_s - asyncio.get_running_loop().time()
