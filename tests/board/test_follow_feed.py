"""The feed of another board: what an item has to have, and what of it is passed on."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from joulemark.board import feed
from joulemark.board.follow_feed import Item, Pages, address, taken
from joulemark.board.site import Site
from joulemark.errors import FormatError
from tests.board.another import theirs

SITE = Site("https://board.example")
URL = "https://board.example/v1/board/feed.json"


def item(**changed: Any) -> dict[str, Any]:
    """A good item, with keys of it or of `_energy` replaced."""
    found = copy.deepcopy(feed.item(theirs(1), SITE))
    for key, value in changed.items():
        (found["_energy"] if key in found["_energy"] else found)[key] = value
    return found


def test_a_good_item_is_read() -> None:
    """Id, who, state, hash, where its archive is, and what is claimed."""
    one = Item.of(item(), URL)
    assert (one.item_id, one.author, one.status) == (theirs(1).entry_id, "Example Laboratory", "published")
    assert one.bundle_url == f"{SITE.entry(theirs(1))}/bundle"
    assert one.energy == theirs(1).energy()


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": 7},
        {"id": "x" * 201},
        {"id": "two\nlines"},
        {"url": None},
        {"status": "deleted"},
        {"bundle_sha256": "AB" * 32},
        {"bundle_sha256": "../../x"},
        {"_energy": None},
        {"_energy": []},
    ],
)
def test_what_cannot_be_followed_is_refused(changed: dict[str, Any]) -> None:
    """An item without a name, a place, a state or a hash is no entry."""
    with pytest.raises(FormatError, match="lacks id, url"):
        Item.of({**item(), **changed} if "_energy" in changed else item(**changed), URL)


@pytest.mark.parametrize("data", [None, 7, "item", []])
def test_what_is_no_object_is_no_item(data: Any) -> None:
    """Whatever stands in the list."""
    with pytest.raises(FormatError):
        Item.of(data, URL)


def test_words_of_strangers_are_cleaned() -> None:
    """Names and reasons are one printable line, and have a stand-in where they are missing."""
    odd = Item.of(item(authors=[{"name": "a\x1b[2J\nb"}], withdrawn_reason="x\ny"), URL)
    assert (odd.author, odd.reason) == ("a [2J b", "x y")
    for authors in (None, [], [7], [{"name": 7}]):
        assert Item.of(item(authors=authors), URL).author == "unnamed"


def test_a_page_is_taken_with_what_is_wrong_in_it() -> None:
    """Good items count, bad ones are named; the same id with two bundles is named, and the first stands; the next page is found."""
    found = Pages()
    page = feed.page([theirs(1), theirs(2)], SITE, next_url="feed.json?page=2")
    page["items"] += [{}, {**item(), "_energy": {**item()["_energy"], "bundle_sha256": "0" * 64}}]
    assert taken(found, page, URL) == f"{URL}?page=2"
    assert set(found.items) == {theirs(1).entry_id, theirs(2).entry_id}
    assert len(found.wrong) == 2
    assert "twice, with two bundles" in found.wrong[1]
    assert found.items[theirs(1).entry_id].bundle_sha256 == theirs(1).bundle_sha256


@pytest.mark.parametrize("changed", [{"version": "https://jsonfeed.org/version/1"}, {"_energy": None}, {"_energy": {"board": "all"}}])
def test_another_feed_is_none_of_a_board(changed: dict[str, Any]) -> None:
    """A feed of something else is refused whole."""
    with pytest.raises(FormatError, match="no feed of an energy-only board"):
        taken(Pages(), {**feed.page([theirs(1)], SITE), **changed}, URL)


def test_the_last_page_ends() -> None:
    """Without a next page, or with one that is no text, the feed is over."""
    for value in (None, 7, "", []):
        assert taken(Pages(), {**feed.page([], SITE), "next_url": value, "items": None}, URL) is None


def test_a_board_is_named_by_its_collector_or_its_feed() -> None:
    """The address of a collector leads to its feed; one of a feed stays."""
    assert address("https://board.example") == address("https://board.example/") == address(URL) == URL
