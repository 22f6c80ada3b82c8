"""Feeds: a table of the configuration is a source with its keys and the collector's, and one thing that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulemark import config
from joulemark.collector.feeds import Feed, feed_of, feeds_of, folder
from joulemark.config import CollectorConfig, Config, FeedTable
from joulemark.errors import ConfigError
from joulemark.pricing.web import origins

AZURE: dict[str, Any] = {"regions": ["eastus", "westus"], "instance_types": ["Standard_D2s_v3"]}


def azure(**more: Any) -> Feed:
    return feed_of(FeedTable("azure_retail", {**AZURE, **more}))


def test_a_table_is_divided_between_source_and_collector() -> None:
    """The keys of the source reach its Config class, those of the collector do not; what is not said is the source's own pace."""
    feed = azure(every_s=600, max_pages=3)
    assert feed.config == feed.source.config(regions=("eastus", "westus"), instance_types=("Standard_D2s_v3",))
    assert (feed.every_s, feed.keys.max_pages, feed.keys.jitter_s) == (600, 3, 60)
    assert azure().every_s == feed.source.interval_s == 86_400


def test_a_scope_says_what_is_asked_for() -> None:
    """Keys that differ from their defaults, and no address or key file: the same list from a mirror is compared with the same."""
    assert azure().scope == "regions=eastus,westus instance_types=Standard_D2s_v3"
    assert azure(origin="http://127.0.0.1:9").scope == azure(url="https://other.example/prices").scope == azure().scope
    assert azure(currency="EUR").scope.endswith("currency=EUR")
    assert feed_of(FeedTable("ecb")).name == "ecb"
    keyed = feed_of(FeedTable("electricity_maps", {"zone": "FR", "key_file": "/x"}))
    assert (keyed.scope, keyed.name) == ("zone=FR", "electricity_maps zone=FR")


def test_a_mirror_is_asked_for_the_same_path() -> None:
    """`origin` replaces scheme, host and port of the source's addresses, and is then the only place that may be asked."""
    feed = azure(origin="http://127.0.0.1:8080")
    assert feed.config.url == "http://127.0.0.1:8080/api/retail/prices"
    assert origins(feed.config) == {"http://127.0.0.1:8080"}


def test_prices_of_a_market_are_looked_at_often() -> None:
    """A marketplace is looked at each quarter of an hour, read each six hours; `every_s` below that is its pace at all times."""
    feed = feed_of(FeedTable("vast"))
    assert (feed.tick_s, feed.every_s, feed.retry_s) == (900, 21_600, 3600)
    often = feed_of(FeedTable("vast", {"every_s": 60}))
    assert (often.tick_s, often.every_s, often.retry_s) == (60, 60, 60)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("azure_retial", {}, "did you mean 'azure_retail'"),
        ("ecb", {"every": 5}, "unknown key 'every'"),
        ("ecb", {"every_s": -1}, "set feed.every_s to 1 or more"),
        ("ecb", {"deadline_s": 0}, "feed.deadline_s"),
        ("ecb", {"max_pages": 0}, "feed.max_pages"),
        ("ecb", {"max_bytes": 5}, "feed.max_bytes"),
        ("ecb", {"jitter_s": -5}, "feed.jitter_s"),
        ("ecb", {"url": "ftp://mirror.example/list"}, "is no address of the web"),
        ("ecb", {"origin": "mirror.example"}, "is no address of the web"),
        ("ecb", {"origin": "https://a:b@mirror.example"}, "without a name or a password"),
        ("azure_retail", {"regions": ["x"]}, "missing instance_types"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_key(kind: str, options: dict[str, Any], said: str) -> None:
    """An unknown kind, an unknown key, a value out of its bounds: each names what to write."""
    with pytest.raises(ConfigError) as caught:
        feed_of(FeedTable(kind, options), "joulemark.toml")
    assert said in str(caught.value)


def test_two_feeds_of_one_kind_ask_for_different_things() -> None:
    """Two tables of one kind stand side by side; two that ask for the same are an error."""
    eur = FeedTable("azure_retail", {**AZURE, "currency": "EUR"})
    usd = FeedTable("azure_retail", AZURE)
    assert len(feeds_of(Config(feeds=(eur, usd)))) == 2
    with pytest.raises(ConfigError, match=r"two .*ask for azure_retail regions=eastus,westus"):
        feeds_of(Config(feeds=(usd, FeedTable("azure_retail", {**AZURE, "every_s": 5}))))


def test_no_feed_is_asked_for_unless_it_is_configured(tmp_path: Path) -> None:
    """The default is none; a file names them in [[feed]] tables, in their order."""
    assert feeds_of(Config()) == ()
    parsed = config.parse({"feed": [{"kind": "ecb"}, {"kind": "vast"}]})
    assert [feed.kind for feed in feeds_of(parsed)] == ["ecb", "vast"]
    assert folder(Config(collector=CollectorConfig(data_dir=tmp_path))) == tmp_path / "prices"
