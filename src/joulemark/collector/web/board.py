"""The page of the board: energy and where it comes from, and nothing from which a speed follows (ADR 28).

It is made of the shelf, once for each question, and kept until the board changes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from joulemark.board import classes
from joulemark.board.classes import Comparison, missing
from joulemark.board.entry import Entry
from joulemark.cards.figures import Place, absent, expanded
from joulemark.collector.api.board import GRADE, Boarded, Number, answered, entry_of
from joulemark.collector.api.bodies import PRINTABLE
from joulemark.collector.api.state import Served
from joulemark.collector.shelf import PER_PAGE, PLAIN_LISTS, Answer, Row, Shelf, count, regrouped
from joulemark.collector.showing import HTML, SVG
from joulemark.collector.web import looks
from joulemark.collector.web.drawings.interval import common, interval
from joulemark.collector.web.drawings.label import label
from joulemark.collector.web.drawings.scale import Scale
from joulemark.markup import Markup, shown
from joulemark.standard.report import MEANINGS
from joulemark.standard.verdict import LEVELS

router = APIRouter(include_in_schema=False)

MOST_KEPT: Final = 64
"""Pages that are kept until the board changes, each of some 200 kB."""
MOST_MODELS: Final = 100
"""Names that are offered for the filter; any other can be written."""

MOST_MARKED: Final = 200
"""Other entries of its class that are marked beside one."""

LISTS: Final = {
    "informative": ("Informative", "ES0: the figure may be right, but its evidence does not show it. Never ranked."),
    "incomparable": (
        "Not comparable",
        "What makes entries comparable, or the figure itself, is not known: there is nothing to rank them with.",
    ),
    "simulated": ("Simulated", "Replayed, fake, or of the test kit: no machine was measured. Never ranked."),
    "withdrawn": ("Withdrawn", "Taken back; they stay for ever, with the reason. Never ranked."),
}
"""Lists without ranks: heading, and why there is none."""

WORDS: Final = {"joules_per_1k_output_tokens": "the figure", "u95_j_per_1k_output_tokens": "its uncertainty"}
"""What may be missing, as people read it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page, of which entries."""

    page: int = 1
    class_id: str | None = None
    level: str | None = None
    model: str | None = None

    def address(self, **changed: Any) -> str:
        """The page with other filters, or another of its pages."""
        now = replace(self, **changed)
        named = {"class": now.class_id, "level": now.level, "model": now.model, "page": now.page if now.page > 1 else None}
        given = {name: value for name, value in named.items() if value is not None}
        return f"/board?{urlencode(given)}" if given else "/board"

    def chosen(self, shelf: Shelf) -> Sequence[Row]:
        """The entries that fit, in the order of the list."""
        if self.class_id is self.level is self.model is None:
            return shelf.rows
        return [row for row in shelf.rows if row.fits(class_id=self.class_id, level=self.level, model=self.model)]


@router.get("/board")
async def board(
    request: Request,
    state: Served,
    page: Number = 1,
    class_id: Annotated[str | None, Query(alias="class", pattern="^([0-9a-f]{12,64})?$")] = None,
    level: Annotated[str | None, Query(pattern=f"^$|{GRADE}")] = None,
    model: Annotated[str | None, Query(max_length=200, pattern=PRINTABLE)] = None,
) -> Response:
    """A page of the list, as `GET /v1/board` answers it; an empty field of the form asks for nothing."""
    if state.board is None:
        return await looks.page(state, "board.html", here="/board", title="Energy board", listing=None)
    receiving = await state.control.status() is not None
    asked = Asked(page, class_id or None, level or None, model or None)
    answer = await asyncio.to_thread(kept, state.board.shelf, asked, receiving=receiving)
    return guarded(answered(request, answer, what=f"page {page}"))


@router.get("/board/{entry_id}")
async def entry(entry_id: str, request: Request, state: Served, board: Boarded) -> Response:
    """One entry with all that is told of it, and how to check it."""
    found = entry_of(board, shown(entry_id, longest=80))
    context = {
        "here": "/board",
        "title": found.title,
        "receiving": await state.control.status() is not None,
        "public": state.config.board.public,
        "site": board.site,
        **told(board.shelf, found),
    }
    body = bytes(looks.rendered("board_entry.html", context).body)
    return guarded(answered(request, Answer.of(body, HTML, None), what=entry_id))


@router.get("/board/{entry_id}/label.svg")
async def drawn_label(entry_id: str, request: Request, board: Boarded) -> Response:
    """The label of an entry, to stand on another page."""
    found = entry_of(board, shown(entry_id, longest=80))
    drawing = label(found, f"{board.site.base.rstrip('/')}{path_of(found)}")
    return guarded(answered(request, Answer.of(drawing.encode(), SVG, None), what=entry_id))


def guarded(response: Response) -> Response:
    """`response` under the policy of all pages."""
    response.headers["Content-Security-Policy"] = looks.POLICY
    return response


def kept(shelf: Shelf, asked: Asked, *, receiving: bool) -> Answer | None:
    """The page as it was made since the board last changed; None beyond the last."""
    key = (asked, receiving)
    if key not in shelf.drawn:
        found = listing(shelf, asked)
        if found is None:
            return None
        if len(shelf.drawn) >= MOST_KEPT:
            shelf.drawn.clear()
        context = {"here": "/board", "title": shelf.site.title, "receiving": receiving, "listing": found}
        shelf.drawn[key] = Answer.of(bytes(looks.rendered("board.html", context).body), HTML, None)
    return shelf.drawn[key]


def listing(shelf: Shelf, asked: Asked) -> dict[str, Any] | None:
    """What a page shows: its part of each class and of each list; None beyond the last page."""
    rows = asked.chosen(shelf)
    pages = count(rows)
    if asked.page > pages:
        return None
    part = rows[(asked.page - 1) * PER_PAGE : asked.page * PER_PAGE]
    whole = {row.comparison.class_id: row.comparison for row in part if row.comparison is not None}
    split = regrouped(part)
    return {
        "asked": asked,
        "pages": pages,
        "total": len(rows),
        "everything": len(shelf.rows),
        "ranked": sum(row.place is not None for row in rows),
        "classes": [group(one, whole[one.class_id]) for one in split.classes],
        "lists": {name: [line(one, why=why(one, name)) for one in getattr(split, name)] for name in PLAIN_LISTS if getattr(split, name)},
        "about": LISTS,
        "levels": LEVELS[1:],
        "meanings": MEANINGS,
        "models": shelf.models[:MOST_MODELS],
        "site": shelf.site,
    }


def group(part: Comparison, whole: Comparison) -> dict[str, Any]:
    """A class, or the part of it that is on the page; all of it gives the scale and says which ranks are shared."""
    scale = common(pairs(whole))
    sharing = Counter(place.rank for place in whole.places)
    of = len(whole.places)
    lines = [
        line(place.entry, rank=place.rank, shared=sharing[place.rank] > 1, drawing=dot(place.entry, scale, rank=place.rank, of=of))
        for place in part.places
    ]
    return {
        "id": part.class_id,
        "short": part.class_id[:12],
        "key": part.key,
        "load": part.load,
        "count": of,
        "lines": lines,
        "low": f"{max(scale.low, 0.0):.4g}",
        "high": f"{scale.high:.4g}",
    }


def pairs(one: Comparison) -> list[tuple[float, float]]:
    """The figure and the uncertainty of each entry of a class."""
    found = [place.entry.figures for place in one.places]
    return [(each.joules_per_1k_output_tokens or 0.0, each.u95_j_per_1k_output_tokens or 0.0) for each in found]


def dot(one: Entry, scale: Scale, *, rank: int, of: int, others: Sequence[float] = ()) -> Markup:
    """The figure of an entry drawn on the scale of its class; `others`: figures that are marked beside it."""
    value, u95 = one.figures.joules_per_1k_output_tokens or 0.0, one.figures.u95_j_per_1k_output_tokens or 0.0
    return interval(value, u95, scale, said=f"{value:.4g} ± {u95:.2g} {classes.UNIT}, rank {rank} of {of}", others=others)


def line(one: Entry, **more: Any) -> dict[str, Any]:
    """An entry in a list."""
    return {"entry": one, "path": path_of(one), "figure": figure(one), "hardware": hardware(one), **more}


def path_of(one: Entry) -> str:
    """Where the page of an entry is."""
    return f"/board/{one.entry_id.rpartition(':')[2]}"


def figure(one: Entry) -> Markup:
    """The figure that is compared, with its uncertainty."""
    value, u95 = one.figures.joules_per_1k_output_tokens, one.figures.u95_j_per_1k_output_tokens
    if value is None:
        return absent(one.figures.absent.get("joules_per_1k_output_tokens", ""))
    return expanded(Place(value, "/figures/joules_per_1k_output_tokens"), Place(u95, "/figures/u95_j_per_1k_output_tokens"))


def hardware(one: Entry) -> str:
    """The accelerators that the entry names; empty where it names none."""
    return " ".join(part for part in (one.labels.get("gpu_count"), one.labels.get("gpu_type")) if part)


def why(one: Entry, name: str) -> str:
    """Why an entry stands in a list without ranks; empty where the heading says it all."""
    if name == "withdrawn":
        return one.withdrawn_reason
    return f"lacks {', '.join(WORDS.get(part, part.replace('_', ' ')) for part in missing(one))}" if name == "incomparable" else ""


def told(shelf: Shelf, one: Entry) -> dict[str, Any]:
    """What the page of one entry shows."""
    row = next(row for row in shelf.rows if row.entry.entry_id == one.entry_id)
    ranks = [] if row.comparison is None else [place.rank for place in row.comparison.places]
    drawing, scale = None, None
    if row.place is not None and row.comparison is not None:
        figures = pairs(row.comparison)
        scale = common(figures)
        drawing = dot(one, scale, rank=row.place.rank, of=len(ranks), others=[value for value, _ in figures[:MOST_MARKED]])
    return {
        "entry": one,
        "path": path_of(one),
        "place": Place(one.to_json()),
        "where": row.where,
        "why": why(one, row.where) or LISTS.get(row.where, ("", ""))[1],
        "rank": row.place,
        "shared": row.place is not None and ranks.count(row.place.rank) > 1,
        "count": len(ranks),
        "drawing": drawing,
        "low": None if scale is None else f"{max(scale.low, 0.0):.4g}",
        "high": None if scale is None else f"{scale.high:.4g}",
        "load": row.comparison.load if row.comparison else Comparison("", one.key, ()).load,
        "hardware": hardware(one),
        "meaning": MEANINGS[one.level],
        "address": shelf.site.entry(one),
    }
