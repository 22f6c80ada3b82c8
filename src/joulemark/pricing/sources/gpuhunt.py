"""Catalogues of gpuhunt: `aws.csv`, `azure.csv` and so on, one machine in each row, its price for an hour in USD.

They name neither currency nor date, and of spot prices only the lowest of all zones. What is in them is known from the moment of the
import. Format: gpuhunt 0.1.34, catalogue version 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Importer, Options
from joulemark.pricing.machines import counted, machine
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.table import filled, header, rows

KIND: Final = "gpuhunt"
COLUMNS: Final = ("instance_name", "location", "price", "cpu", "memory", "gpu_count", "gpu_name", "gpu_memory", "spot")
ALIASES: Final = {"lambdalabs": "lambda", "vastai": "vast"}
PROVIDERS: Final = (
    "aws azure gcp oci lambdalabs runpod vastai nebius cudo datacrunch verda tensordock vultr digitalocean hotaisle cloudrift"
)
"""Providers that name a catalogue; another one is given on import."""

ZONE: Final = re.compile(r"-[a-z]$", re.ASCII)
SPOT: Final = {"true": True, "false": False}
LEAST_GIB, MOST_GIB = 1, 1024
"""Memory of a single GPU."""


def recognises(text: str) -> bool:
    """Whether the first line names the columns of such a catalogue."""
    return header(text) >= set(COLUMNS)


def parse_catalogue(text: str, *, name: str, fetched_at_ns: int, options: Options) -> Harvest:
    """A price for each row. The provider is the one of `options`, else the file's name; the region is told by each row.

    Raises FormatError where no provider is known, and for other columns.
    """
    table = list(rows(text, name=name, needed=COLUMNS))
    stem = name.lower().partition(".")[0]
    said = options.provider.lower() or (stem if stem in PROVIDERS.split() else "")
    if not said:
        raise FormatError(f"{name} does not say of which provider it is", "say so, for example --provider aws")
    if options.region:
        raise FormatError(f"{name} names the region in each row", "leave out --region")
    provider = ALIASES.get(said, said)

    def read(row: dict[str, str]) -> Iterator[Price]:
        yield price_of(row, provider=provider, name=name, fetched_at_ns=fetched_at_ns)

    return sifted(table, read)


def price_of(row: dict[str, str], *, provider: str, name: str, fetched_at_ns: int) -> Price:
    """The price of one row. Raises FormatError where it is incomplete, zero, or that of a host without its GPUs."""
    kind, location = filled(row, "instance_name"), filled(row, "location")
    spot = SPOT.get(filled(row, "spot").lower())
    if spot is None:
        raise FormatError(f"spot {row['spot']!r} is neither True nor False")
    gpus, doubt = counted(provider, kind, int(money.amount(row["gpu_count"] or "0", "gpu_count")))
    known = machine(provider, kind)
    memory = money.amount(row["gpu_memory"], "gpu_memory") if row["gpu_memory"] else Decimal(0)
    notes = ["gpuhunt names no currency: USD is its convention", doubt, "the lowest of all zones" if spot and provider == "aws" else ""]
    return Price(
        provider=provider,
        region=ZONE.sub("", location) if provider == "gcp" else location,
        instance_type=kind,
        amount=money.amount(filled(row, "price"), "price"),
        currency="USD",
        unit=Unit.INSTANCE_HOUR,
        effective_from_ns=fetched_at_ns,
        effective_trust=Trust.NONE,
        fetched_at_ns=fetched_at_ns,
        source_url=f"file:{name}",
        price_model=PriceModel.SPOT if spot else PriceModel.ON_DEMAND,
        gpu_model=row["gpu_name"],
        gpu_count=gpus,
        gpu_memory_gib=known.gpu_memory_gib if known else memory if LEAST_GIB <= memory <= MOST_GIB else None,
        vcpu=int(money.amount(row["cpu"], "cpu")) if row["cpu"] else None,
        memory_gib=money.amount(row["memory"], "memory") if row["memory"] else None,
        feed=KIND,
        note="; ".join(note for note in notes if note),
    )


IMPORTER: Final = Importer(KIND, recognises, parse_catalogue)
