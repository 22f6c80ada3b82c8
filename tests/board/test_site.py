"""Addresses of a board."""

from __future__ import annotations

import pytest

from joulemark.board.site import Site
from joulemark.errors import FormatError
from tests.board.entries import entry


def test_everything_stands_below_the_board() -> None:
    """Files, entries and snapshots have addresses below one place, with or without a slash behind the base."""
    for base in ("https://board.example.org/lab", "https://board.example.org/lab/"):
        site = Site(base)
        home = "https://board.example.org/lab/v1/board"
        assert (site.home, site.file("feed.json")) == (home, f"{home}/feed.json")
        assert site.entry(entry(7)) == f"{home}/entries/00000000-0000-0000-0000-000000000007"
        assert site.snapshot("2026-12-31", "energy.csv") == f"{home}/snapshots/2026-12-31/energy.csv"


@pytest.mark.parametrize(
    "base", ["", "board.example.org", "ftp://x", "https://", "https://u:p@x/", "https://x/?a=b", "javascript:1", "http://a\nb"]
)
def test_only_a_plain_address_is_one(base: str) -> None:
    """An address with a user, a query or another scheme is refused."""
    with pytest.raises(FormatError, match="address of a board"):
        Site(base)
