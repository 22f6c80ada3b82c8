"""prices.db: every fetch, every price it brought and when each was seen. Rows are added, never changed and never removed.

A *point* is what a price is, without dates; its key is the hash of that. An *observation* says that a fetch saw a point, and what dates
the provider gave it. A list that is published again unchanged adds a fetch and observations, and no point.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from sqlite_utils import Database, Migrations

from joulemark.errors import EnvironmentFailed
from joulemark.pricing import canonical, price, rates, tariffs
from joulemark.pricing import carbon as carbons
from joulemark.pricing.carbon import Carbon
from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.price import Price
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Record, Snapshot
from joulemark.pricing.tariffs import Tariff


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: its `table`, its class, the keys that are not what it is but when it was seen, and the columns to ask by."""

    table: str
    record: type[Price] | type[Tariff] | type[Rate] | type[Carbon]
    seen: tuple[str, ...]
    columns: tuple[str, ...]


KINDS: Final = (
    Kind("price", Price, price.SEEN, ("provider", "region", "instance_type", "os", "price_model", "sku_id", "amount", "currency", "unit")),
    Kind("tariff", Tariff, tariffs.SEEN, ("zone", "amount", "currency")),
    Kind("fx", Rate, rates.SEEN, ("base", "quote", "rate")),
    Kind("carbon", Carbon, carbons.SEEN, ("zone", "kind", "g_per_kwh")),
)

migrations: Final = Migrations("joulemark.prices")


@migrations()
def points_and_observations(db: Database) -> None:
    """First tables. Amounts are TEXT; triggers refuse every change."""
    db.table("price_fetch").create(
        {
            "fetch_id": str,
            "feed": str,
            "scope": str,
            "outcome": str,
            "requested_at_ns": int,
            "fetched_at_ns": int,
            "repeats": str,
            "body": str,
        },
        pk="fetch_id",
        not_null={"feed", "scope", "outcome", "requested_at_ns", "repeats", "body"},
    )
    db.table("price_fetch").create_index(["feed", "scope", "requested_at_ns"])
    db.table("price_fetch").create_index(["repeats"])
    tables = ["price_fetch"]
    for kind in KINDS:
        point, seen = f"{kind.table}_point", f"{kind.table}_observation"
        db.table(point).create(
            {"point_id": str, **dict.fromkeys(kind.columns, str), "body": str}, pk="point_id", not_null={*kind.columns, "body"}
        )
        db.table(point).create_index(list(kind.columns[:3]))
        db.table(seen).create(
            {"point_id": str, "fetch_id": str, "effective_from_ns": int, "known_ns": int, "body": str},
            pk=("point_id", "fetch_id", "effective_from_ns"),
            not_null={"known_ns", "body"},
            foreign_keys=[("point_id", point, "point_id"), ("fetch_id", "price_fetch", "fetch_id")],
        )
        db.table(seen).create_index(["fetch_id"])
        tables += [point, seen]
    for table in tables:
        for change in ("UPDATE", "DELETE"):
            db.execute(
                f"CREATE TRIGGER {table}_{change.lower()} BEFORE {change} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'prices are never changed and never removed'); END"
            )


class PriceStore:
    """The prices of one data directory. Readers and one writer at a time may have it open, in several processes."""

    def __init__(self, path: Path) -> None:
        """Opens or makes `path`. Raises EnvironmentFailed when that cannot be done."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = Database(sqlite3.connect(path, timeout=10.0, check_same_thread=False))
            self._db.enable_wal()
            self._db.execute("PRAGMA foreign_keys = ON")
            migrations.apply(self._db)
        except (OSError, sqlite3.Error) as error:
            raise EnvironmentFailed(f"cannot open {path}: {error}", "check that the disk has room and that you own the file") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def take(self, fetch: Fetch, records: Iterable[Record] = ()) -> int:
        """Add `fetch` and what it saw, all or nothing; how many points are new. A fetch that is there already changes nothing."""
        with self._writing():
            before = self._db.conn.total_changes
            self._db.table("price_fetch").insert(fetch_row(fetch), ignore=True)
            if self._db.conn.total_changes == before:
                return 0
            return sum(self._observe(fetch.fetch_id, record) for record in records)

    def _observe(self, fetch_id: str, record: Record) -> int:
        kind = next(kind for kind in KINDS if isinstance(record, kind.record))
        data = record.to_json()
        what = {k: v for k, v in data.items() if k not in kind.seen}
        before = self._db.conn.total_changes
        row = {"point_id": record.point_id, **{name: str(data[name]) for name in kind.columns}, "body": canonical.encode(what).decode()}
        self._db.table(f"{kind.table}_point").insert(row, ignore=True)
        new = self._db.conn.total_changes - before
        when = {k: v for k, v in data.items() if k in kind.seen}
        self._db.table(f"{kind.table}_observation").insert(
            {
                "point_id": record.point_id,
                "fetch_id": fetch_id,
                "effective_from_ns": record.effective_from_ns,
                "known_ns": record.known_ns,
                "body": canonical.encode(when).decode(),
            },
            ignore=True,
        )
        return new

    def snapshot(self, *, known_at_ns: int | None = None, **named: str) -> Snapshot:
        """All that was known at `known_at_ns` (None: ever); a list found unchanged counts as seen again at that time.

        `named`: only prices with these values of `provider`, `region`, `instance_type`, whatever their case. Raises FormatError where a row
        does not fit its hash.
        """
        found: dict[str, list[Any]] = {kind.table: [] for kind in KINDS}
        for kind in KINDS:
            narrowed = named if kind.table == "price" else {}
            for point_id, what, when, checked_ns in self._rows(kind, narrowed, known_at_ns):
                record = kind.record.from_json({**json.loads(what), **json.loads(when), "sha256": point_id}, f"prices.db {kind.table}")
                found[kind.table].append(record if checked_ns is None else replace(record, fetched_at_ns=checked_ns))
        return Snapshot(*(tuple(found[kind.table]) for kind in KINDS))

    def _rows(self, kind: Kind, named: Mapping[str, str], known_at_ns: int | None) -> Iterator[tuple[str, str, str, int | None]]:
        """Point id, point, observation, and the time of the check that found it unchanged (None for the fetch itself)."""
        until = 2**63 - 1 if known_at_ns is None else known_at_ns
        where = "".join(f" AND p.{column} = ? COLLATE NOCASE" for column in named)
        seen = f"FROM {kind.table}_observation o JOIN {kind.table}_point p USING (point_id)"
        once = f"SELECT point_id, p.body, o.body, NULL {seen} WHERE o.known_ns <= ?{where}"
        again = (
            f"SELECT point_id, p.body, o.body, f.fetched_at_ns {seen} JOIN price_fetch f ON f.repeats = o.fetch_id "
            f"WHERE f.fetched_at_ns <= ?{where}"
        )
        values = (until, *named.values())
        yield from self._db.conn.execute(f"{once} UNION ALL {again}", (*values, *values))

    def fetches(self, feed: str | None = None, *, scope: str | None = None) -> list[Fetch]:
        """The attempts, newest first; of one feed, or of one scope of it."""
        asked = {"feed": feed, "scope": scope}
        given = {k: v for k, v in asked.items() if v is not None}
        where = " AND ".join(f"{k} = :{k}" for k in given) or "1"
        rows = self._db.conn.execute(f"SELECT body FROM price_fetch WHERE {where} ORDER BY requested_at_ns DESC, fetch_id", given)
        return [Fetch.from_json(json.loads(body)) for (body,) in rows]

    def last_good(self, feed: str, scope: str) -> Fetch | None:
        """The newest fetch of `scope` that brought records; None before the first."""
        return next((fetch for fetch in self.fetches(feed, scope=scope) if fetch.outcome is Outcome.OK), None)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction. Raises EnvironmentFailed when it cannot be written; then nothing of it is there."""
        try:
            with self._db.conn:
                self._db.conn.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise EnvironmentFailed(f"prices.db: {error}", "check that the disk has room; nothing of this fetch was kept") from error


def fetch_row(fetch: Fetch) -> dict[str, Any]:
    """The row of a fetch."""
    return {
        "fetch_id": fetch.fetch_id,
        "feed": fetch.feed,
        "scope": fetch.scope,
        "outcome": str(fetch.outcome),
        "requested_at_ns": fetch.requested_at_ns,
        "fetched_at_ns": fetch.fetched_at_ns,
        "repeats": fetch.repeats,
        "body": canonical.encode(fetch.to_json()).decode(),
    }
