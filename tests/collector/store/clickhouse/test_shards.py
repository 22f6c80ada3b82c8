"""Which host lies where, and which addresses may be shards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.shards import Shards
from joulemark.config import ClickhouseConfig, Config, TlsConfig
from joulemark.errors import ConfigError, EnvironmentFailed


def shards(*names: str) -> Shards:
    """Shards that are never reached."""
    return Shards([Shard.over_http(name) for name in names])


def test_a_new_shard_takes_a_share_and_moves_no_other_host() -> None:
    """Of 3000 hosts on two shards a third goes to the third one, and the rest stays; the order of the list says nothing."""
    hosts = [f"host-{number}" for number in range(3000)]
    before, after = shards("a:1/d", "b:1/d"), shards("c:1/d", "b:1/d", "a:1/d")
    moved = [host for host in hosts if before.of_host(host).name != after.of_host(host).name]
    assert {after.of_host(host).name for host in moved} == {"c:1/d"}
    assert 900 < len(moved) < 1100
    assert min(Counter(before.of_host(host).name for host in hosts).values()) > 1400


def test_a_place_is_the_same_in_every_version() -> None:
    """Readings stay where they went: these hosts lay there when the first version with shards was released."""
    both = shards("ch-a.example:8443/joulemark", "ch-b.example:8443/joulemark")
    assert [both.of_host(f"gpu-{number}").name[3] for number in range(8)] == list("ababaaab")


@pytest.mark.parametrize(
    ("address", "more", "why"),
    [
        ("https://u:secret@ch/joulemark", {}, "holds a password"),
        ("http://ch.example:8123/joulemark", {}, "plain text"),
        ("ch:8123/joulemark", {}, "no address of a shard"),
        ("https:///joulemark", {}, "no address of a shard"),
        ("https://ch/joulemark?x=1", {}, "no address of a shard"),
        ("https://ch/a/b", {}, "no address of a shard"),
        ("https://ch:0x1/a", {}, "no address of a shard"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(address: str, more: dict[str, Any], why: str) -> None:
    """It is an error of the configuration, which never shows a password."""
    with pytest.raises(ConfigError, match=why) as caught:
        Shards.of(Config(clickhouse=ClickhouseConfig(shards=(address,), **more)))
    assert "secret" not in str(caught.value)


def test_shards_are_named_by_host_port_and_database(tmp_path: Path) -> None:
    """Default ports and database are filled in; users and passwords are no part of a name."""
    (tmp_path / "password").write_text("secret\n")
    keys = ClickhouseConfig(shards=("https://u@ch-a", "http://127.0.0.1/x", "http://ch-c:9/y"), password_file=tmp_path / "password")
    found = Shards.of(Config(clickhouse=keys, tls=TlsConfig(insecure=True)))
    assert [shard.name for shard in found] == ["ch-a:8443/joulemark", "127.0.0.1:8123/x", "ch-c:9/y"]
    with pytest.raises(EnvironmentFailed, match="ch-d:8443/joulemark"):
        found.named("ch-d:8443/joulemark")
