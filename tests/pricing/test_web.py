"""Addresses: one origin however it is written, queries as providers read them, nothing secret in what is kept."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from joulemark.errors import ConfigError
from joulemark.pricing.web import NotModified, Reply, bare, joined, origin, origins

AZURE = "https://prices.azure.com/api/retail/prices"


def test_an_origin_has_its_port() -> None:
    """A default port that is written, as Azure does in its links, is the same origin; another port or scheme is not."""
    assert origin("https://prices.azure.com:443/api?$skip=100") == origin(AZURE) == "https://prices.azure.com:443"
    assert origin("HTTPS://Prices.Azure.com/") == origin(AZURE)
    assert len({origin(AZURE), origin("http://prices.azure.com/"), origin("https://prices.azure.com:8443/")}) == 3


@pytest.mark.parametrize("url", ["", "/api", "ftp://a.com/", "file:///etc/passwd", "https://", "https://a:b@c.com/", "https://a:99999/"])
def test_what_is_no_address_of_the_web(url: str) -> None:
    """A path, another scheme, an account in the address and an impossible port are refused."""
    with pytest.raises(ConfigError, match="is no address"):
        origin(url)


def test_a_feed_talks_to_the_hosts_of_its_own_keys() -> None:
    """Pinned are the origins of the keys that are addresses, and no others."""

    @dataclass
    class Config:
        url: str = AZURE
        token_url: str = "https://login.example.com/token"
        spare_url: str = ""
        region: str = "https://not.an.address.key/"

    assert origins(Config()) == {"https://prices.azure.com:443", "https://login.example.com:443"}


def test_a_query_is_written_as_providers_read_it() -> None:
    """Spaces are %20, quotes and dollars stand as they are, and what would end the value is quoted."""
    assert joined(AZURE, {"$filter": "armRegionName eq 'eastus'"}) == f"{AZURE}?$filter=armRegionName%20eq%20'eastus'"
    assert joined("https://a.com/?x=1", {"y": "a&b=c+d#e"}) == "https://a.com/?x=1&y=a%26b%3Dc%2Bd%23e"
    assert joined(AZURE, {}) == AZURE


def test_what_is_kept_holds_no_secret() -> None:
    """key, token and securityToken go, in any case of letters, and those that a source names; the rest stays in its order."""
    assert bare("https://a.com/p?zone=NL&securityToken=x&KEY=y&token=z&own=w&unit=MWh#f", ("Own",)) == "https://a.com/p?zone=NL&unit=MWh"
    assert bare(AZURE) == AZURE


def test_an_unchanged_list_says_which() -> None:
    """The exception carries the reply, and its text names the address."""
    reply = Reply(url=AZURE, http_status=304, fetched_at_ns=1)
    assert (reply.not_modified, Reply(url=AZURE, http_status=200, fetched_at_ns=1).not_modified) == (True, False)
    assert (NotModified(reply).reply, str(NotModified(reply))) == (reply, f"{AZURE} has not changed")
