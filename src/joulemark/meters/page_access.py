"""Access to the page of an exporter: its address, who asks for it, and what a refusal means."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from joulemark.addresses import is_loopback
from joulemark.config import read_secret
from joulemark.errors import ConfigError, MeterTransient
from joulemark.meters.http import Answer, Trust


class Access(Protocol):
    """The keys of a `[[meter]]` table that say where a page is and how to get it."""

    @property
    def url(self) -> str:
        """Address of the page."""

    @property
    def insecure(self) -> bool:
        """Whether credentials may go over http to another machine."""

    @property
    def user(self) -> str:
        """Account for HTTP basic authentication."""

    @property
    def password_file(self) -> Path | None:
        """File with its password."""

    @property
    def token_file(self) -> Path | None:
        """File with a bearer token."""

    @property
    def ca_file(self) -> Path | None:
        """Certificate of the authority that signed the server's."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the server's certificate."""


def check(kind: str, access: Access) -> None:
    """Raise ConfigError for keys that name no page, or that would send credentials as text; `kind` is for the message."""
    url = access.url
    try:
        known = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        known = False
    if not known or urlsplit(url).username is not None:
        raise ConfigError(
            f"{kind}.url {url.rsplit('@', 1)[-1]!r} is no address of a page",
            "write http://HOST:PORT/metrics; an account goes into user and password_file",
        )
    if bool(access.user) != (access.password_file is not None):
        raise ConfigError(f"{kind}.user and password_file go together", "give both, or none")
    if access.ca_file and access.fingerprint:
        raise ConfigError(f"{kind}.ca_file and {kind}.fingerprint are both set", "keep the one that is to be checked")
    if access.fingerprint:
        Trust(fingerprint=access.fingerprint).ssl()
    plain = urlsplit(url).scheme == "http" and not is_loopback(urlsplit(url).hostname or "")
    if (access.user or access.token_file) and plain and not access.insecure:
        raise ConfigError(f"{kind}.url {url!r} would send the credentials as text", "write https, or set insecure = true")


def credentials(kind: str, access: Access) -> dict[str, str]:
    """The header that proves who asks. Raises ConfigError when a secret cannot be read."""
    if access.token_file is not None:
        return {"Authorization": f"Bearer {read_secret(access.token_file, f'{kind} token_file')}"}
    if access.password_file is not None:
        password = read_secret(access.password_file, f"{kind} password_file")
        return {"Authorization": "Basic " + base64.b64encode(f"{access.user}:{password}".encode()).decode()}
    return {}


def refusal(access: Access, answer: Answer) -> MeterTransient:
    """What another status than 200 means."""
    if answer.status in (401, 403):
        secret = access.token_file or access.password_file
        step = f"correct {secret}" if secret else "give user and password_file, or token_file"
        return MeterTransient(f"{access.url} refuses {'the credentials' if secret else 'who shows none'} ({answer.status})", step)
    return MeterTransient(f"{access.url} answers with status {answer.status}")
