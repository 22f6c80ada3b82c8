"""What a list changed against the one before it, and how much is known of whom: counted in the store, without reading all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.store import PriceStore

ALIKE: Final = ("provider", "region", "instance_type", "os", "price_model", "sku_id", "unit", "zone", "term_months", "payment_option")
"""What two prices share that are of one thing."""

IN_BODY: Final = ALIKE[-3:]

ONLY: Final = (
    "SELECT {columns}, amount, currency FROM price_point WHERE point_id IN (SELECT point_id FROM price_observation WHERE fetch_id = ? "
    "EXCEPT SELECT point_id FROM price_observation WHERE fetch_id = ?)"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One price that differs: what it is of, and what was asked before and after, decimal text with its currency."""

    provider: str
    region: str
    instance_type: str
    os: str
    price_model: str
    zone: str
    unit: str
    before: str
    before_currency: str
    after: str
    after_currency: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The list of `later` against that of `earlier`, of one scope of a feed: how many prices `changed`, the first of them as `changes`, how
    many things `came` and how many `went`.
    """

    earlier: Fetch
    later: Fetch
    changed: int
    came: int
    went: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of one provider: regions, kinds of machines, prices ever seen."""

    provider: str
    regions: int
    instance_types: int
    prices: int


def difference(store: PriceStore, feed: str, scope: str, *, most: int = 50) -> Difference | None:
    """The newest list of a scope that brought records against the one before it, with at most `most` changes; None before the second."""
    good = store.fetches(feed, scope=scope, outcome=Outcome.OK, limit=2)
    if len(good) < 2:
        return None
    later, earlier = good
    columns = ", ".join(f"coalesce(json_extract(body, '$.{name}'), '') AS {name}" if name in IN_BODY else name for name in ALIKE)
    only = ONLY.format(columns=columns)
    lists = f"WITH new AS ({only}), old AS ({only}), both AS (SELECT new.*, old.amount AS was, old.currency AS was_in FROM new JOIN old "
    lists += f"USING ({', '.join(ALIKE)}))"
    between = (later.fetch_id, earlier.fetch_id, earlier.fetch_id, later.fetch_id)
    named = "provider, region, instance_type, os, price_model, zone, unit"
    rows = store.asked(f"{lists} SELECT {named}, was, was_in, amount, currency FROM both ORDER BY {named} LIMIT ?", (*between, most))
    counted = f"{lists} SELECT (SELECT count(*) FROM both), (SELECT count(*) FROM new), (SELECT count(*) FROM old)"
    ((changed, new, old),) = store.asked(counted, between)
    return Difference(earlier, later, changed, max(new - changed, 0), max(old - changed, 0), tuple(Change(*row) for row in rows))


def coverage(store: PriceStore) -> list[Coverage]:
    """Each provider of whom a price is known, by name."""
    counts = "count(DISTINCT region), count(DISTINCT instance_type), count(*)"
    return [Coverage(*row) for row in store.asked(f"SELECT provider, {counts} FROM price_point GROUP BY provider ORDER BY provider", ())]
