"""A sieve: each item of a list becomes records, or is told with its place and the reason. No item takes the others with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from joulemark.errors import ConfigError, FormatError, NaiveTimeError
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.snapshot import Record

T = TypeVar("T")


def sifted(items: Iterable[tuple[str, T]], read: Callable[[T], Iterable[Record | str]]) -> Harvest:
    """What `read` makes of `items`, each given as its pointer and itself.

    A text that `read` yields is the reason why a part of the item is no record; a FormatError, ConfigError or NaiveTimeError is that
    of the rest of it.
    """
    records: list[Record] = []
    rejected: list[Rejected] = []
    for pointer, item in items:
        try:
            for found in read(item):
                if isinstance(found, str):
                    rejected.append(Rejected(pointer, found))
                else:
                    records.append(found)
        except (FormatError, ConfigError, NaiveTimeError) as error:
            rejected.append(Rejected(pointer, error.what))
    return Harvest(tuple(records), tuple(rejected))
