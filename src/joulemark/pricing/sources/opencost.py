"""Price sheets of OpenCost: CSV with what an own node or GPU costs an hour (`MarketPriceHourly`), never a month.

A sheet says nothing of the currency, which is USD unless OpenCost is told otherwise. `EndTimestamp` is not read by OpenCost, and there
is no other date, so its prices are known from the moment of the import.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Importer, Options
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.table import filled, header, rows

KIND: Final = "opencost"
COLUMNS: Final = ("EndTimestamp", "InstanceID", "Region", "AssetClass", "InstanceIDField", "InstanceType", "MarketPriceHourly")
UNITS: Final = {"node": Unit.INSTANCE_HOUR, "gpu": Unit.GPU_HOUR}
"""What a row of a class is the price of."""


def recognises(text: str) -> bool:
    """Whether the first line names the columns of such a sheet."""
    return header(text) >= set(COLUMNS)


def parse_sheet(text: str, *, name: str, fetched_at_ns: int, options: Options) -> Harvest:
    """A price of the way of renting `custom` for each node and GPU. The provider is the one of `options`.

    Raises FormatError where no provider is given, and for other columns.
    """
    table = list(rows(text, name=name, needed=COLUMNS))
    if not options.provider:
        raise FormatError(f"{name} does not say whose machines these are", "say so, for example --provider own --region hall-1")

    def read(row: dict[str, str]) -> Iterator[Price]:
        yield price_of(row, name=name, fetched_at_ns=fetched_at_ns, options=options)

    return sifted(table, read)


def price_of(row: dict[str, str], *, name: str, fetched_at_ns: int, options: Options) -> Price:
    """The price of one row. Raises FormatError where it is incomplete, zero, or of no machine."""
    asset = filled(row, "AssetClass").lower()
    if asset not in UNITS:
        raise FormatError(f"AssetClass {asset!r} is no machine and no GPU")
    gpu = asset == "gpu"
    identity, field = filled(row, "InstanceID"), row["InstanceIDField"]
    region = row["Region"] or options.region
    if not region:
        raise FormatError("the row names no region, and none was given: say so with --region")
    return Price(
        provider=options.provider.lower(),
        region=region,
        instance_type=identity if gpu else row["InstanceType"] or identity,
        amount=money.amount(filled(row, "MarketPriceHourly"), "MarketPriceHourly"),
        currency="USD",
        unit=UNITS[asset],
        effective_from_ns=fetched_at_ns,
        effective_trust=Trust.NONE,
        fetched_at_ns=fetched_at_ns,
        source_url=f"file:{name}",
        price_model=PriceModel.CUSTOM,
        sku_id=f"{field}={identity}" if field else identity,
        gpu_model=identity if gpu else "",
        feed=KIND,
        note="the sheet names no currency: USD is the default of OpenCost",
    )


IMPORTER: Final = Importer(KIND, recognises, parse_sheet)
