"""Who may do what over REST: tokens and scopes, and what a browser may be tricked into.

Without tokens the door is open to this machine alone, and not to those for whom something on it speaks. With tokens every request
shows one, on loopback too: on a machine with several users, or behind a proxy, an address tells nothing about who asks.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from joulemark.addresses import is_loopback, split
from joulemark.collector.api.refusals import Reason, Refusal
from joulemark.collector.tokens import Scope, Token, Tokens
from joulemark.config import Config
from joulemark.errors import ConfigError
from joulemark.timebase import Clock

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths that can be read by everybody: what asks them has no way to keep a secret, and they tell none."""
CHALLENGE: Final = 'Bearer realm="joulemark"'
ASKER: Final = "joulemark.asker"
"""Key of the ASGI scope under which a route finds who asks."""
BOARD: Final = "/v1/board"
BOARD_DESK: Final = (f"{BOARD}/submissions", f"{BOARD}/follows")
"""What of a board is not for everybody, also where the board is public."""
BOARD_PAGES: Final = ("/board", "/assets")
"""The pages of the board, and what they load."""
BOARD_SNAPSHOTS: Final = f"{BOARD}/snapshots"
PAGE_CHALLENGE: Final = f'{CHALLENGE}, Basic realm="joulemark: the token is the password", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the name of the token, else `loopback` or `anyone`, and what he may do."""

    name: str
    scope: Scope


class Access:
    """The rules for one collector."""

    def __init__(self, config: Config, tokens: Tokens, clock: Clock) -> None:
        """Raises ConfigError when the configured address is beyond loopback and no token exists, or tokens.json cannot be used."""
        self._host, _ = split(config.collector.rest_listen, "collector.rest_listen")
        self._local = is_loopback(self._host)
        self._insecure = config.tls.insecure
        self._public_board = config.board.public
        self._tokens, self._clock = tokens, clock
        if not tokens.entries() and not self._local and not self._insecure:
            raise ConfigError(
                f"collector.rest_listen {config.collector.rest_listen} is beyond this machine and no token exists",
                "make one first: joulemark token create NAME --scope read",
            )

    def admit(self, request: Request) -> Asker:
        """Who asks, when he may. Raises Refusal."""
        if request.method not in SAFE:
            same_site(request)
        if is_probe(request) or (self._public_board and is_board(request)):
            return Asker("anyone", Scope.READ)
        if not self._tokens.configured and (self._insecure or (self._local and not is_forwarded(request))):
            self._own_name(request)
            return Asker("loopback" if self._local else "anyone", Scope.ADMIN)
        needed = needed_by(request)
        token = self._holder(request)
        if token is None:
            raise Refusal(
                Reason.TOKEN,
                401,
                "this collector asks for a token, and a valid one was not shown",
                f"name its file in JOULEMARK_TOKEN_FILE; on the collector's machine: joulemark token create NAME --scope {needed}",
                {"WWW-Authenticate": PAGE_CHALLENGE if wants_page(request) else CHALLENGE},
            )
        if not token.scope.covers(needed):
            raise Refusal(
                Reason.SCOPE,
                403,
                f"the token shown has the scope {token.scope}, and {request.method} needs {needed}",
                f"on the collector's machine: joulemark token create NAME --scope {needed}",
                {"WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{needed}"'},
            )
        return Asker(token.name, token.scope)

    def _holder(self, request: Request) -> Token | None:
        try:
            return self._tokens.holder(shown(request), self._clock.utc_ns())
        except ConfigError as error:
            raise Refusal(Reason.TOKENS_FILE, 503, "the collector cannot read its tokens", "look at tokens.json on its machine") from error

    def _own_name(self, request: Request) -> None:
        """Refuse a Host that is no address and no name of this collector.

        A page whose own name was made to point here (DNS rebinding) could otherwise read everything. Such a page has a name,
        never a bare address. Where tokens are asked for it has none to show, so any name may stand there.
        """
        name = request.headers.get("host", "")
        try:
            name = urlsplit(f"//{name}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            if name.rstrip(".") not in ("localhost", self._host.lower(), socket.gethostname().lower()):
                raise Refusal(
                    Reason.HOST, 421, f"this collector is not {name[:80]!r}", "use its address, or give it tokens: joulemark token create"
                ) from None


def shown(request: Request) -> str:
    """The token that a request carries, empty for none. As the password of HTTP Basic, which browsers ask for, it opens reading alone:
    they send it along with whatever another page makes them ask.
    """
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() == "basic" and request.method in SAFE:
        try:
            return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def is_probe(request: Request) -> bool:
    """Whether it asks for what everybody may know. Nothing else is done for who shows no token, nor written in the log of writes."""
    return request.method in SAFE and request.scope["path"] in PROBES


def is_board(request: Request) -> bool:
    """Whether it asks for what a board shows, and for nothing of those who hand in or are followed."""
    path = request.scope["path"]
    shown = tuple(f"{place}/" for place in (BOARD, *BOARD_PAGES))
    return request.method in SAFE and f"{path}/".startswith(shown) and not path.startswith(BOARD_DESK)


def needed_by(request: Request) -> Scope:
    """The scope that a request needs."""
    path = request.scope["path"]
    if request.method in SAFE:
        return Scope.READ
    if path == BOARD_SNAPSHOTS:
        return Scope.ADMIN
    return Scope.SUBMIT if path.startswith(f"{BOARD}/") else Scope.WRITE


def is_forwarded(request: Request) -> bool:
    """Whether a proxy, or the gRPC port, hands on what somebody on another machine asks."""
    return "forwarded" in request.headers or "x-forwarded-for" in request.headers


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks."""
    return request.method in SAFE and "text/html" in request.headers.get("accept", "")


def same_site(request: Request) -> None:
    """Refuse a write that a page from elsewhere made a browser send. Raises Refusal."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if foreign or request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Refusal(Reason.ORIGIN, 403, "pages from elsewhere may not write here", "send marks from a program, not from a web page")
