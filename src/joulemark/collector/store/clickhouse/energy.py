"""Energy that the shards themselves add up, in 128 bits: of whole chunks, for any number of hosts and any length of time, and its price.

The power is linear between readings, also from one chunk to the next, so the sum of a meter is the integral from the first reading of its
first to the last reading of its last chunk, in whole numbers. Chunks that reach out of the time asked for are left out: nothing is decoded.
For the energy between two exact moments ask `ReadingStore.integrals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.shards import Shards
from joulemark.errors import UsageError
from joulemark.units import NS_PER_S

J_PER_KWH: Final = 3_600_000

CHUNKS: Final = """
  SELECT meter_id, exponent, t0_ns, t1_ns,
    any(toNullable(t1_ns)) OVER before AS before_ns, any(toNullable(toInt128(last))) OVER before AS last_before,
    double_integral + ifNull(toInt128(t0_ns - before_ns) * (toInt128(first) + last_before), toInt128(0)) AS double,
    ifNull(before_ns, t0_ns) AS since_ns, greatest(ifNull(longest_ns, 0), t0_ns - since_ns) AS gap_ns,
    longest_ns IS NULL OR ifNull(t0_ns <= max(toNullable(t1_ns)) OVER all_before, 0) AS doubtful
  FROM chunk_sum FINAL
  WHERE quantity = 'power' AND t0_ns >= %(begin)s AND t1_ns <= %(end)s AND (%(all)s OR meter_id IN %(meters)s)
  WINDOW before AS (PARTITION BY meter_id ORDER BY t0_ns, t1_ns ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING),
    all_before AS (PARTITION BY meter_id ORDER BY t0_ns, t1_ns ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"""
WHOLE: Final = f"""SELECT meter_id, exponent, min(t0_ns), max(t1_ns), sum(double), max(gap_ns), countIf(doubtful), count()
  FROM ({CHUNKS}) GROUP BY meter_id, exponent ORDER BY meter_id, exponent"""
PRICED: Final = f"""
  SELECT begun.valid_from_ns, begun.per_kwh, begun.currency, exponent, sum(double),
    ifNull(sumIf(double, ended.valid_from_ns != begun.valid_from_ns), toInt128(0)), countIf(doubtful)
  FROM (SELECT *, %(tariff)s AS tariff FROM ({CHUNKS})) AS chunk
  ASOF LEFT JOIN (SELECT * FROM price FINAL) AS begun ON chunk.tariff = begun.tariff AND chunk.since_ns >= begun.valid_from_ns
  ASOF LEFT JOIN (SELECT * FROM price FINAL) AS ended ON chunk.tariff = ended.tariff AND chunk.t1_ns > ended.valid_from_ns
  GROUP BY ALL ORDER BY begun.valid_from_ns, exponent"""


@dataclass(frozen=True, slots=True)
class Whole:
    """A power from its first to its last whole chunk. `double`: twice the integral, in ns times 10^exponent W; `longest_ns`: the longest
    time without a reading; `doubtful`: chunks that overlap or whose sums were written before they told enough, and do not just add up.
    """

    meter_id: str
    exponent: int
    begin_ns: int
    end_ns: int
    double: int
    longest_ns: int
    doubtful: int
    chunks: int

    @property
    def energy_j(self) -> Fraction:
        """The energy, exactly."""
        return joules(self.double, self.exponent)


@dataclass(frozen=True, slots=True)
class Price:
    """What a kWh costs from a moment on."""

    valid_from_ns: int
    per_kwh: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Energy while one price held, by the begin of each chunk; `straddling_j`: the part in chunks that reach into the next price, at most
    a chunk of each meter. `price` is None before the first one.
    """

    price: Price | None
    energy_j: Fraction
    straddling_j: Fraction

    @property
    def amount(self) -> Fraction | None:
        """What it cost, exactly, in the currency of the price."""
        return None if self.price is None else self.energy_j / J_PER_KWH * Fraction(self.price.per_kwh)


def joules(double: int, exponent: int) -> Fraction:
    """Twice an integral in ns times 10^exponent W, as energy."""
    return Fraction(double) * Fraction(10) ** exponent / (2 * NS_PER_S)


def whole(shard: Shard, begin_ns: int, end_ns: int, *, meter_ids: Sequence[str] | None = None) -> list[Whole]:
    """Every power meter on a shard, or those of `meter_ids`, by its whole chunks in [begin_ns, end_ns]; meters with none are left out."""
    return [Whole(*row) for row in shard.rows(WHOLE, asked(begin_ns, end_ns, meter_ids))]


def keep_prices(shards: Shards, tariff: str, prices: Sequence[Price]) -> None:
    """Tell all shards the prices of a tariff; one of the same moment replaces what was told before."""
    rows = [(tariff, price.valid_from_ns, price.per_kwh, price.currency) for price in prices]
    for shard in shards:
        shard.insert("price", rows, token=f"price:{rows!r}")


def costs(shards: Shards, tariff: str, begin_ns: int, end_ns: int, *, meter_ids: Sequence[str] | None = None) -> list[Cost]:
    """Energy and its cost for each price that a tariff had in [begin_ns, end_ns], of all shards together, the oldest first.

    Raises UsageError where sums do not just add up: see `Whole.doubtful`.
    """
    found: dict[int, tuple[Price | None, Fraction, Fraction]] = {}
    for shard in shards:
        for valid_from_ns, per_kwh, currency, exponent, double, straddling, doubtful in shard.rows(
            PRICED, {**asked(begin_ns, end_ns, meter_ids), "tariff": tariff}
        ):
            if doubtful:
                raise UsageError(f"{doubtful} chunks on {shard.name} overlap or have sums of an old kind", "ask for the time after them")
            price = Price(valid_from_ns, per_kwh, currency) if currency else None
            _, energy_j, straddling_j = found.get(valid_from_ns, (None, Fraction(0), Fraction(0)))
            found[valid_from_ns] = (price, energy_j + joules(double, exponent), straddling_j + joules(straddling, exponent))
    return [Cost(*found[valid_from_ns]) for valid_from_ns in sorted(found)]


def asked(begin_ns: int, end_ns: int, meter_ids: Sequence[str] | None) -> dict[str, object]:
    """Parameters of a question."""
    return {"begin": begin_ns, "end": end_ns, "all": meter_ids is None, "meters": tuple(meter_ids or ("",))}
