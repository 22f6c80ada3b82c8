"""The shelf: what the board answers, made once and whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from joulemark.board.classes import Board
from joulemark.board.site import Site
from joulemark.collector.shelf import MOST_KEPT, PER_PAGE, Answer, Shelf
from tests.board.entries import KEY, PUBLISHED_NS, entry

SITE = Site("https://board.example")
MANY = [entry(n, level=("ES1", "ES2", "ES0")[n % 3], key=replace(KEY, concurrency=n % 5 + 1)) for n in range(1, 251)]


def told(answer: Answer | None) -> dict[str, Any]:
    """What an answer says."""
    assert answer is not None
    found: dict[str, Any] = json.loads(answer.body)
    return found


def listed(board: dict[str, Any]) -> list[tuple[str, int | None]]:
    """Id and rank of each entry of a list, in its order."""
    ranked = [(one["entry_id"], one["rank"]) for part in board["classes"] for one in part["entries"]]
    return ranked + [(one["entry_id"], None) for name in ("informative", "not_comparable", "simulated", "withdrawn") for one in board[name]]


def test_the_pages_together_are_the_board() -> None:
    """Every entry stands on one page of the list, with the rank it has in its whole class, and on one page of the feed."""
    shelf = Shelf.of(MANY, SITE)
    assert len(shelf.pages) == len(shelf.feed) == 3
    pages = [told(shelf.listed(number)) for number in (1, 2, 3)]
    assert {(page["pages"], page["total"]) for page in pages} == {(3, 250)}
    assert [one for page in pages for one in listed(page["board"])] == listed(Board.of(MANY).to_json())
    assert shelf.listed(4) is None
    items = [item for answer in shelf.feed for item in told(answer)["items"]]
    assert [item["id"] for item in items] == [one.entry_id for one in sorted(MANY, key=lambda e: -e.modified_ns)]


def test_the_feed_leads_on() -> None:
    """Each page names itself and the next; the last one ends."""
    first, second, third = map(told, Shelf.of(MANY, SITE).feed)
    address = "https://board.example/v1/board/feed.json"
    assert (first["feed_url"], first["next_url"], second["next_url"]) == (address, f"{address}?page=2", f"{address}?page=3")
    assert "next_url" not in third
    assert len(first["items"]) == PER_PAGE


def test_filters_choose_and_leave_ranks() -> None:
    """By level, class (whole or its beginning) and model; what fits nothing is an empty page, and a page beyond the last is none."""
    shelf = Shelf.of(MANY, SITE)
    high = told(shelf.listed(1, level="ES2"))
    assert {one["level"] for part in high["board"]["classes"] for one in part["entries"]} == {"ES2"}
    assert (high["total"], high["asked"]) == (sum(one.level == "ES2" for one in MANY), {"level": "ES2"})
    one = next(e for e in MANY if e.level == "ES1")
    assert one.class_id is not None
    short, whole = (told(shelf.listed(1, class_id=name)) for name in (one.short_class, one.class_id))
    assert short["board"] == whole["board"]
    assert [part["class_id"] for part in whole["board"]["classes"]] == [one.class_id]
    assert told(shelf.listed(1, model="Nobody's"))["total"] == 0
    assert shelf.listed(2, model="Nobody's") is None
    for number in range(MOST_KEPT + 10):
        shelf.listed(1, model=f"m{number}")
    assert len(shelf.kept) <= MOST_KEPT


def test_an_entry_is_encoded_once_for_a_shelf() -> None:
    """While the board does not change; few are kept, and the next shelf begins anew."""
    shelf = Shelf.of(MANY, SITE)
    first = shelf.told(MANY[0])
    assert told(first) == MANY[0].to_json()
    assert shelf.told(MANY[0]) is first
    for number in range(1000, 1000 + MOST_KEPT + 10):
        shelf.told(entry(number))
    assert len(shelf.singles) <= MOST_KEPT
    gone = MANY[0].withdrawn("wrong", at_ns=PUBLISHED_NS + 10**15)
    later = Shelf.of([gone, *MANY[1:]], SITE, shelf).told(gone)
    assert (told(later), later.etag != first.etag) == (gone.to_json(), True)


def test_tags_follow_the_bytes() -> None:
    """The same entries give the same bytes and tags in whatever order; a withdrawal changes the first page of the feed and the list."""
    shelf = Shelf.of(MANY, SITE)
    assert Shelf.of(MANY[::-1], SITE).feed == shelf.feed
    gone = MANY[0].withdrawn("wrong", at_ns=PUBLISHED_NS + 10**15)
    later = Shelf.of([gone, *MANY[1:]], SITE, shelf)
    assert later.feed[0].etag != shelf.feed[0].etag
    assert told(later.feed[0])["items"][0]["id"] == gone.entry_id
    assert later.items[MANY[1].entry_id] is shelf.items[MANY[1].entry_id]
    assert later.feed == Shelf.of([gone, *MANY[1:]], SITE).feed
    assert Shelf.of(MANY, Site("https://moved.example"), shelf).feed != shelf.feed


def test_an_empty_board_answers() -> None:
    """Before the first entry there is one empty page of each, a table with its head, and no date."""
    shelf = Shelf.of([], SITE)
    assert (told(shelf.listed(1))["total"], told(shelf.feed[0])["items"]) == (0, [])
    assert shelf.files["energy.csv"].body.startswith(b"entry_id,")
    assert shelf.feed[0].last_modified is None
    assert Shelf.of([entry(1)], SITE).feed[0].last_modified == "Mon, 26 Oct 2026 07:34:20 GMT"
