"""Catalogues of SkyPilot: `vms.csv` of one provider, whose columns stand in another order for each, in USD an hour.

They name neither currency nor date. A spot price that is the fixed one is a place holder, an empty or zero one is no price, and rows of
Google are of hosts without their GPUs. What a GPU is, they write as Python; it is read as a literal and never run. Format: versions 6 to 8.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.importer import Importer, Options
from joulemark.pricing.machines import counted, machine
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.table import filled, header, rows

KIND: Final = "skypilot"
COLUMNS: Final = ("InstanceType", "AcceleratorName", "AcceleratorCount", "vCPUs", "MemoryGiB", "GpuInfo", "Region", "Price", "SpotPrice")
PARTS: Final = ("Region", "PricePerVCPU", "PricePerMemoryGB", "PricePerAccelerator")
"""Columns of a table of parts, which is written for clusters of one's own."""

PROVIDERS: Final = (
    "aws azure gcp lambda nebius runpod vast do oci ibm cudo fluidstack paperspace hyperbolic seeweb primeintellect shadeform mithril"
)
"""Providers that a file's name may hold; another one is given on import."""

LONGEST_INFO: Final = 4096
MIB_PER_GIB: Final = 1024


def recognises(text: str) -> bool:
    """Whether the first line names the columns of such a catalogue, in any order."""
    names = header(text)
    return names >= set(COLUMNS) or names >= set(PARTS)


def parse_catalogue(text: str, *, name: str, fetched_at_ns: int, options: Options) -> Harvest:
    """Prices of each row, fixed and spot. The provider is the one of `options`, else named by the file; the region by each row.

    Raises FormatError where no provider is known, and for other columns.
    """
    if header(text) >= set(PARTS):
        reason = "part_missing: prices of single parts, and which machine they make is not told"
        return Harvest(rejected=tuple(Rejected(pointer, reason) for pointer, _ in rows(text, name=name, needed=PARTS)))
    table = list(rows(text, name=name, needed=COLUMNS))
    named = sorted(set(PROVIDERS.split()) & set(re.split(r"[^a-z0-9]+", name.lower())))
    provider = options.provider.lower() or (named[0] if len(named) == 1 else "")
    if not provider:
        raise FormatError(f"{name} does not say of which provider it is", "say so, for example --provider nebius")
    if options.region:
        raise FormatError(f"{name} names the region in each row", "leave out --region")

    def read(row: dict[str, str]) -> Iterator[Price | str]:
        fixed, spot = amount_of(row, "Price"), amount_of(row, "SpotPrice")
        if fixed is None:
            yield "unpriced: Price is empty or zero"
        else:
            yield price_of(row, PriceModel.ON_DEMAND, fixed)
        if spot is not None and spot == fixed:
            yield "spot_unknown: SpotPrice is the fixed price"
        elif spot is not None:
            yield price_of(row, PriceModel.SPOT, spot)

    def price_of(row: dict[str, str], model: PriceModel, amount: Decimal) -> Price:
        kind = filled(row, "InstanceType")
        gpus, doubt = counted(provider, kind, whole_gpus(row))
        known = machine(provider, kind)
        memory = known.gpu_memory_gib if known else gpu_memory_gib(row["GpuInfo"])
        return Price(
            provider=provider,
            region=filled(row, "Region"),
            zone=row.get("AvailabilityZone", "") if model is PriceModel.SPOT else "",
            instance_type=kind,
            amount=amount,
            currency="USD",
            unit=Unit.INSTANCE_HOUR,
            effective_from_ns=fetched_at_ns,
            effective_trust=Trust.NONE,
            fetched_at_ns=fetched_at_ns,
            source_url=f"file:{name}",
            price_model=model,
            gpu_model=row["AcceleratorName"],
            gpu_count=gpus,
            gpu_memory_gib=memory,
            vcpu=whole(row["vCPUs"], "vCPUs"),
            memory_gib=money.amount(row["MemoryGiB"], "MemoryGiB") if row["MemoryGiB"] else None,
            feed=KIND,
            note="; ".join(note for note in ("SkyPilot names no currency: USD is its convention", doubt) if note),
        )

    return sifted(table, read)


def amount_of(row: dict[str, str], column: str) -> Decimal | None:
    """The amount in a column; None where it is empty or zero. Raises FormatError for what is no amount."""
    if not row:
        filled(row, column)
    return money.amount(row[column], column) or None if row[column] else None


def whole(text: str, column: str) -> int | None:
    """A whole number, which may be written `26.0`; None for an empty one, and for a share. Raises FormatError for what is no number."""
    if not text:
        return None
    number = money.amount(text, column)
    return int(number) if number == number.to_integral_value() else None


def whole_gpus(row: dict[str, str]) -> int | None:
    """GPUs of a row. Raises FormatError where two columns contradict each other, and for a share of a GPU."""
    gpus = whole(row["AcceleratorCount"], "AcceleratorCount")
    if row["AcceleratorCount"] and gpus is None:
        raise FormatError(f"AcceleratorCount {row['AcceleratorCount']} is a share of a GPU")
    told = described(row["GpuInfo"]).get("count")
    if isinstance(told, int | float) and gpus is not None and told != gpus:
        raise FormatError(f"AcceleratorCount is {gpus}, and GpuInfo says {told}")
    return gpus


def gpu_memory_gib(info: str) -> Decimal | None:
    """Memory of one GPU as GpuInfo tells it; None where it does not, or tells what no GPU has (`SizeInMiB: 80` was meant in GiB)."""
    memory = lower(described(info).get("memoryinfo"))
    mib = memory.get("sizeinmib")
    if not isinstance(mib, int) or isinstance(mib, bool) or not MIB_PER_GIB <= mib <= MIB_PER_GIB**2:
        return None
    return (Decimal(mib) / MIB_PER_GIB).quantize(Decimal("0.1"))


def described(info: str) -> Mapping[str, Any]:
    """The first GPU of a GpuInfo, keys in lower case; empty where it is a mere name or nothing that can be read."""
    if len(info) > LONGEST_INFO:
        return {}
    try:
        data = ast.literal_eval(info)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return {}
    gpus = lower(data).get("gpus")
    return lower(gpus[0]) if isinstance(gpus, list) and gpus else {}


def lower(data: object) -> Mapping[str, Any]:
    """A dictionary with its keys in lower case; an empty one for anything else."""
    return {str(key).lower(): value for key, value in data.items()} if isinstance(data, dict) else {}


IMPORTER: Final = Importer(KIND, recognises, parse_catalogue)
