"""A smoke of the fleet: the real code is driven, and the arithmetic is that of the documents."""

from __future__ import annotations

import pytest

from tests.bench.fleet import page
from tests.bench.fleet.known import HOSTS, RECKONED
from tests.bench.fleet.measured import Costs, costs


def test_real_batches_are_measured() -> None:
    """Three streams for a moment: every figure is there, and a value takes what its bytes take at least."""
    found = costs(1, streams=3, seconds=0.3, reads=50)
    assert found.batch_values == 320
    assert found.front_us > 0
    assert found.log_ns > 0
    assert found.seal_ns > 0
    assert 7 < found.wire_bytes < 40, "8 bytes a value and its share of times; descriptions go with the first batch"
    assert 0.5 < found.sealed_bytes < 40


def test_the_arithmetic_is_that_of_the_documents() -> None:
    """The prototypes' figures give the cores, bytes and cost that were reckoned from them; half the hosts take half."""
    five = page.reckoned(5, HOSTS)
    assert (five.messages_per_s, five.values_per_s) == (2000, 3_200_000)
    assert five.network_mb_s == pytest.approx(23, rel=0.01)
    assert five.disk_gb_day == pytest.approx(451, rel=0.01)
    assert five.usd_per_1e9 == pytest.approx(1.75 * 0.05 / 3600 / 3.2e6 * 1e9 + 1.63 * 0.023)
    assert page.reckoned(5, HOSTS // 2).disk_gb_day == pytest.approx(five.disk_gb_day / 2)
    measured = page.fleet(Costs(5, 1600, 550.0, 52_000, 102.0, 100.0, 7.2, 1.63), HOSTS)
    assert measured.front_cores == pytest.approx(1.1)
    assert measured.log_seal_cores == pytest.approx(0.6464)


def test_the_table_has_a_column_for_each_side() -> None:
    """Each period beside what was reckoned for it, one row for each figure."""
    table = page.text([Costs(period_s, 1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0) for period_s in RECKONED], 100)
    assert [line.count("|") for line in table.splitlines()] == [8] * (2 + len(page.ROWS))
