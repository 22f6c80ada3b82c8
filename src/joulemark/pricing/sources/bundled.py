"""The prices that come with Joulemark: list prices of GPU machines, each with its day and its page, for where nothing else is known."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources.manual import read

PATH: Final = Path(__file__).parent.parent / "seed.toml"


@functools.cache
def seed() -> Snapshot:
    """All of them."""
    return read(PATH)


def snapshot(*, known_at_ns: int | None = None, **named: str) -> Snapshot:
    """Those that were read by `known_at_ns` (None: ever). `named`: only with these values of such fields, whatever their case."""
    return Snapshot(
        tuple(
            price
            for price in seed().prices
            if (known_at_ns is None or price.known_ns <= known_at_ns)
            and all(str(getattr(price, name)).lower() == value.lower() for name, value in named.items())
        )
    )
