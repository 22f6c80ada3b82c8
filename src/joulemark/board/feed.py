"""The feed of a board: JSON Feed 1.1, with the figures of an entry in the extension `_energy`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from joulemark.board.classes import UNIT
from joulemark.board.entry import BOARD, ENERGY_SCHEMA, WITHDRAWN, Entry
from joulemark.board.site import Site
from joulemark.energy.uncertainty import displayed
from joulemark.pricing.dates import moment_text

VERSION: Final = "https://jsonfeed.org/version/1.1"
MEDIA_TYPE: Final = "application/feed+json"
NAME: Final = "feed.json"
DESCRIPTION: Final = "Energy per unit of work of validated runs. Energy alone: no entry says how fast anything was."


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """The order of the feed: what changed last comes first, so that a withdrawal is seen by who reads the first page."""
    return sorted(entries, key=lambda entry: (entry.modified_ns, entry.entry_id), reverse=True)


def page(entries: Sequence[Entry], site: Site, *, address: str | None = None, next_url: str | None = None) -> dict[str, Any]:
    """One page with `entries` in their order. `address`: its own, that of the feed if None; `next_url`: of the page with older ones."""
    return {
        "version": VERSION,
        "title": site.title,
        "home_page_url": site.home,
        "feed_url": address or site.file(NAME),
        "description": DESCRIPTION,
        **({"next_url": next_url} if next_url else {}),
        "language": "en",
        "_energy": {"schema": ENERGY_SCHEMA, "board": BOARD},
        "items": [item(entry, site) for entry in entries],
    }


def item(entry: Entry, site: Site) -> dict[str, Any]:
    """One entry."""
    url = site.entry(entry)
    return {
        "id": entry.entry_id,
        "url": url,
        "title": entry.title,
        "content_text": line(entry),
        "date_published": moment_text(entry.published_ns),
        "date_modified": moment_text(entry.modified_ns),
        "authors": [{"name": entry.submitter}],
        "tags": tags(entry),
        "attachments": [
            {"url": f"{url}/card", "mime_type": "application/json", "title": "card"},
            {"url": f"{url}/bundle", "mime_type": "application/octet-stream", "title": "bundle"},
        ],
        "_energy": entry.energy(),
    }


def tags(entry: Entry) -> list[str]:
    """Level, scope and boundary in small letters; `simulated` and `withdrawn` where that is so."""
    marks = ("simulated" if entry.simulated else None, entry.status if entry.status == WITHDRAWN else None)
    return [mark.lower() for mark in (entry.level, entry.scope, entry.boundary, *marks) if mark]


def line(entry: Entry) -> str:
    """The entry as one sentence."""
    if entry.status == WITHDRAWN:
        return f"Withdrawn: {entry.withdrawn_reason}"
    value, u95 = entry.figures.joules_per_1k_output_tokens, entry.figures.u95_j_per_1k_output_tokens
    if value is None or u95 is None:
        told = f"{UNIT} not known"
    else:
        shown, u95_shown = displayed(value, u95)
        told = f"{shown} +- {u95_shown} {UNIT} (U95)"
    where = f"class {entry.short_class}" if entry.short_class else "in no class"
    simulated = ", simulated" if entry.simulated else ""
    return f"{told}, {entry.level}, {entry.scope or 'scope not known'}{simulated}, {where}"
