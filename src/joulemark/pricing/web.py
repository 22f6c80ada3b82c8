"""What a source may do on the web, and what stands in an address: its origin, and keys that nobody may read later.

`pricing.http_web` does it with aiohttp; sources and their parsers load without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from joulemark.errors import ConfigError
from joulemark.timebase import Clock

DEFAULT_PORTS: Final = {"https": 443, "http": 80}

SECRET_KEYS: Final = frozenset(
    ("key", "apikey", "api_key", "api-key", "token", "access_token", "auth-token", "securitytoken", "subscription-key", "sig", "signature")
)
"""Keys of a query whose values are never written down, in lower case."""

PLAIN: Final = "$'()/,:"
"""Characters of filters that stand in a query as they are."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `body` in memory, or `path` of the file it was streamed into. `url` as asked, without secrets.

    `fetched_at_ns`: UTC at the end of the reading. `sha256`, and what is in `body` or `path`: unpacked, as the provider wrote it.
    """

    url: str
    http_status: int
    fetched_at_ns: int
    sha256: str = ""
    body: bytes = field(default=b"", repr=False)
    path: Path | None = None
    etag: str = ""
    last_modified: str = ""

    @property
    def not_modified(self) -> bool:
        """Whether the list is the one that was read last."""
        return self.http_status == 304


class NotModified(Exception):
    """The list is the one that was read last; `reply` says so. Raised by `Web.get` and `Web.stream` when asked with validators."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"{reply.url} has not changed")


class Web(Protocol):
    """What a source may do. `secret` headers are sent and never written down; so are the query keys named in `secret_keys`."""

    @property
    def clock(self) -> Clock:
        """The clock that dates the replies: a source that asks for days needs to know which one it is."""
        ...

    async def get(
        self, url: str, *, params: Mapping[str, str] = ..., secret: Mapping[str, str] = ..., secret_keys: tuple[str, ...] = ()
    ) -> Reply:
        """GET of one page, counted against the caps. Raises RemoteUnreachable, FormatError, or NotModified."""
        ...

    async def post(self, url: str, body: Mapping[str, Any], *, secret: Mapping[str, str] = ...) -> Reply:
        """POST of JSON. Raises RemoteUnreachable or FormatError."""
        ...

    async def stream(self, url: str) -> Reply:
        """GET of a large list into a file that is deleted after the gathering. Raises what `get` does."""
        ...


def origin(url: str) -> str:
    """Scheme, host and port of an address, for example `https://prices.azure.com:443`. Raises ConfigError for what is none of the web."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError as error:
        raise ConfigError(f"{url[:80]!r} is no address: {error}", "write it as https://HOST/PATH") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None or parts.password is not None:
        raise ConfigError(f"{url[:80]!r} is no address of the web", "write it as https://HOST/PATH, without a name or a password")
    return f"{parts.scheme}://{parts.hostname}:{port}"


def origins(config: object) -> frozenset[str]:
    """The origins that a feed may talk to: of every key of its `config` that is `url` or ends in `_url`. Raises what `origin` does."""
    named = {f.name: getattr(config, f.name) for f in fields(config)}  # type: ignore[arg-type]  # a dataclass: Source says so
    return frozenset(origin(url) for name, url in named.items() if (name == "url" or name.endswith("_url")) and url)


def joined(url: str, params: Mapping[str, str]) -> str:
    """`url` with `params` in its query, in their order. Spaces become `%20`, as providers of filters expect."""
    if not params:
        return url
    more = "&".join(f"{quote(name, safe=PLAIN)}={quote(value, safe=PLAIN)}" for name, value in params.items())
    return f"{url}{'&' if '?' in url else '?'}{more}"


def bare(url: str, secret_keys: Iterable[str] = ()) -> str:
    """`url` without fragment and without the values of keys that are secret, or are named so: what may be kept and shown."""
    hidden = SECRET_KEYS | {key.lower() for key in secret_keys}
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair.partition("=")[0].lower() not in hidden]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "&".join(kept), ""))
