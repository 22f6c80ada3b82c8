"""Where the prices of this machine are kept: `prices.file` of the configuration, else `prices.db` in the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from joulemark.config import Config
from joulemark.errors import ConfigError
from joulemark.pricing.intake import Intake
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import bundled
from joulemark.pricing.store import PriceStore
from joulemark.timebase import Clock

FORMER: Final = "prices.json"
"""Where they were kept, in the data folder, before there was a store."""


def place(config: Config) -> Path:
    """The file of the store. Raises ConfigError where the configuration names a price file, as it did before there was a store."""
    path = config.prices.file
    if path is not None and path.suffix in (".json", ".toml"):
        raise ConfigError(
            f"prices.file = {path} is a price file; the key names the store of all prices, a database",
            f"leave the key out, or let it end in .db; then take the file over with: joulemark price import {path}",
        )
    return path or config.collector.data_dir / "prices.db"


def exists(config: Config) -> bool:
    """Whether anything was ever kept, here or in the former place."""
    return place(config).exists() or (config.collector.data_dir / FORMER).exists()


def opened(config: Config, clock: Clock) -> PriceStore:
    """The store, with all that stands in a `prices.json` of the data folder: that file is taken once, and left as it is.

    Raises what `place`, `PriceStore` and `Intake` do.
    """
    former = config.collector.data_dir / FORMER
    taken_over = Intake.read(former, clock=clock) if former.exists() else None
    store = PriceStore(place(config))
    try:
        if taken_over is not None:
            taken_over.commit(store)
    except BaseException:
        store.close()
        raise
    return store


def snapshot(
    config: Config,
    clock: Clock,
    *,
    known_at_ns: int | None = None,
    last_check: bool = False,
    during: tuple[int, int] | None = None,
    **named: str,
) -> Snapshot:
    """What `PriceStore.snapshot` tells; an empty one, and no file made, where nothing was ever kept. Raises what `opened` does."""
    if not exists(config):
        return Snapshot()
    with opened(config, clock) as store:
        return store.snapshot(known_at_ns=known_at_ns, last_check=last_check, during=during, **named)


def known(config: Config, clock: Clock, *, known_at_ns: int | None = None, during: tuple[int, int] | None = None, **named: str) -> Snapshot:
    """All that a look-up may use: what was kept, and the prices that come with Joulemark, which it asks last. Raises what `opened` does."""
    kept = snapshot(config, clock, known_at_ns=known_at_ns, last_check=False, during=during, **named)
    return kept.joined(bundled.snapshot(known_at_ns=known_at_ns, **named))
