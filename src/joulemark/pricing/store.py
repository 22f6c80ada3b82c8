"""prices.db: every fetch, every price it brought and when each was seen. Rows are added, never changed and never removed.

A *point* is what a price is, without dates; its key is the hash of that. An *observation* says when and where a point was seen, and what
dates the provider gave it; its key is the hash of that, so what is brought twice is there once. A list that is published again unchanged
adds a fetch and observations, and no point.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from sqlite_utils import Database, Migrations

from joulemark.database import opened
from joulemark.errors import EnvironmentFailed, FormatError, UsageError
from joulemark.pricing import canonical, price, rates, tariffs
from joulemark.pricing import carbon as carbons
from joulemark.pricing.carbon import Carbon
from joulemark.pricing.fetch import Check, Fetch, Outcome, Rejected
from joulemark.pricing.near import near
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

During = tuple[int, int] | None
DAMAGED: Final = "restore a copy of prices.db, or move it away and import your price files again"

MAX_REJECTED: Final = 1000
"""Rejected rows of one fetch that are kept with their reasons; all are counted."""


@dataclass(frozen=True, slots=True)
class Added:
    """How many `points` and `observations` were not there before."""

    points: int = 0
    observations: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """How many sightings of prices and tariffs there are, the id of the snapshot of all, and when something was known last."""

    snapshot_id: str
    prices: int
    tariffs: int
    newest_ns: int | None


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
            "raw_sha256": str,
            "body": str,
        },
        pk="fetch_id",
        not_null={"feed", "scope", "outcome", "requested_at_ns", "repeats", "raw_sha256", "body"},
    )
    db.table("price_fetch").create_index(["feed", "scope", "requested_at_ns"])
    db.table("price_fetch").create_index(["repeats"])
    db.table("price_rejected").create(
        {"fetch_id": str, "pointer": str, "reason": str},
        not_null={"fetch_id", "pointer", "reason"},
        foreign_keys=[("fetch_id", "price_fetch", "fetch_id")],
    )
    db.table("price_rejected").create_index(["fetch_id"])
    keys = {"price_fetch": "fetch_id", "price_rejected": "rowid"}
    for kind in KINDS:
        point, seen = f"{kind.table}_point", f"{kind.table}_observation"
        db.table(point).create(
            {"point_id": str, **dict.fromkeys(kind.columns, str), "body": str}, pk="point_id", not_null={*kind.columns, "body"}
        )
        asked = ", ".join(f"{column} COLLATE NOCASE" for column in kind.columns[:3])
        db.execute(f"CREATE INDEX {point}_asked ON {point} ({asked})")
        db.table(seen).create(
            {"observation_id": str, "point_id": str, "fetch_id": str, "effective_from_ns": int, "known_ns": int, "body": str},
            pk="observation_id",
            not_null={"point_id", "fetch_id", "effective_from_ns", "known_ns", "body"},
            foreign_keys=[("point_id", point, "point_id"), ("fetch_id", "price_fetch", "fetch_id")],
        )
        db.table(seen).create_index(["point_id"])
        db.table(seen).create_index(["fetch_id"])
        keys |= {point: "point_id", seen: "observation_id"}
    for table, key in keys.items():
        seal(db, table, key)


def seal(db: Database, table: str, key: str) -> None:
    """Let nothing change `table` but a row whose `key` is new: not even INSERT OR REPLACE, which fires no trigger of DELETE."""
    for change in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER {table}_{change.lower()} BEFORE {change} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'prices are never changed and never removed'); END"
        )
    db.execute(
        f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key} OR rowid = NEW.rowid) BEGIN SELECT RAISE(IGNORE); END"
    )


class PriceStore:
    """The prices of one data directory. Readers and one writer at a time may have it open, in several processes."""

    def __init__(self, path: Path) -> None:
        """Opens or makes `path`. Raises EnvironmentFailed when it cannot be opened, is damaged or of a newer version."""
        self.path = path
        self._db = opened(path, migrations, kind="prices.db")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def take(self, fetch: Fetch, records: Iterable[Record] = (), rejected: Sequence[Rejected] = ()) -> Added:
        """Add `fetch`, what it saw and what it refused, all or nothing. A fetch that is there already changes nothing."""
        with self._writing() as db:
            row = fetch_row(fetch)
            if not inserted(db, "price_fetch", row):
                return Added()
            for entry in rejected[:MAX_REJECTED]:
                inserted(db, "price_rejected", {"fetch_id": row["fetch_id"], "pointer": entry.pointer, "reason": entry.reason})
            points = observations = 0
            for record in records:
                kind = next(kind for kind in KINDS if isinstance(record, kind.record))
                point, seen = rows_of(kind, record, row["fetch_id"])
                points += inserted(db, f"{kind.table}_point", point)
                observations += inserted(db, f"{kind.table}_observation", seen)
            return Added(points, observations)

    def snapshot(
        self, *, known_at_ns: int | None = None, fetch_id: str | None = None, last_check: bool = False, during: During = None, **named: str
    ) -> Snapshot:
        """All that was known at `known_at_ns` (None: ever); a list found unchanged counts as seen again at that time.

        `named`: only prices with these values of `provider`, `region`, `instance_type`, whatever their case; `fetch_id`: only what
        that fetch was first to see; `last_check`: of all times at which a list was found unchanged, only the last. `during`: only those
        tariffs, rates and carbon intensities that a look-up between these two moments may need, of years of hours. Raises FormatError
        where a row does not fit its hash, EnvironmentFailed for a damaged file.
        """
        found: dict[str, list[Any]] = {kind.table: [] for kind in KINDS}
        for kind in KINDS:
            narrowed = {f"p.{name}": value for name, value in named.items()} if kind.table == "price" else {}
            if fetch_id is not None:
                narrowed["o.fetch_id"] = fetch_id
            seen: dict[str, Any] = {}
            for *row, checked_ns in self._rows(kind, narrowed, known_at_ns, last_check=last_check, during=during):
                if row[0] not in seen:
                    seen[row[0]] = self._record(kind, *row)
                found[kind.table].append(seen[row[0]] if checked_ns is None else replace(seen[row[0]], fetched_at_ns=checked_ns))
        return Snapshot(*(tuple(found[kind.table]) for kind in KINDS))

    def newest(self, feed: str) -> list[Record]:
        """Each price and exchange rate that `feed` brought, as it was known last. Raises what `snapshot` does."""
        found: list[Record] = []
        for kind in KINDS:
            if kind.record in (Price, Rate):
                seen = f"{kind.table}_point p JOIN {kind.table}_observation o USING (point_id) JOIN price_fetch f USING (fetch_id)"
                asked = f"SELECT observation_id, point_id, p.body, o.body, max(o.known_ns) FROM {seen} WHERE f.feed = ? GROUP BY point_id"
                found += [self._record(kind, *row[:4]) for row in self.asked(asked, (feed,))]
        return found

    def totals(self) -> Totals:
        """How much is known, without reading it."""
        ids = [point_id for kind in KINDS for (point_id,) in self.asked(f"SELECT point_id FROM {kind.table}_point", ())]
        counts = {}
        newest = [self.asked("SELECT max(fetched_at_ns) FROM price_fetch WHERE repeats <> ''", ())[0][0]]
        for kind in KINDS:
            ((counts[kind.table], known_ns),) = self.asked(f"SELECT count(*), max(known_ns) FROM {kind.table}_observation", ())
            newest.append(known_ns)
        return Totals(canonical.digest(sorted(ids)), counts["price"], counts["tariff"], max(filter(None, newest), default=None))

    def listed(self, *, limit: int, offset: int = 0, **named: str) -> list[Price]:
        """A part of the list of all prices, or of those `named`, by provider, region and machine; each as it was known last."""
        where = " AND ".join(f"{column} = ? COLLATE NOCASE" for column in named) or "1"
        part = f"SELECT * FROM price_point WHERE {where} ORDER BY provider, region, instance_type, price_model, point_id LIMIT ? OFFSET ?"
        seen = f"({part}) p JOIN price_observation o USING (point_id)"
        asked = f"SELECT observation_id, point_id, p.body, o.body, max(o.known_ns) FROM {seen} GROUP BY point_id"
        found = [self._record(KINDS[0], *row[:4]) for row in self.asked(asked, (*named.values(), limit, offset))]
        return sorted(found, key=lambda price: (price.provider, price.region, price.instance_type, price.price_model, price.point_id))

    def _record(self, kind: Kind, observation_id: str, point_id: str, what: str, when: str) -> Any:
        """The record of a row. Raises FormatError when it, or its date, is not what was written."""
        try:
            dates = json.loads(when)
            record = kind.record.from_json({**json.loads(what), **dates, "sha256": point_id}, f"{self.path} {kind.table}")
        except (UsageError, ValueError, TypeError) as error:
            raise FormatError(f"{self.path}: a row of {kind.table}_point is damaged: {error}", DAMAGED) from error
        if observation_id != seen_id(point_id, dates):
            raise FormatError(f"{self.path}: a row of {kind.table}_observation does not fit its hash", DAMAGED)
        return record

    def _rows(self, kind: Kind, narrowed: Mapping[str, str], known_at_ns: int | None, *, last_check: bool, during: During) -> list[Any]:
        """Id of observation and point, both bodies, and the time of the check that found it unchanged (None for the fetch itself)."""
        until = 2**63 - 1 if known_at_ns is None else known_at_ns
        where = "".join(f" AND {column} = ?{' COLLATE NOCASE' if column.startswith('p.') else ''}" for column in narrowed)
        dated, moments = ("", ()) if during is None else near(kind.table, *during)
        seen = f"FROM {kind.table}_point p JOIN {kind.table}_observation o USING (point_id)"
        once = f"SELECT observation_id, point_id, p.body, o.body, NULL {seen} WHERE o.known_ns <= ?{where}{dated}"
        checked, group = ("max(f.fetched_at_ns)", " GROUP BY observation_id") if last_check else ("f.fetched_at_ns", "")
        again = (
            f"SELECT observation_id, point_id, p.body, o.body, {checked} {seen} JOIN price_fetch f ON f.repeats = o.fetch_id "
            f"WHERE f.fetched_at_ns <= ?{where}{dated}{group}"
        )
        values = (until, *narrowed.values(), *moments)
        return self.asked(f"{once} UNION ALL {again}", (*values, *values))

    def fetches(self, feed: str | None = None, *, scope: str | None = None, outcome: Outcome | None = None, limit: int = -1) -> list[Fetch]:
        """The attempts, newest first, at most `limit`; of one feed, of one scope of it, or of those that came to `outcome`."""
        where = {key: value for key, value in {"feed": feed, "scope": scope, "outcome": outcome}.items() if value is not None}
        return self._fetches(where, limit)

    def last_good(self, feed: str, scope: str) -> Fetch | None:
        """The newest fetch of `scope` that brought records; None before the first."""
        return next(iter(self._fetches({"feed": feed, "scope": scope, "outcome": Outcome.OK}, 1)), None)

    def holding(self, feed: str, scope: str, raw_sha256: str) -> Fetch | None:
        """The fetch of `scope` that took the very bytes with this hash; None when there was none."""
        return next(iter(self._fetches({"feed": feed, "scope": scope, "raw_sha256": raw_sha256, "outcome": Outcome.OK}, 1)), None)

    def checks(self) -> list[Check]:
        """How each scope of each feed stands, in their order."""
        scopes = self.asked("SELECT DISTINCT feed, scope FROM price_fetch ORDER BY feed, scope", ())
        return [self._check({"feed": feed, "scope": scope}) for feed, scope in scopes]

    def _check(self, where: Mapping[str, str]) -> Check:
        good = [fetch for found in (Outcome.OK, Outcome.NOT_MODIFIED) for fetch in self._fetches({**where, "outcome": found}, 1)]
        return Check(self._fetches(where, 1)[0], max(good, key=lambda fetch: fetch.requested_at_ns, default=None))

    def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """Attempts by outcome, of each scope of each feed."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        asked = "SELECT feed, scope, outcome, count(*) FROM price_fetch GROUP BY feed, scope, outcome"
        for feed, scope, outcome, count in self.asked(asked, ()):
            found.setdefault((feed, scope), {})[outcome] = count
        return found

    def rejected(self, fetch: Fetch) -> list[Rejected]:
        """The first rows of `fetch` that became no record."""
        rows = self.asked("SELECT pointer, reason FROM price_rejected WHERE fetch_id = ? ORDER BY rowid", (fetch.fetch_id,))
        return [Rejected(pointer, reason) for pointer, reason in rows]

    def _fetches(self, where: Mapping[str, str], limit: int) -> list[Fetch]:
        fits = " AND ".join(f"{column} = ?" for column in where) or "1"
        asked = f"SELECT fetch_id, body FROM price_fetch WHERE {fits} ORDER BY requested_at_ns DESC, fetch_id LIMIT ?"
        return [self._fetch(fetch_id, body) for fetch_id, body in self.asked(asked, (*where.values(), limit))]

    def _fetch(self, fetch_id: str, body: str) -> Fetch:
        try:
            fetch = Fetch.from_json(json.loads(body))
        except (UsageError, ValueError, TypeError, KeyError) as error:
            raise FormatError(f"{self.path}: a row of price_fetch is damaged: {error}", DAMAGED) from error
        if fetch.fetch_id != fetch_id:
            raise FormatError(f"{self.path}: a row of price_fetch does not fit its hash", DAMAGED)
        return fetch

    def asked(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """The rows that answer `query`. Raises EnvironmentFailed where the file is damaged."""
        try:
            return self._db.conn.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise EnvironmentFailed(f"cannot read {self.path}: {error}", DAMAGED) from error

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is asked inside is answered as of one moment, whatever another process writes meanwhile."""
        self._db.conn.execute("BEGIN")
        try:
            yield
        finally:
            self._db.conn.rollback()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction. Raises EnvironmentFailed when it cannot be written; then nothing of it is there."""
        try:
            with self._db.conn:
                self._db.conn.execute("BEGIN IMMEDIATE")
                yield self._db.conn
        except sqlite3.Error as error:
            raise EnvironmentFailed(f"cannot write {self.path}: {error}", "check that the disk has room; nothing of it was kept") from error


def inserted(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> bool:
    """Whether `row` was added, and not there before."""
    marks = ", ".join("?" * len(row))
    return db.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())).rowcount == 1


def rows_of(kind: Kind, record: Record, fetch_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The point and the observation of `record`."""
    data, point_id = record.to_json(), record.point_id
    what = {k: v for k, v in data.items() if k not in kind.seen}
    when = {k: v for k, v in data.items() if k in kind.seen}
    point = {"point_id": point_id, **{name: str(data[name]) for name in kind.columns}, "body": canonical.encode(what).decode()}
    seen = {
        "observation_id": seen_id(point_id, when),
        "point_id": point_id,
        "fetch_id": fetch_id,
        "effective_from_ns": record.effective_from_ns,
        "known_ns": record.known_ns,
        "body": canonical.encode(when).decode(),
    }
    return point, seen


def seen_id(point_id: str, when: Mapping[str, Any]) -> str:
    """SHA-256 over a point and when and where it was seen."""
    return canonical.digest([point_id, dict(when)])


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
        "raw_sha256": fetch.raw_sha256,
        "body": canonical.encode(fetch.to_json()).decode(),
    }
