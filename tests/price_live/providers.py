"""The providers of the live proof: what each is asked for, the recorded reply that it gives, and its lies."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.pricing.aws_lists import COLUMNS, p5
from tests.standins.price_server import Answer, PriceServer, azure_pages

LIES: Final = ("tenfold", "zero", "half")
KEY: Final = "hush-hush-of-the-live-proof"
ETAG: Final = '"as-recorded"'

AZURE_GOOD: Final = "azure/retail_eastus_Standard_D2s_v3_nofilter_preview.json"
AZURE_LIAR: Final = "azure/retail_eastus_Standard_D2als_v7_nofilter_preview.json"
LAMBDA: Final = "neocloud/lambda_instance-types_20260730.json"
GCP: Final = "gcp/skus_a2_a100_20230324_opencost.json"
ENTSOE: Final = "electricity/entsoe_A44_NL_2025-09-17_PT60M.xml"
AWS: Final = "aws/karpenter_static_ondemand_gpu_us-east-1_20260720.csv"

RATES: Final = """<Envelope xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Sender><name>European Central Bank</name></Sender>
<Cube><Cube time="2026-06-05"><Cube currency="USD" rate="1.25"/><Cube currency="CNY" rate="8.0"/><Cube currency="GBP" rate="0.85"/>
<Cube currency="JPY" rate="170.5"/><Cube currency="CHF" rate="0.93"/><Cube currency="SEK" rate="11.2"/></Cube></Cube></Envelope>"""
"""The form of the list, with rates made up: no recorded one is at hand."""


@dataclass(frozen=True)
class Provider:
    """One feed: the keys of its table, and `role`: good, down, slow or the lie it tells in the second half."""

    name: str
    kind: str
    role: str
    keys: dict[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """Its `[[feed]]` table; the values are such that JSON is TOML."""
        rows = {"kind": self.kind, "jitter_s": 0, "deadline_s": 6.0, **self.keys}
        return "\n".join(["", "[[feed]]", *(f"{key} = {json.dumps(value)}" for key, value in rows.items()), ""])


def providers(server: PriceServer, down: PriceServer, key_file: Path, *, lies: tuple[str, ...], every_s: int) -> list[Provider]:
    """Every provider; `server` and `down` are mirrors."""
    pace, mirror, keyed = {"every_s": every_s}, {"origin": server.origin}, {"key_file": str(key_file)}
    azure = {"regions": ["eastus"], "instance_types": ["Standard_D2s_v3"]}
    liar = {"regions": ["eastus"], "instance_types": ["Standard_D2als_v7"], "url": server.url("/liar/prices")}
    return [
        Provider("pages", "azure_retail", "good", {**azure, **mirror, **pace}),
        Provider("unchanged", "aws_bulk", "good", {"region": "us-east-1", "instance_types": ["p5.*", "g6.*"], **mirror, **pace}),
        Provider("down", "gcp_catalog", "down", {"regions": ["us-central1"], "origin": down.origin, **keyed, **pace}),
        Provider("slow", "entsoe", "slow", {"domain": "10YNL----------L", **mirror, **keyed, **pace}),
        Provider("liar azure", "azure_retail", lies[0], {**liar, **pace}),
        Provider("liar lambda", "lambda_cloud", lies[1], {**mirror, **keyed, **pace}),
        Provider("liar ecb", "ecb", lies[2], {**mirror, **pace}),
    ]


def serve_good(server: PriceServer, down: PriceServer, corpus: Path, *, per_page: int) -> None:
    """Let every provider answer with what was recorded."""
    azure_pages(server, "/api/retail/prices", (corpus / AZURE_GOOD).read_bytes(), per_page=per_page)
    server.serve("/offers/v1.0/aws/AmazonEC2/current/us-east-1/index.csv", Answer(aws_list((corpus / AWS).read_text()), etag=ETAG))
    gcp_pages(down, "/v1/services/6F81-5844-456A/skus", (corpus / GCP).read_bytes())
    server.serve("/api", Answer((corpus / ENTSOE).read_bytes()))
    server.serve("/liar/prices", Answer((corpus / AZURE_LIAR).read_bytes()))
    server.serve("/api/v1/instance-types", Answer((corpus / LAMBDA).read_bytes()))
    server.serve("/stats/eurofxref/eurofxref-daily.xml", Answer(RATES.encode()))


def gcp_pages(server: PriceServer, path: str, recorded: bytes) -> None:
    """The recorded page names a next one; that one is empty, and the last."""
    reply = json.loads(recorded)
    server.serve(path, Answer(recorded))
    server.serve(f"{path}?pageToken={reply['nextPageToken']}", Answer(json.dumps({"skus": [], "nextPageToken": ""}).encode()))


def serve_bad(server: PriceServer, corpus: Path, lies: tuple[str, ...]) -> None:
    """Let the slow one answer too late, and the liars lie. The one that is down has no server any more."""
    server.serve("/api", Answer((corpus / ENTSOE).read_bytes(), delay_s=600))
    server.serve("/liar/prices", Answer(lying_azure((corpus / AZURE_LIAR).read_bytes(), lies[0])))
    server.serve("/api/v1/instance-types", Answer(lying_lambda((corpus / LAMBDA).read_bytes(), lies[1])))
    server.serve("/stats/eurofxref/eurofxref-daily.xml", Answer(lying_ecb(RATES, lies[2]).encode()))


def aws_list(table: str) -> bytes:
    """A list of AWS in its own form, published yesterday, with the prices of a recorded table."""
    out = io.StringIO()
    day = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    about = ('"FormatVersion","v1.0"', '"Disclaimer","not an invoice"', f'"Publication Date","{day:%Y-%m-%dT%H:%M:%SZ}"')
    out.write("\n".join([*about, f'"Version","{day:%Y%m%d%H%M%S}"', '"OfferCode","AmazonEC2"']) + "\n")
    writer = csv.DictWriter(out, COLUMNS, restval="", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    for row in csv.DictReader(io.StringIO(table)):
        name, amount = row["instance_type"], row["usd_per_hour"]
        rated = {"SKU": f"SKU{name}", "RateCode": f"SKU{name}.X.Y", "PricePerUnit": amount, "Instance_Type": name}
        writer.writerow(p5(**rated, usageType=f"BoxUsage:{name}"))
    return out.getvalue().encode()


def lied(lie: str) -> Callable[[Decimal], Decimal]:
    """What becomes of an amount."""
    return {"tenfold": lambda value: value * 10, "zero": lambda _value: Decimal(0), "half": lambda value: value}[lie]


def lying_azure(body: bytes, lie: str) -> bytes:
    """A reply of Azure with other prices, or without half of its rows."""
    change = lied(lie)
    text = re.sub(r'("(?:retailPrice|unitPrice)": ?)([0-9.]+)', lambda m: f"{m[1]}{change(Decimal(m[2]))}", body.decode())
    reply = json.loads(text)
    if lie == "half":
        reply["Items"] = reply["Items"][::2]
        return json.dumps(reply).encode()
    return text.encode()


def lying_lambda(body: bytes, lie: str) -> bytes:
    """A reply of Lambda with other prices, or without half of its machines."""
    reply = json.loads(body)
    for entry in reply["data"].values():
        kind = entry["instance_type"]
        kind["price_cents_per_hour"] = int(lied(lie)(Decimal(kind["price_cents_per_hour"])))
    if lie == "half":
        reply["data"] = dict(list(reply["data"].items())[::2])
    return json.dumps(reply).encode()


def lying_ecb(text: str, lie: str) -> str:
    """A list of rates with other values, or without half of them."""
    if lie == "half":
        entries = re.findall(r'<Cube currency="\w+" rate="[\d.]+"/>', text)
        for entry in entries[::2]:
            text = text.replace(entry, "")
        return text
    return re.sub(r'rate="([\d.]+)"', lambda m: f'rate="{lied(lie)(Decimal(m[1]))}"', text)
