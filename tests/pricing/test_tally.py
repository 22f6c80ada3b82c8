"""Tally: one page is its own hash and validators, several pages have one hash and none."""

from __future__ import annotations

import hashlib

from joulemark.pricing.tally import Tally
from joulemark.pricing.web import Reply


def reply(url: str, sha256: str, status: int = 200, at_ns: int = 5) -> Reply:
    return Reply(url=url, http_status=status, fetched_at_ns=at_ns, sha256=sha256, etag='"1"', last_modified="then")


def test_one_page_and_several() -> None:
    """The hash of one page is that page's; of two it covers both and their order; validators hold only for one page."""
    tally = Tally()
    assert (tally.raw_sha256, tally.fetched_at_ns) == ("", None)
    tally.add(reply("a", "11"), 10)
    assert (tally.url, tally.raw_sha256, tally.etag, tally.last_modified, tally.raw_bytes) == ("a", "11", '"1"', "then", 10)
    tally.add(reply("b", "22", at_ns=9), 20)
    assert (tally.url, tally.raw_sha256, tally.etag) == ("a", hashlib.sha256(b"1122").hexdigest(), "")
    assert (tally.pages, tally.raw_bytes, tally.fetched_at_ns) == (2, 30, 9)


def test_an_unchanged_list_is_no_page() -> None:
    """304 has validators and a time, and no bytes."""
    tally = Tally()
    tally.add(reply("a", "", 304), 0)
    assert (tally.http_status, tally.pages, tally.raw_sha256, tally.etag, tally.fetched_at_ns) == (304, 0, "", '"1"', 5)
