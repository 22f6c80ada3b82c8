"""The feed of another board, page by page: what it claims, within bounds, and what is wrong with it. Nothing of it is believed here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from joulemark import document
from joulemark.board import feed, words
from joulemark.board.entry import BOARD, PUBLISHED, SHA256, WITHDRAWN
from joulemark.board.site import PLACE
from joulemark.errors import FormatError, JoulemarkError
from joulemark.pricing.http_web import NOTHING, HttpWeb
from joulemark.pricing.web import NotModified

MOST_PAGES: Final = 1000
MOST_ITEMS: Final = 100_000
ID: Final = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Item:
    """What a board says of one entry. `energy`: its object `_energy`; `bundle_url`: where its archive is."""

    item_id: str
    author: str
    status: str
    reason: str
    bundle_sha256: str
    bundle_url: str
    energy: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: Any, where: str) -> Item:
        """The item of a feed. Raises FormatError for one that cannot be followed."""
        found = data if isinstance(data, dict) else {}
        energy = found.get("_energy")
        energy = energy if isinstance(energy, dict) else {}
        item_id, url, sha256 = (text(value) for value in (found.get("id"), found.get("url"), energy.get("bundle_sha256")))
        status = text(energy.get("status"))
        if not ID.fullmatch(item_id) or not SHA256.fullmatch(sha256) or status not in (PUBLISHED, WITHDRAWN) or not url:
            what = f"{where}: item {document.shown(found.get('id'))} lacks id, url, _energy.status or _energy.bundle_sha256"
            raise FormatError(what, "ask who runs the board")
        authors = found.get("authors")
        named = [text(one.get("name")) for one in authors if isinstance(one, dict)] if isinstance(authors, list) else []
        author, reason = (words.clean(one) for one in (next(iter(named), ""), text(energy.get("withdrawn_reason"))))
        return cls(item_id, author or "unnamed", status, reason or "no reason given", sha256, f"{url}/bundle", energy)


@dataclass(slots=True)
class Pages:
    """What a board answered: its items by id, what is wrong, and the validators of its first page. `whole`: it was read to its end."""

    items: dict[str, Item] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    etag: str = ""
    last_modified: str = ""
    whole: bool = False


def address(board: str) -> str:
    """The feed of the board at `board`, which is the address of a collector or of a feed itself."""
    return board if urlsplit(board).path.endswith(".json") else f"{board.rstrip('/')}{PLACE}/{feed.NAME}"


async def pages(web: HttpWeb, url: str, *, secret: Mapping[str, str] = NOTHING) -> Pages | None:
    """Every page of the feed at `url`; None when it is the one that was read last.

    A page that cannot be read ends the reading: what came before it counts, and that something is missing is said. Raises what
    `HttpWeb.get` does for the first page.
    """
    found, seen = Pages(), set[str]()
    following: str | None = url
    while following is not None:
        if following in seen:
            found.wrong.append(f"the page {shown(following)} leads back to itself")
            return found
        if len(seen) >= MOST_PAGES or len(found.items) >= MOST_ITEMS:
            found.wrong.append(f"the feed has no end: {len(seen)} pages and {len(found.items)} entries were read")
            return found
        seen.add(following)
        try:
            reply = await web.get(following, secret=secret)
            data = document.json_object(reply.body.decode("utf-8", errors="replace"), where=shown(following))
            following = taken(found, data, following)
        except NotModified:
            return None if len(seen) == 1 else found
        except JoulemarkError as error:
            if len(seen) == 1:
                raise
            found.wrong.append(error.what)
            return found
        if len(seen) == 1:
            found.etag, found.last_modified = reply.etag, reply.last_modified
    found.whole = True
    return found


def taken(found: Pages, data: Mapping[str, Any], url: str) -> str | None:
    """Take the items of a page; the address of the next one. Raises FormatError for what is no feed of a board."""
    ours = data.get("_energy")
    if data.get("version") != feed.VERSION or not isinstance(ours, dict) or ours.get("board") != BOARD:
        raise FormatError(f"{shown(url)} is no feed of an energy-only board", "give the address of a joulemark collector")
    items = data.get("items")
    for one in items if isinstance(items, list) else []:
        try:
            item = Item.of(one, shown(url))
        except FormatError as error:
            found.wrong.append(error.what)
            continue
        known = found.items.setdefault(item.item_id, item)
        if known.bundle_sha256 != item.bundle_sha256:
            found.wrong.append(f"{item.item_id} stands in the feed twice, with two bundles")
    following = data.get("next_url")
    return urljoin(url, following) if isinstance(following, str) and following else None


def text(value: Any) -> str:
    """`value` where it is text, else nothing."""
    return value if isinstance(value, str) else ""


def shown(url: str) -> str:
    """An address for a message."""
    return document.shown(url[:200]).strip("'")
