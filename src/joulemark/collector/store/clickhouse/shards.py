"""All shards: which hosts lie on which, by a hash that moves only their share of hosts when one is added."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from joulemark import config as configuration
from joulemark.addresses import is_loopback
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.config import Config
from joulemark.errors import ConfigError, EnvironmentFailed, RemoteUnreachable

log = logging.getLogger("joulemark.collector.clickhouse")
PORTS: Final = {"http": 8123, "https": 8443}
DATABASE: Final = "joulemark"


class Shards:
    """Those of the configuration, by name."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._by_name = {shard.name: shard for shard in shards}

    @classmethod
    def of(cls, config: Config) -> Shards:
        """Those of `[clickhouse]`; none is reached yet. Raises ConfigError for an address that cannot be one, or is not safe."""
        keys = config.clickhouse
        password = "" if keys.password_file is None else configuration.read_secret(keys.password_file, "clickhouse.password_file")
        return cls([reached(address, password, config) for address in keys.shards])

    def __iter__(self) -> Iterator[Shard]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def of_host(self, agent_id: str) -> Shard:
        """Where the readings of a host go. The highest hash of host and shard wins: a new shard takes some hosts, and moves no other."""
        return max(self, key=lambda shard: hashlib.sha256(f"{agent_id}\0{shard.name}".encode()).digest())

    def named(self, name: str) -> Shard:
        """The shard that readings.db knows by this name. Raises EnvironmentFailed when the configuration lacks it."""
        if name not in self._by_name:
            raise EnvironmentFailed(
                f"readings lie on the ClickHouse shard {name}, which clickhouse.shards does not name",
                "add its address again: a shard that is no longer wanted may stay at the end of the list until its readings are not either",
            )
        return self._by_name[name]

    def greet(self) -> None:
        """Reach every shard at the start. One that does not answer is told of and waited for. Raises EnvironmentFailed for newer tables."""
        for shard in self:
            try:
                shard.connect()
            except RemoteUnreachable as error:
                log.warning("%s", error)

    def close(self) -> None:
        """Let go of all connections."""
        for shard in self:
            shard.close()


def reached(address: str, password: str, config: Config) -> Shard:
    """The shard at an address `http[s]://[USER@]HOST[:PORT]/DATABASE`. Raises ConfigError."""
    try:
        parts = urlsplit(address)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise wrong(address, "is no address of a shard") from error
    if not parts.hostname or parts.query or parts.fragment or parts.path.count("/") > 1:
        raise wrong(address, "is no address of a shard")
    if parts.password is not None:
        raise ConfigError(
            "an address in clickhouse.shards holds a password", "put it into a file and name that in clickhouse.password_file"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname) and not config.tls.insecure:
        raise wrong(address, "is beyond this machine and would be reached in plain text")
    database = unquote(parts.path.strip("/")) or DATABASE
    authority = config.clickhouse.ca_file
    return Shard.over_http(
        f"{parts.hostname}:{port}/{database}",
        interface=parts.scheme,
        host=parts.hostname,
        port=port,
        database=database,
        username=unquote(parts.username) if parts.username else "default",
        password=password,
        **({"ca_cert": str(authority)} if authority is not None and parts.scheme == "https" else {}),
    )


def wrong(address: str, why: str) -> ConfigError:
    """The error for an address that cannot be used."""
    return ConfigError(
        f"clickhouse.shards: {address!r} {why}",
        "write it as https://USER@HOST:8443/DATABASE; http only on this machine, or with tls.insecure",
    )
