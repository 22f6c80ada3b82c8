"""Gates: a list that lies is held, a row that lies is refused, and the last good price stays in use."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from joulemark.pricing.dates import moment_text
from joulemark.pricing.fetch import Fetch, Harvest, Outcome, Rejected
from joulemark.pricing.gates import Taken, commit
from joulemark.pricing.price import Price
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Record
from joulemark.pricing.store import Added, PriceStore
from tests.pricing.records import DAY, fetch, price, tariff

HOUR_NS = 3600 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PriceStore]:
    with PriceStore(tmp_path / "prices.db") as opened:
        yield opened


def attempt(number: int, **changes: object) -> Fetch:
    """The attempt of that hour."""
    at = DAY + number * HOUR_NS
    return fetch(**{"requested_at_ns": at, "fetched_at_ns": at, "raw_sha256": f"{number:064}", **changes})


def listed(number: int, amounts: dict[str, str], **changes: object) -> Harvest:
    """A list of that hour: instance type to amount."""
    at = f"2026-08-01T{number:02}:00:00Z"
    records = tuple(price(instance_type=name, amount=amount, fetched_at=at, **changes) for name, amount in amounts.items())
    return Harvest(records)


def amounts(records: tuple[Record, ...]) -> set[Decimal]:
    return {record.amount for record in records if isinstance(record, Price)}


def taken(store: PriceStore, first: str, second: str, *, force: bool = False) -> Taken:
    """What comes of `second` after `first` among ten prices of which the others stay."""
    others = {f"g{i}.large": "1.00" for i in range(9)}
    commit(store, attempt(1), listed(1, {"p5": first, **others}))
    return commit(store, attempt(2), listed(2, {"p5": second, **others}), force=force)


@pytest.mark.parametrize("second", ["50", "2", "10.00", "49.9999999", "2.0000001"])
def test_what_may_be_is_taken(store: PriceStore, second: str) -> None:
    """From a fifth of the last good amount to five times of it a price is taken, the ends included."""
    assert taken(store, "10", second).rejected == ()
    assert Decimal(second) in amounts(store.snapshot(instance_type="p5").prices)


@pytest.mark.parametrize("second", ["50.0000001", "1.9999999", "0.01", "1000"])
def test_what_cannot_be_is_refused(store: PriceStore, second: str) -> None:
    """Beyond them the row is refused with its name and both amounts, the other rows are taken, and the last good price stays."""
    done = taken(store, "10", second)
    (told,) = done.rejected
    assert told.pointer == "aws p5 us-east-1 on_demand"
    assert second in told.reason
    assert "the last good one" in told.reason
    assert (done.fetch.outcome, done.fetch.rows_parsed, done.fetch.rows_rejected) == (Outcome.OK, 9, 1)
    assert amounts(store.snapshot(instance_type="p5").prices) == {Decimal(10)}
    assert store.rejected(done.fetch) == [told]


def test_told_twice_is_not_true(store: PriceStore) -> None:
    """The refused amount in the next list, and the price vanished in between, is compared with the last good one still."""
    taken(store, "10", "0.01")
    third = commit(store, attempt(3), listed(3, {"p5": "0.01", **{f"g{i}.large": "1.00" for i in range(9)}}))
    assert [entry.pointer.split()[1] for entry in third.rejected] == ["p5"]


def test_force_takes_it(store: PriceStore) -> None:
    """Somebody who knows that it is so takes it; from then on it is the last good one."""
    assert taken(store, "10", "0.01", force=True).rejected == ()
    third = commit(store, attempt(3), listed(3, {"p5": "0.02", **{f"g{i}.large": "1.00" for i in range(9)}}))
    assert third.rejected == ()


@pytest.mark.parametrize(("change", "told"), [({"currency": "CNY"}, "in CNY per h"), ({"unit": "GPU-h"}, "in USD per GPU-h")])
def test_another_currency_or_unit_is_no_comparison(store: PriceStore, change: dict[str, object], told: str) -> None:
    """A price that is suddenly in another currency or per another unit is refused, though its digits would fit."""
    commit(store, attempt(1), listed(1, {"p5": "10"}))
    done = commit(store, attempt(2), listed(2, {"p5": "11"}, **change))
    assert told in done.rejected[0].reason
    assert done.fetch.outcome is Outcome.HELD


@pytest.mark.parametrize("change", [{"price_model": "spot"}, {"os": "windows"}, {"region": "eu-west-1"}, {"zone": "use1-az1"}])
def test_another_thing_is_not_compared(store: PriceStore, change: dict[str, object]) -> None:
    """Spot, another system, region or zone is another thing, whose first amount has nothing to be compared with."""
    commit(store, attempt(1), listed(1, {"p5": "10"}))
    assert commit(store, attempt(2), listed(2, {"p5": "0.5"}, **change)).rejected == ()


@pytest.mark.parametrize(("rows", "outcome"), [(8, Outcome.OK), (7, Outcome.HELD), (0, Outcome.HELD)])
def test_a_list_that_shrank_is_held(store: PriceStore, rows: int, outcome: Outcome) -> None:
    """With 8 of 10 rows a list is taken, with 7 it is held: nothing of it is used, the last good list stays, and why is told."""
    commit(store, attempt(1), listed(1, {f"g{i}": "1.00" for i in range(10)}))
    done = commit(store, attempt(2), listed(2, {f"g{i}": "1.10" for i in range(rows)}))
    assert done.fetch.outcome is outcome
    assert store.last_good("azure_retail", "") == (done.fetch if outcome is Outcome.OK else attempt(1, rows_parsed=10))
    if outcome is Outcome.HELD:
        assert f"{rows} rows are less than 80% of the 10" in done.fetch.error
        assert (done.added, amounts(store.snapshot().prices)) == (Added(), {Decimal(1)})
    forced = commit(store, attempt(3), listed(3, {f"g{i}": "1.10" for i in range(rows)}), force=True)
    assert (forced.fetch.outcome, forced.fetch.rows_parsed) == (Outcome.OK, rows)


def test_rows_refused_count_as_missing(store: PriceStore) -> None:
    """A list whose every amount is in cents is held as a whole: no row of it passes."""
    commit(store, attempt(1), listed(1, {f"g{i}": "1.00" for i in range(10)}))
    done = commit(store, attempt(2), listed(2, {f"g{i}": "100" for i in range(10)}))
    assert (done.fetch.outcome, done.fetch.rows_rejected, done.added) == (Outcome.HELD, 10, Added())


def test_like_is_compared_with_like(store: PriceStore) -> None:
    """A small list of another scope is no shrunken one; the first list of a scope is held only when it is empty, with its reasons."""
    commit(store, attempt(1, scope="all"), listed(1, {f"g{i}": "1.00" for i in range(10)}))
    assert commit(store, attempt(2, scope="eastus"), listed(2, {"g1": "1.00"})).fetch.outcome is Outcome.OK
    nothing = commit(store, attempt(3, scope="westus"), Harvest(rejected=(Rejected("row 2", "capacity_block_unpriced"),)))
    assert (nothing.fetch.outcome, nothing.fetch.error) == (Outcome.HELD, "no row of the list became a price")
    assert store.rejected(nothing.fetch) == [Rejected("row 2", "capacity_block_unpriced")]
    forced = commit(store, attempt(4, scope="westus"), Harvest(rejected=(Rejected("row 2", "capacity_block_unpriced"),)), force=True)
    assert forced.fetch.outcome is Outcome.HELD


def test_the_same_bytes_are_the_same_list(store: PriceStore) -> None:
    """A list without validators whose bytes are those of the last good one is seen again, and adds no price."""
    first = commit(store, attempt(1), listed(1, {"p5": "10"}))
    again = commit(store, attempt(2, raw_sha256=first.fetch.raw_sha256), listed(2, {"p5": "10"}))
    assert (again.fetch.outcome, again.fetch.repeats, again.added) == (Outcome.NOT_MODIFIED, first.fetch.fetch_id, Added())
    assert [p.fetched_at_ns for p in store.snapshot().prices] == [DAY + HOUR_NS, DAY + 2 * HOUR_NS]
    unread = commit(store, attempt(3, raw_sha256=""), listed(3, {"p5": "10"}))
    assert unread.fetch.outcome is Outcome.OK


def test_a_history_is_compared_list_by_list(store: PriceStore) -> None:
    """Within one file of many lists each is compared with the one before: a slow rise of tenfold passes, one leap does not."""
    slow = [price(amount=str(n), published_at=f"20{10 + n}-01-01", fetched_at="2026-08-01") for n in (4, 1, 10, 2)]
    assert commit(store, attempt(1), Harvest(tuple(slow))).rejected == ()
    leap = tuple(price(instance_type="p4", amount=amount, published_at=f"20{amount}-01-01") for amount in ("12", "90"))
    assert len(commit(store, attempt(2, scope="other"), Harvest(leap)).rejected) == 1


def test_offers_of_one_list_are_not_compared_with_each_other(store: PriceStore) -> None:
    """On a marketplace one machine at 1 and one at 9 stand in one list; in the next, an offer is good that fits any of them."""
    first = Harvest(tuple(price(instance_type="H100", amount=a, sku_id=a, fetched_at="2026-08-01") for a in ("1", "9")))
    assert commit(store, attempt(1), first).rejected == ()
    second = Harvest(tuple(price(instance_type="H100", amount=a, sku_id=f"new {a}") for a in ("0.5", "40", "3")))
    assert commit(store, attempt(2), second).rejected == ()
    pages = tuple(price(instance_type="A100", amount=a, fetched_at=f"2026-08-01T00:00:0{a}Z") for a in ("1", "9"))
    assert commit(store, attempt(3, scope="pages"), Harvest(pages)).rejected == ()


def test_market_tariffs_swing_and_rates_do_not(store: PriceStore) -> None:
    """An hour at -0.01 after one at 0.40 is how the market is; a euro at 108 dollars after 1.08 is a unit mistaken."""
    before = Harvest((tariff(amount="0.40"), Rate("EUR", "USD", Decimal("1.08"), DAY, DAY, "https://example.com/rates")))
    after = Harvest((tariff(amount="-0.01"), Rate("EUR", "USD", Decimal(108), DAY, DAY + 1, "https://example.com/rates")))
    assert commit(store, attempt(1), before).rejected == ()
    commit(store, attempt(2), after, force=False)
    assert [entry.pointer for entry in store.rejected(store.fetches()[0])] == ["EUR/USD"]


def test_the_counts_and_dates_of_a_list_are_kept(store: PriceStore) -> None:
    """The attempt carries what the list said of itself, and how many rows were taken and refused, by the parser and by the gate."""
    harvest = Harvest((price(),), (Rejected("row 9", "zero"),), published_at_ns=DAY - 5, list_version="20260728175247")
    done = commit(store, attempt(1), harvest)
    assert store.fetches() == [done.fetch]
    kept = done.fetch
    assert (kept.rows_parsed, kept.rows_rejected, kept.published_at_ns, kept.list_version) == (1, 1, DAY - 5, "20260728175247")
    assert done.added == Added(1, 1)


def test_a_list_of_hours_is_as_long_as_its_days(store: PriceStore) -> None:
    """Before tomorrow's prices are published a list of hours is half as long, and is taken; one without a row is held as any."""

    def hours(count: int) -> Harvest:
        edges = [moment_text(DAY + number * HOUR_NS) for number in range(count + 1)]
        return Harvest(tuple(tariff(effective_from=begin, effective_to=end) for begin, end in pairwise(edges)))

    lists = (hours(48), hours(24), Harvest())
    found = [commit(store, attempt(number), one).fetch.outcome for number, one in enumerate(lists)]
    assert found == [Outcome.OK, Outcome.OK, Outcome.HELD]
