"""Feeds: the `[[feed]]` tables of the configuration, each a source of prices with its own keys and those that the collector reads.

Loads no library of the web: the command line checks a configuration with it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from joulemark import config
from joulemark.config import Config, FeedTable, at_least
from joulemark.errors import ConfigError
from joulemark.pricing.source import Source
from joulemark.pricing.sources import source
from joulemark.pricing.web import origin, origins

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FeedKeys:
    """Keys of any `[[feed]]` table that the collector reads itself; the source never sees them."""

    every_s: int = 0
    """Seconds between two readings; 0 takes the pace of the source."""
    jitter_s: int = 60
    """Each reading is up to so many seconds late, at random, so that not everybody asks at the same time."""
    deadline_s: float = 900.0
    """Seconds within which a reading has to be complete, all pages and waits together; else the prices known stay in use."""
    max_pages: int = 200
    """Largest number of pages of one reading."""
    max_bytes: int = 2048 * MIB
    """Largest size in bytes of all pages of one reading, unpacked."""
    origin: str = ""
    """Address of a mirror, as https://mirror.example, that is asked for the same paths in place of the provider."""

    def __post_init__(self) -> None:
        if self.every_s:
            at_least("feed.every_s", self.every_s, 1)
        at_least("feed.jitter_s", self.jitter_s, 0)
        at_least("feed.deadline_s", self.deadline_s, 0.1)
        at_least("feed.max_pages", self.max_pages, 1)
        at_least("feed.max_bytes", self.max_bytes, 1024)
        if self.origin:
            origin(self.origin)


@dataclass(frozen=True, slots=True)
class Feed:
    """A source with its keys: one thing that the collector asks for, again and again."""

    source: Source
    config: Any
    keys: FeedKeys = FeedKeys()

    @property
    def kind(self) -> str:
        """The kind of the source."""
        return self.source.kind

    @property
    def scope(self) -> str:
        """What of the source is asked for, as `region=eastus instance_types=a,b`: keys that differ from their defaults.

        Addresses and key files are no part of it: the same list from a mirror is the same list.
        """
        given = {f.name: getattr(self.config, f.name) for f in dataclasses.fields(self.config) if not is_way(f.name)}
        usual = {f.name: f.default for f in dataclasses.fields(self.config)}
        return " ".join(f"{name}={shown(value)}" for name, value in given.items() if value != usual[name])

    @property
    def name(self) -> str:
        """Kind and scope."""
        return f"{self.kind} {self.scope}".rstrip()

    @property
    def every_s(self) -> int:
        """Seconds between two readings while no run is going on."""
        return self.keys.every_s or self.source.interval_s

    @property
    def tick_s(self) -> int:
        """Seconds between two looks whether it is to be read: those while runs are going on."""
        return min(self.every_s, self.source.active_s or self.every_s)

    @property
    def retry_s(self) -> int:
        """Seconds from an attempt that brought nothing to the next one."""
        return min(self.every_s, self.source.retry_s)


def is_way(name: str) -> bool:
    """Whether a key says how a list is reached, and not what is in it."""
    return name == "url" or name.endswith(("_url", "_file"))


def shown(value: object) -> str:
    """The value of a key in a scope."""
    return ",".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def feed_of(table: FeedTable, where: str = "") -> Feed:
    """The feed of a table. Raises ConfigError for an unknown kind or key, or a wrong value; `where` names the file in messages."""
    place = f"{where} [[feed]] {table.kind}".strip()
    mine = {f.name for f in dataclasses.fields(FeedKeys)}
    found = source(table.kind)
    own = {key: value for key, value in table.options.items() if key not in mine}
    keys = config.build(FeedKeys, {key: value for key, value in table.options.items() if key in mine}, place)
    feed = Feed(found, mirrored(config.build(found.config, own, place), keys.origin), keys)
    origins(feed.config)
    return feed


def mirrored(own: Any, mirror: str) -> Any:
    """The keys of a source with the mirror in each address; as they are without one."""
    if not mirror:
        return own
    to = urlsplit(mirror)
    moved = {}
    for f in dataclasses.fields(own):
        url = getattr(own, f.name)
        if (f.name == "url" or f.name.endswith("_url")) and url:
            moved[f.name] = urlunsplit((to.scheme, to.netloc, *urlsplit(url)[2:]))
    return replace(own, **moved)


def feeds_of(settings: Config) -> tuple[Feed, ...]:
    """The feeds of a configuration. Raises ConfigError as `feed_of`, and for two that ask for the same."""
    where = str(settings.path or "")
    feeds = tuple(feed_of(table, where) for table in settings.feeds)
    names = Counter(feed.name for feed in feeds)
    if twice := next((name for name, count in names.items() if count > 1), None):
        raise ConfigError(f"{where}: two [[feed]] tables ask for {twice}".lstrip(": "), "remove one, or let them ask for different things")
    return feeds


def folder(settings: Config) -> Path:
    """Where the collector keeps what it read for prices, beside the store: replies as they came."""
    return settings.collector.data_dir / "prices"
