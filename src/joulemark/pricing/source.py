"""A source: one feed of prices, as a pure parser of its replies and a way to ask for them. One file each in `pricing.sources`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from joulemark.pricing.fetch import Harvest
from joulemark.pricing.web import Web

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Source:
    """What the collector knows of a feed: `kind` names it in `[[feed]]` tables and in every price it brings.

    `config`: frozen dataclass of its own keys. `gather(config, web)`: asks, through `web` only, and parses; it raises what `web` raises
    and FormatError for a reply of another shape. `interval_s`: how often it is asked unless told otherwise. `max_age_s`: up to this age
    of the last check a price is fresh; beyond `hard_limit_s` it is no longer used. `experimental`: no recorded real reply was at hand.
    `due(harvest, asked_ns)`: when to ask next after a good reading, UTC nanoseconds, of a source that knows better than `interval_s`.

    `active_s`: how often it is asked while runs are going on, for prices that change by the hour; None for no oftener. `retry_s`: how
    soon it is asked again after an attempt that brought nothing.
    """

    kind: str
    config: type[Any]
    gather: Callable[[Any, Web], Awaitable[Harvest]]
    interval_s: int = DAY_S
    max_age_s: int = 2 * DAY_S
    hard_limit_s: int = 30 * DAY_S
    experimental: bool = False
    due: Callable[[Harvest, int], int] | None = None
    active_s: int | None = None
    retry_s: int = 3600
