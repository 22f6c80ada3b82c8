"""A price list of AWS of any size: real columns, rows of other machines, and a few of the machine that is wanted."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.pricing.aws_lists import COLUMNS, RESERVED, head, line, p5

FAMILIES = ("m5", "c7i", "r6g", "p5en", "g6e", "x2idn")
SIZES = ("large", "4xlarge", "24xlarge", "48xlarge")
MACHINES = [f"{family}.{size}" for family, size in itertools.product(FAMILIES, SIZES)]
SYSTEMS = ("Linux", "Windows", "RHEL", "SUSE")
TENANCIES = ("Shared", "Dedicated", "Host")


def row(number: int, machine: str, system: str, tenancy: str) -> str:
    """One line of another machine; two of three rows of a list are of reservations."""
    sku = f"{number:016X}"
    code = "JRTCKXETXF" if number % 3 == 0 else "HU7G6KETJZ"
    values = p5(SKU=sku, OfferTermCode=code, RateCode=f"{sku}.{code}.6YS6EN2CT7", Instance_Type=machine, Operating_System=system)
    values |= {"Tenancy": tenancy, "PriceDescription": f"$1.5 per {system} {machine} Instance Hour", "usageType": f"BoxUsage:{machine}"}
    values |= {} if number % 3 == 0 else RESERVED | {"OfferTermCode": code}
    return line(values.get(name, "") for name in COLUMNS)


def wanted() -> str:
    """The rows of p5.48xlarge: one on demand, the same on a hundred other terms."""
    kinds = [kind for kind in itertools.product(SYSTEMS, TENANCIES) if kind != ("Linux", "Shared")]
    others = [p5(SKU=f"W{n}", Operating_System=system, Tenancy=tenancy) for n, (system, tenancy) in enumerate(kinds)]
    block = [{**p5(), "MarketOption": "CapacityBlock", "PricePerUnit": "0.0000000000", "RateCode": "block"}]
    upfront = [{**p5(), **RESERVED, "Unit": u, "PricePerUnit": a, "RateCode": u} for u, a in (("Hrs", "10"), ("Quantity", "100000"))]
    return "".join(line(values.get(name, "") for name in COLUMNS) for values in (p5(), *others, *block, *upfront))


def write(path: Path, size_bytes: int) -> None:
    """A list of at least `size_bytes`, with what is wanted in its middle."""
    kinds = itertools.cycle(itertools.product(MACHINES, SYSTEMS, TENANCIES))
    block = "".join(row(number, *next(kinds)) for number in range(2000)).encode()
    times = max(1, size_bytes // len(block) + 1)
    with path.open("wb") as file:
        file.write(head().encode())
        for number in range(times):
            if number == times // 2:
                file.write(wanted().encode())
            file.write(block)
