"""Energies and costs that the engine adds up are whole numbers, equal to Python's."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.energy import Price, costs, keep_prices, whole
from joulemark.collector.store.columns import double_integral
from joulemark.collector.store.integral import counted
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import UsageError
from tests.collector.store.conftest import METERS, T0, S, batch

SPAN = (T0 - S, T0 + 200 * S)


@pytest.fixture
def filled(archived: SqliteStore) -> SqliteStore:
    """Fifty seconds of one device in chunks of ten."""
    for number in range(50):
        archived.append(batch(number)).result()
    archived.seal(T0 + 1000 * S, everything=True)
    return archived


def test_the_engine_adds_up_what_python_does(filled: SqliteStore, archive: Archive) -> None:
    """Over all chunks with what lies between them: the integral of all readings as one series, to the last unit."""
    series = counted(filled.series(METERS[:1], *SPAN)[0])
    (found,) = whole(archive.shards.of_host("h"), *SPAN)
    assert found.double == double_integral(series.t_ns, series.value)
    assert (found.begin_ns, found.end_ns, found.chunks) == (int(series.t_ns[0]), int(series.t_ns[-1]), 5)
    assert (found.doubtful, found.exponent) == (0, -3)
    assert whole(archive.shards.of_host("h"), *SPAN, meter_ids=["fake:h:1:power"]) == []
    exact = filled.integrals(METERS[:1], [(found.begin_ns, found.end_ns)])[0][0]
    assert exact is not None
    assert exact.double == found.double
    assert found.energy_j == Fraction(found.double, 2 * 10**12)


def test_an_energy_beyond_64_bits_is_exact(archive: Archive) -> None:
    """Sums of 2^100 do not wrap: Int128 holds 10^10 times what a fleet uses in a century."""
    shard = archive.shards.of_host("h")
    row = ("fake:h:0:power", "h", T0, 1, T0, 1, 1, "power", "gpu", -3)
    shard.insert("chunk_sum", [(*row, T0, T0 + S, 2, 2**62, 2**62, 2**100, 1, None, None)], token="a")
    other = (*row[:3], 2, T0 + 2 * S, *row[5:], T0 + 2 * S, T0 + 3 * S, 2, 2**62, 2**62, 2**100 + 1, 1, None, None)
    shard.insert("chunk_sum", [other], token="b")
    assert whole(shard, *SPAN)[0].double == 2**101 + 1 + S * 2**63


def test_costs_are_those_of_decimal_by_the_price_of_each_time(filled: SqliteStore, archive: Archive) -> None:
    """Two prices: each chunk costs what its begin says, what reaches over is told, and the sum is the energy of all."""
    (all_of,) = whole(archive.shards.of_host("h"), *SPAN)
    changed_ns = T0 + 25 * S
    prices = [Price(T0 - 100 * S, Decimal("0.123456789012"), "USD"), Price(changed_ns, Decimal("0.31"), "USD")]
    keep_prices(archive.shards, "home", [Price(changed_ns, Decimal("9"), "USD")])
    keep_prices(archive.shards, "home", prices)
    found = costs(archive.shards, "home", *SPAN)
    assert [cost.price for cost in found] == prices
    assert sum(cost.energy_j for cost in found) == all_of.energy_j
    ends = [row[2] for row in archive_rows(archive)]
    (first,) = whole(archive.shards.of_host("h"), T0 - S, next(end for end in ends if end > changed_ns))
    assert found[0].energy_j == first.energy_j
    assert 0 < found[0].straddling_j < found[0].energy_j
    assert found[1].straddling_j == 0
    with localcontext(prec=80):
        for cost, price in zip(found, prices, strict=True):
            told = Decimal(cost.energy_j.numerator) / Decimal(cost.energy_j.denominator) / 3_600_000 * price.per_kwh
            assert cost.amount is not None
            assert abs(told - Decimal(cost.amount.numerator) / Decimal(cost.amount.denominator)) < Decimal("1e-60")
    assert [cost.amount for cost in costs(archive.shards, "nobody's", *SPAN)] == [None]


def archive_rows(archive: Archive) -> list[tuple[str, int, int]]:
    """(meter, begin, end) of the chunks of the power."""
    query = "SELECT meter_id, t0_ns, t1_ns FROM chunk_sum FINAL WHERE quantity = 'power' ORDER BY t0_ns"
    return [tuple(row) for row in archive.shards.of_host("h").rows(query)]


def test_sums_that_do_not_add_up_are_told(filled: SqliteStore, archive: Archive) -> None:
    """Chunks that overlap are counted as doubtful, and no cost is made of them."""
    shard = archive.shards.of_host("h")
    key = ("fake:h:0:power", "h", T0, 99, T0, 1, 1, "power", "gpu", -3)
    shard.insert("chunk_sum", [(*key, T0 + 5 * S, T0 + 6 * S, 2, 1, 1, 1, 1, None, None)], token="x")
    assert whole(shard, *SPAN)[0].doubtful >= 1
    with pytest.raises(UsageError, match=r"[12] chunks on .* overlap"):
        costs(archive.shards, "home", *SPAN)
