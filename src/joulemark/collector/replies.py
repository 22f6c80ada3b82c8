"""Replies: what providers answered, kept as it came, packed and named by its hash, so that a price can be held against its source."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.pricing.web import Reply, Web
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.collector.prices")

LARGEST_BYTES: Final = 16 << 20
"""Longest reply that is kept; a list of AWS is twenty times as long, and can be asked for by its version again."""


@dataclass(frozen=True, slots=True)
class Replies:
    """The folder of them. A reply with the same bytes as one before is there once."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Where the reply with this hash lies, if it was kept: packed with gzip."""
        return self.folder / "raw" / sha256[:2] / f"{sha256}.gz"

    def room(self) -> Path:
        """A folder for what is being read, made if need be."""
        place = self.folder / "reading"
        place.mkdir(parents=True, exist_ok=True)
        return place

    def keep(self, reply: Reply) -> None:
        """Keep a reply that is not too long. Without room it is missing, and its prices are taken all the same."""
        path = self.path(reply.sha256)
        try:
            if reply.not_modified or path.exists() or length(reply) > LARGEST_BYTES:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(gzip.compress(reply.body if reply.path is None else reply.path.read_bytes(), mtime=0))
            part.replace(path)
        except OSError as error:
            log.warning("the reply of %s is not kept: %s", reply.url, error)


def length(reply: Reply) -> int:
    """Bytes of a reply."""
    return len(reply.body) if reply.path is None else reply.path.stat().st_size


class Keeping:
    """A web that hands every reply to `replies` on its way to the source."""

    def __init__(self, web: Web, replies: Replies) -> None:
        self._web, self._replies = web, replies

    @property
    def clock(self) -> Clock:
        """As `Web.clock`."""
        return self._web.clock

    async def get(self, url: str, *, params: Mapping[str, str] | None = None, **more: Any) -> Reply:
        """As `Web.get`."""
        return await self._kept(await self._web.get(url, params=params or {}, **more))

    async def post(self, url: str, body: Mapping[str, Any], *, secret: Mapping[str, str] | None = None) -> Reply:
        """As `Web.post`."""
        return await self._kept(await self._web.post(url, body, secret=secret or {}))

    async def stream(self, url: str) -> Reply:
        """As `Web.stream`."""
        return await self._kept(await self._web.stream(url))

    async def _kept(self, reply: Reply) -> Reply:
        await asyncio.to_thread(self._replies.keep, reply)
        return reply
