"""Price lists of AWS as tests write them: the columns of a real list, rows of one machine with whatever a test changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

VERSION: Final = "20260728175247"
COLUMNS: Final = (
    *("SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "EffectiveDate", "StartingRange", "EndingRange", "Unit"),
    *("PricePerUnit", "Currency", "RelatedTo", "LeaseContractLength", "PurchaseOption", "OfferingClass", "Product Family"),
    *("serviceCode", "Location", "Location Type", "Instance Type", "Current Generation", "Instance Family", "vCPU"),
    *("Physical Processor", "Clock Speed", "Memory", "Storage", "Network Performance", "Processor Architecture", "Storage Media"),
    *("Volume Type", "Max Volume Size", "Max IOPS/volume", "Max throughput/volume", "Provisioned", "Tenancy", "EBS Optimized"),
    *("Operating System", "License Model", "Group", "Group Description", "Transfer Type", "From Location", "To Location", "usageType"),
    *("operation", "AvailabilityZone", "CapacityStatus", "ClassicNetworkingSupport", "Dedicated EBS Throughput", "ECU"),
    *("Elastic Graphics Type", "Enhanced Networking Supported", "From Region Code", "GPU", "GPU Memory", "Instance"),
    *("Instance Capacity - 12xlarge", "Instance Capacity - 2xlarge", "Intel AVX Available", "Intel AVX2 Available"),
    *("Intel Turbo Available", "MarketOption", "Normalization Size Factor", "Physical Cores", "Pre Installed S/W", "Processor Features"),
    *("Product Type", "Region Code", "Resource Type", "serviceName", "SnapshotArchiveFeeType", "To Region Code", "Volume API Name"),
    *("VPC networking support"),
)
"""As in a list of 2025; the order differs between versions."""

P5: Final = {
    "SKU": "3D4V8UAYEMB38GU2",
    "OfferTermCode": "JRTCKXETXF",
    "RateCode": "3D4V8UAYEMB38GU2.JRTCKXETXF.6YS6EN2CT7",
    "TermType": "OnDemand",
    "PriceDescription": "$55.04 per On Demand Linux p5.48xlarge Instance Hour",
    "EffectiveDate": "2026-07-01",
    "StartingRange": "0",
    "EndingRange": "Inf",
    "Unit": "Hrs",
    "PricePerUnit": "55.0400000000",
    "Currency": "USD",
    "Product Family": "Compute Instance",
    "serviceCode": "AmazonEC2",
    "Location": "US East (N. Virginia)",
    "Location Type": "AWS Region",
    "Instance Type": "p5.48xlarge",
    "Current Generation": "Yes",
    "Instance Family": "GPU instance",
    "vCPU": "192",
    "Physical Processor": "AMD EPYC 7R13 Processor",
    "Memory": "2048 GiB",
    "Storage": "8 x 3840 GB SSD",
    "Network Performance": "3200 Gigabit",
    "Processor Architecture": "64-bit",
    "Tenancy": "Shared",
    "Operating System": "Linux",
    "License Model": "No License required",
    "usageType": "BoxUsage:p5.48xlarge",
    "operation": "RunInstances",
    "AvailabilityZone": "NA",
    "CapacityStatus": "Used",
    "GPU": "8",
    "GPU Memory": "640 GB HBM3",
    "MarketOption": "OnDemand",
    "Normalization Size Factor": "384",
    "Pre Installed S/W": "NA",
    "Processor Features": "Intel AVX; Intel AVX2; Intel Turbo",
    "Region Code": "us-east-1",
    "serviceName": "Amazon Elastic Compute Cloud",
}
"""The row of p5.48xlarge, Linux, on demand."""

RESERVED: Final = {
    "TermType": "Reserved",
    "OfferTermCode": "HU7G6KETJZ",
    "LeaseContractLength": "1yr",
    "PurchaseOption": "Partial Upfront",
    "OfferingClass": "standard",
    "EffectiveDate": "2024-05-01",
}


def p5(**changes: str) -> dict[str, str]:
    """The row of p5.48xlarge with other values; `_` in a name stands for a space."""
    return {**P5, **{name.replace("_", " "): value for name, value in changes.items()}}


def line(values: Iterable[str]) -> str:
    return ",".join(f'"{value}"' for value in values) + "\n"


def head(version: str = VERSION, columns: Iterable[str] = COLUMNS) -> str:
    """The six lines above the rows."""
    v = version
    published = f"{v[:4]}-{v[4:6]}-{v[6:8]}T{v[8:10]}:{v[10:12]}:{v[12:]}Z"
    disclaimer = "This pricing list is for informational purposes only. All prices are subject to the additional terms"
    about = (
        ("FormatVersion", "v1.0"),
        ("Disclaimer", disclaimer),
        ("Publication Date", published),
        ("Version", v),
        ("OfferCode", "AmazonEC2"),
    )
    return "".join(line(pair) for pair in about) + line(columns)


def listed(*rows: dict[str, str], version: str = VERSION, columns: Iterable[str] = COLUMNS) -> bytes:
    """A whole list."""
    columns = tuple(columns)
    return (head(version, columns) + "".join(line(row.get(name, "") for name in columns) for row in rows)).encode()
