"""A snapshot: the prices and tariffs known at one place, never changed, only joined with newer ones; and the look-up in it.

Prices have two times. `valid` time is when the provider charged it; `known` time is when it was read. A run of June must be
priced with what was charged in June, and a card of June must still be explicable with what was known in June.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, Self

from joulemark.config import unknown
from joulemark.errors import FormatError
from joulemark.pricing import canonical, money
from joulemark.pricing.answer import Answer
from joulemark.pricing.carbon import Carbon, CarbonKind
from joulemark.pricing.lookup import lookup
from joulemark.pricing.price import Price
from joulemark.pricing.rates import PIVOT, Rate, crossed
from joulemark.pricing.spans import Cover, cover
from joulemark.pricing.tariffs import Tariff
from joulemark.pricing.wanted import AsOf, Limits, Wanted

PRICES_SCHEMA: Final = "joulemark.prices/1"

Record = Price | Tariff | Rate | Carbon

FIELDS: Final = {kind: tuple(field.name for field in fields(kind)) for kind in (Price, Tariff, Rate, Carbon)}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Prices, tariffs, exchange rates and carbon intensities in canonical order, without repetitions."""

    prices: tuple[Price, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    rates: tuple[Rate, ...] = ()
    carbons: tuple[Carbon, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "prices", tuple(sorted(set(self.prices), key=order)))
        object.__setattr__(self, "tariffs", tuple(sorted(set(self.tariffs), key=order)))
        object.__setattr__(self, "rates", tuple(sorted(set(self.rates), key=order)))
        object.__setattr__(self, "carbons", tuple(sorted(set(self.carbons), key=order)))

    @property
    def snapshot_id(self) -> str:
        """SHA-256 over the sorted ids of what it holds: the same prices seen on other days are the same snapshot."""
        return canonical.digest(sorted({record.point_id for record in self.records()}))

    def records(self) -> tuple[Record, ...]:
        """All that it holds."""
        return (*self.prices, *self.tariffs, *self.rates, *self.carbons)

    def joined(self, other: Snapshot) -> Snapshot:
        """Everything that either holds. Nothing is replaced: an older price stays beside the newer one."""
        return Snapshot(self.prices + other.prices, self.tariffs + other.tariffs, self.rates + other.rates, self.carbons + other.carbons)

    def lookup(
        self,
        *,
        provider: str,
        instance_type: str,
        region: str,
        valid_at_ns: int,
        known_at_ns: int | None = None,
        limits: Mapping[str, Limits] | None = None,
        **more: Any,
    ) -> Answer:
        """The price that counted at `valid_at_ns`, as known at `known_at_ns` (None: all that is known); see `pricing.lookup`.

        `limits`: by feed, how old a price may be. `more`: the other parts of `Wanted`, such as `price_model`, `os`, `zone`.
        """
        wanted = Wanted(provider, instance_type, region, **more)
        return lookup(self.prices, AsOf(known_at_ns, limits or {}).asks(wanted, valid_at_ns))

    def tariffs_over(self, begin_ns: int, end_ns: int, *, zone: str | None = None, known_at_ns: int | None = None) -> Cover[Tariff]:
        """The window cut where another tariff begins, as `spans.cover` does; with a reason where a part of it has none."""
        return cover(self.tariffs, begin_ns, end_ns, zone=zone, known_at_ns=known_at_ns, what="tariff")

    def carbon_over(
        self, begin_ns: int, end_ns: int, *, kind: CarbonKind | None = None, zone: str | None = None, known_at_ns: int | None = None
    ) -> Cover[Carbon]:
        """The window cut where another carbon intensity begins; `kind` None: the only one there is of the zone.

        Average and marginal intensities answer two questions, and none stands in for the other.
        """
        fitting = [c for c in self.carbons if zone is None or c.zone == zone]
        kinds = {c.kind for c in fitting} if kind is None else {kind}
        if len(kinds) > 1:
            return Cover(reason="average and marginal carbon intensities are known, and the run does not say which one counts")
        of_kind = [c for c in fitting if c.kind in kinds]
        return cover(of_kind, begin_ns, end_ns, zone=zone, known_at_ns=known_at_ns, what="carbon intensity")

    def tariff_at(self, valid_at_ns: int, *, zone: str | None = None) -> Tariff | None:
        """The tariff of `zone` in force, or of the only zone there is; None when there is none, or zones would have to be guessed."""
        return next(iter(self.tariffs_over(valid_at_ns, valid_at_ns + 1, zone=zone).records), None)

    def rate_at(self, valid_at_ns: int, *, between: tuple[str, str], known_at_ns: int | None = None) -> Rate | None:
        """The exchange rate of two currencies in force, quoted either way; None where none is known.

        Where there is none between the two, but one base is quoted in both, the rate that follows from these two.
        """
        known = [r for r in self.rates if r.effective_from_ns <= valid_at_ns and (known_at_ns is None or r.known_ns <= known_at_ns)]

        def last(fitting: Iterable[Rate]) -> Rate | None:
            return max(fitting, key=lambda r: (r.effective_from_ns, r.fetched_at_ns), default=None)

        if direct := last(r for r in known if r.pair == frozenset(between)):
            return direct
        first, second = (last(r for r in known if (r.base, r.quote) == (PIVOT, code)) for code in between)
        return crossed(first, second) if first and second else None

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.prices/1`: the price file that `from_json` reads."""
        return {
            "schema": PRICES_SCHEMA,
            "snapshot_id": self.snapshot_id,
            "price": [p.record() for p in self.prices],
            "tariff": [t.record() for t in self.tariffs],
            "fx": [r.record() for r in self.rates],
            "carbon": [c.record() for c in self.carbons],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "price file") -> Self:
        """Inverse of `to_json`; also what a hand-written file holds. `where` names the file in messages. `as_of` is for `AsOf`.

        Raises FormatError for another schema, a wrong record or a `snapshot_id` that does not match, ConfigError for an unknown key.
        """
        if data.get("schema") != PRICES_SCHEMA:
            raise FormatError(
                f"{where}: schema is {data.get('schema')!r}, not {PRICES_SCHEMA!r}", f'begin it with schema = "{PRICES_SCHEMA}"'
            )
        unknown(data, ["schema", "snapshot_id", "as_of", "price", "tariff", "fx", "carbon"], where)
        snapshot = cls(
            tuple(Price.from_json(entry, f"{where} [[price]] {i}") for i, entry in enumerate(tables(data, "price", where), 1)),
            tuple(Tariff.from_json(entry, f"{where} [[tariff]] {i}") for i, entry in enumerate(tables(data, "tariff", where), 1)),
            tuple(Rate.from_json(entry, f"{where} [[fx]] {i}") for i, entry in enumerate(tables(data, "fx", where), 1)),
            tuple(Carbon.from_json(entry, f"{where} [[carbon]] {i}") for i, entry in enumerate(tables(data, "carbon", where), 1)),
        )
        if data.get("snapshot_id") not in (None, snapshot.snapshot_id):
            raise FormatError(
                f"{where}: snapshot_id does not match the prices in it", "the file was changed; import it again from its source"
            )
        return snapshot


def tables(data: Mapping[str, Any], name: str, where: str) -> list[Mapping[str, Any]]:
    """The list of tables `name` of a price file, empty when there is none. Raises FormatError when it is something else."""
    value = data.get(name, [])
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise FormatError(f"{where}: {name} is not a list of tables", f"write each as [[{name}]]")
    return value


def order(record: Record) -> tuple[str, ...]:
    """Sort key: every field as text, in their order, so that equal snapshots are equal files whoever writes them."""
    return tuple(plain(getattr(record, name)) for name in FIELDS[type(record)])


def plain(value: object) -> str:
    """A field as text: numbers without what may be written in two ways."""
    if isinstance(value, Decimal):
        return money.text(value)
    return (
        " ".join(f"{part.sku_id} {plain(part.quantity)} {plain(part.amount)}" for part in value) if isinstance(value, tuple) else str(value)
    )
