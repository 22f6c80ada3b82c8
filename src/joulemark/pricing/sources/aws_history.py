"""History of on-demand prices of AWS, one row for each archived price list: `price_list_version,effective_month,instance_type,…`.

A version is the second at which its list was published (UTC), so what it says was known from then on; the month is the stamp that AWS
gives every price anew each month, and no date of a change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Importer, Options
from joulemark.pricing.price import Price, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.table import rows

KIND: Final = "aws_history"
COLUMNS: Final = ("price_list_version", "effective_month", "instance_type", "usd_per_hour", "sku")
REGION: Final = re.compile(r"(?<![a-z])[a-z]{2}(-gov|-iso[a-z]?)?-(north|south|central)?(east|west)?-\d(?!\d)")
VERSION: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)


def recognises(text: str) -> bool:
    """Whether the first line names the columns of such a history."""
    return text[:200].partition("\n")[0].strip().split(",") == list(COLUMNS)


def parse_history(text: str, *, name: str, fetched_at_ns: int, options: Options) -> Harvest:
    """A price for each row that has one, dated by its list.

    The region is the one of `options`, else the one in the file's name. Raises FormatError where neither names one, for another provider
    and for other columns.
    """
    if options.provider.lower() not in ("", "aws"):
        raise FormatError(f"{name} is a history of aws, not of {options.provider}", "leave out --provider")
    named = REGION.search(name)
    region = options.region or (named[0] if named else "")
    if not region:
        raise FormatError(f"{name} does not say of which region it is", "say so, for example --region us-east-1")
    if not recognises(text):
        raise FormatError(f"{name} has other columns than {', '.join(COLUMNS)}", "check that it is the file it is named after")

    def read(row: dict[str, str]) -> Iterator[Price]:
        yield price_of(row, region=region, name=name, fetched_at_ns=fetched_at_ns)

    harvest = sifted(rows(text, name=name, needed=COLUMNS), read)
    return replace(harvest, published_at_ns=max((record.known_ns for record in harvest.records), default=None))


def price_of(row: dict[str, str], *, region: str, name: str, fetched_at_ns: int) -> Price:
    """The price of one row. Raises FormatError where it is incomplete, zero or undated."""
    if not row:
        raise FormatError(f"the row has not {len(COLUMNS)} values", "copy the file again")
    version = VERSION.fullmatch(row["price_list_version"])
    if not version:
        raise FormatError(f"price_list_version {row['price_list_version']!r} is not the second of a list", "copy the file again")
    day = "{}-{}-{}T{}:{}:{}Z".format(*version.groups())
    return Price(
        provider="aws",
        region=region,
        instance_type=row["instance_type"],
        amount=money.amount(row["usd_per_hour"], "usd_per_hour"),
        currency="USD",
        unit=Unit.INSTANCE_HOUR,
        sku_id=row["sku"],
        effective_from_ns=moment_ns(f"{row['effective_month']}-01", "effective_month"),
        effective_trust=Trust.MONTH_STAMP,
        fetched_at_ns=fetched_at_ns,
        published_at_ns=moment_ns(day, "price_list_version"),
        feed=KIND,
        list_version=version[0],
        source_url=f"file:{name}",
    )


IMPORTER: Final = Importer(KIND, recognises, parse_history)
