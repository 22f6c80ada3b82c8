"""The sieve: what becomes a record and what is told, each with its place."""

from __future__ import annotations

from collections.abc import Iterator

from joulemark.errors import FormatError
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.price import Price
from joulemark.pricing.sieve import sifted
from tests.pricing.records import price


def test_one_bad_item_takes_no_other_with_it() -> None:
    """Records before an error of an item are kept, a part is told by its reason, and the items after it are read."""

    def read(item: str) -> Iterator[Price | str]:
        yield price(instance_type=item)
        if item == "half":
            yield "the other half is missing"
        if item == "broken":
            raise FormatError("it broke", "mend it")

    harvest = sifted([("row 2", "half"), ("row 3", "broken"), ("row 4", "whole")], read)
    assert [record.to_json()["instance_type"] for record in harvest.records] == ["half", "broken", "whole"]
    assert harvest.rejected == (Rejected("row 2", "the other half is missing"), Rejected("row 3", "it broke"))


def test_a_time_without_a_zone_takes_one_row() -> None:
    """A date that a provider wrote without its zone is the fault of that row alone."""

    def read(day: str) -> Iterator[Price]:
        yield price(effective_from=day)

    harvest = sifted([("row 2", "2026-07-01T00:00:00"), ("row 3", "2026-07-01T00:00:00Z")], read)
    assert ([told.pointer for told in harvest.rejected], len(harvest.records)) == (["row 2"], 1)


def test_a_record_that_cannot_be_is_told() -> None:
    """A value that `Price` refuses is the reason of its row."""

    def read(amount: str) -> Iterator[Price]:
        yield price(amount=amount)

    assert sifted([("row 2", "0")], read) == Harvest((), (Rejected("row 2", "price of aws p5.48xlarge us-east-1: the amount is zero"),))
