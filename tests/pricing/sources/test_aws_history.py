"""History of AWS lists: known from the second of its list, dated by its month, one point for one price."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Options
from joulemark.pricing.price import Price, Trust
from joulemark.pricing.sources import recognise
from joulemark.pricing.sources.aws_history import COLUMNS, IMPORTER, parse_history
from joulemark.pricing.store import Added, PriceStore
from tests.pricing.records import DAY, fetch

HISTORY = "pricing/aws/ec2_us-east-1_price_history_verified.csv"
HEAD = ",".join(COLUMNS) + "\n"
ROW = "20250703204906,2025-06,p5.48xlarge,55.0400000000,3D4V8UAYEMB38GU2\n"


def parsed(text: str, name: str = "ec2_us-east-1.csv", options: Options | None = None) -> Harvest:
    return parse_history(text, name=name, fetched_at_ns=DAY, options=options or Options())


def test_sixteen_rows_are_four_prices(corpus: Path, tmp_path: Path) -> None:
    """Ten lists of p5 and six of p4d hold two prices each: 4 points and 16 observations, and the parts of the months are kept."""
    text = (corpus / HISTORY).read_text(encoding="utf-8")
    harvest = parsed(text, Path(HISTORY).name)
    assert (len(harvest.records), harvest.rejected, recognise(text)) == (16, (), IMPORTER)
    with PriceStore(tmp_path / "prices.db") as store:
        assert store.take(fetch(), harvest.records) == Added(4, 16)
        p5 = store.snapshot(provider="aws", instance_type="p5.48xlarge", region="us-east-1").prices
    assert {p.amount for p in p5} == {Decimal("98.32"), Decimal("55.04")}
    first_cut = min((p for p in p5 if p.amount == Decimal("55.04")), key=lambda p: p.known_ns)
    assert (moment_text(first_cut.known_ns), moment_text(first_cut.effective_from_ns)) == ("2025-07-03T20:49:06Z", "2025-06-01T00:00:00Z")


def test_a_row_says_when_it_was_known_and_where_from() -> None:
    """A list is known from its publication; its month is only a stamp; amount, SKU and file are as written."""
    harvest = parsed(HEAD + ROW)
    (price,) = harvest.records
    assert isinstance(price, Price)
    assert (price.amount, price.currency, price.sku_id, price.region) == (Decimal("55.04"), "USD", "3D4V8UAYEMB38GU2", "us-east-1")
    assert (price.effective_trust, price.list_version, price.fetched_at_ns) == (Trust.MONTH_STAMP, "20250703204906", DAY)
    assert (price.feed, price.source_url) == ("aws_history", "file:ec2_us-east-1.csv")
    assert harvest.published_at_ns == price.known_ns == moment_ns("2025-07-03T20:49:06Z", "x")


@pytest.mark.parametrize(
    ("name", "region"),
    [("ec2_us-gov-west-1_x.csv", "us-gov-west-1"), ("AP-x-ap-southeast-2.csv", "ap-southeast-2"), ("cn-northwest-1", "cn-northwest-1")],
)
def test_the_region_of_the_name(name: str, region: str) -> None:
    """The region in a file's name is found; one that is given wins."""
    (price,) = parsed(HEAD + ROW, name).records
    assert price.to_json()["region"] == region
    (given,) = parsed(HEAD + ROW, name, Options(region="eu-central-1")).records
    assert given.to_json()["region"] == "eu-central-1"


def test_no_region_is_guessed() -> None:
    """A name without a region is refused with the option that gives one; so is another provider."""
    with pytest.raises(FormatError, match="of which region") as caught:
        parsed(HEAD + ROW, "history-1.csv")
    assert "--region" in caught.value.next_step
    with pytest.raises(FormatError, match="not of azure"):
        parsed(HEAD + ROW, options=Options(provider="azure"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("55.0400000000", "0.0000000000"), "amount is zero"),
        (ROW.replace("55.0400000000", ""), "not a number"),
        (ROW.replace("20250703204906", "20250703"), "is not the second of a list"),
        (ROW.replace("20250703204906", "20251303204906"), "is not a date"),
        (ROW.replace("2025-06", "June"), "is not a date"),
        (ROW.replace(",3D4V8UAYEMB38GU2", ""), "has not 5 values"),
        (ROW.replace("p5.48xlarge", "p5,48xlarge"), "has not 5 values"),
        (ROW.replace("p5.48xlarge", ""), "instance_type is empty"),
    ],
)
def test_a_row_without_a_price_is_told(row: str, reason: str) -> None:
    """A zero, an undated and an incomplete row become no price, with their place and why; the row after them does."""
    harvest = parsed(HEAD + row + ROW)
    (told,) = harvest.rejected
    assert told.pointer == "row 2"
    assert reason in told.reason
    assert len(harvest.records) == 1


def test_other_tables_are_not_taken_for_it() -> None:
    """Another header is neither recognised nor parsed, nor is a field that no table holds."""
    assert recognise("instance_name,location,price\n") is None
    with pytest.raises(FormatError, match="other columns"):
        parsed("instance_name,location,price\n")
    with pytest.raises(FormatError, match="not valid CSV"):
        parsed(HEAD + '"' + "x" * 200_000)
