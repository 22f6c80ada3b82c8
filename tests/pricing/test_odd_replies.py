"""Odd replies: whatever stands at any one place of a reply or a table, it is a price, a reason, or an error that says so."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from joulemark.errors import JoulemarkError
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Options
from joulemark.pricing.price import Price
from joulemark.pricing.sources import gcp_catalog, gpuhunt, lambda_cloud, opencost, runpod, skypilot, vast
from tests.pricing.gcp import body, ultra
from tests.pricing.offers import OFFER
from tests.pricing.records import DAY

VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    7,
    0.5,
    10**25,
    "",
    "x",
    "NaN",
    "-0",
    "1e99",
    "\N{ARABIC-INDIC DIGIT THREE}",
    [],
    [None],
    {},
    {"x": 1},
)
TEXTS: Final = ("", "x", "0", "-1", "nan", "inf", "1e999", "1_0", "\N{ARABIC-INDIC DIGIT THREE}", "True", "{}", "[" * 99, "9" * 99)
OWN: Final = Options(provider="own", region="hall")

Parse = Callable[[bytes], Harvest]


def gcp(reply: bytes) -> Harvest:
    return gcp_catalog.parse_catalog([reply], fetched_at_ns=DAY, source_url="https://example.com/list")


def lambdas(reply: bytes) -> Harvest:
    return lambda_cloud.parse_types(reply, fetched_at_ns=DAY, source_url="https://example.com/list")


def runpods(reply: bytes) -> Harvest:
    return runpod.parse_types(reply, fetched_at_ns=DAY, source_url="https://example.com/list", gpu_counts=(1, 8))


def vasts(reply: bytes) -> Harvest:
    return vast.parse_offers(reply, fetched_at_ns=DAY, source_url="https://example.com/list", disk_gb=100)


def bent(data: Any) -> Iterator[None]:
    """Puts each of VALUES at each place of `data` in turn, and every key away once; `data` is as it was afterwards."""
    places = list(data.items()) if isinstance(data, dict) else list(enumerate(data))
    for key, was in places:
        for value in VALUES:
            data[key] = value
            yield
        if isinstance(data, dict):
            del data[key]
            yield
        data[key] = was
        if isinstance(was, dict | list):
            yield from bent(was)


def judged(parse: Callable[[], Harvest]) -> Harvest:
    """What `parse` makes of an odd input: prices above zero that a file can hold, or reasons."""
    try:
        harvest = parse()
    except JoulemarkError:
        return Harvest()
    for price in harvest.records:
        assert isinstance(price, Price)
        assert price.amount > 0
        assert Price.from_json(json.loads(json.dumps(price.to_json()), parse_float=Decimal)).point_id == price.point_id
    assert all(one.pointer and one.reason for one in harvest.rejected)
    return harvest


def replies(corpus: Path) -> dict[str, tuple[Parse, bytes]]:
    neocloud = corpus / "pricing/neocloud"
    types = {"it": {"instance_type": {"name": "gpu_8x_h100", "price_cents_per_hour": 3192, "specs": {"vcpus": 208, "gpus": 8}}}}
    shape = json.loads((neocloud / "runpod_gputypes_SHAPE_from_test.json").read_bytes())["data"]["gpuTypes"][0]
    gpu = {**shape, "maxGpuCount": 8, "secure": {"minimumBidPrice": 0.4}}
    return {
        "gcp": (gcp, body(*ultra())),
        "lambda": (lambdas, json.dumps({"data": types}).encode()),
        "runpod": (runpods, json.dumps({"data": {"gpuTypes": [gpu]}}).encode()),
        "vast": (vasts, json.dumps({"offers": [OFFER]}).encode()),
    }


@pytest.mark.parametrize("kind", ["gcp", "lambda", "runpod", "vast"])
def test_any_value_at_any_place(corpus: Path, kind: str) -> None:
    """No value at no place of a reply ends in anything but prices, reasons or an error of ours, and none becomes a price of zero."""
    parse, reply = replies(corpus)[kind]
    data = json.loads(reply)
    assert judged(partial(parse, reply)).records
    tried = 0
    for _ in bent(data["skus"][2] if kind == "gcp" else data):
        odd = json.dumps(data).encode()
        judged(partial(parse, odd))
        tried += 1
    assert tried > 100
    assert json.loads(reply) == data


@pytest.mark.parametrize("kind", ["gcp", "lambda", "runpod", "vast"])
def test_a_reply_that_is_cut_off(corpus: Path, kind: str) -> None:
    """A reply that ends in the middle is an error wherever it ends."""
    parse, reply = replies(corpus)[kind]
    for end in range(0, len(reply) - 1, max(1, len(reply) // 200)):
        with pytest.raises(JoulemarkError, match="example"):
            parse(reply[:end])


@pytest.mark.parametrize(
    ("parse", "name", "options"),
    [
        (gpuhunt.parse_catalogue, "pricing/gpuhunt/aws.csv", Options()),
        (skypilot.parse_catalogue, "pricing/skypilot/v8_nebius_vms_gpu_excerpt.csv", Options()),
        (skypilot.parse_catalogue, "pricing/skypilot/v8_runpod_vms_excerpt.csv", Options()),
        (opencost.parse_sheet, "pricing/opencost/pricing_schema.csv", OWN),
    ],
)
def test_any_text_in_any_cell(corpus: Path, parse: Any, name: str, options: Options) -> None:
    """No text in no cell of a table ends in anything but prices, reasons or an error of ours."""
    head, *table = list(csv.reader(io.StringIO((corpus / name).read_text(encoding="utf-8"), newline="")))
    for column, odd in product(range(len(head)), TEXTS):
        out = io.StringIO()
        csv.writer(out).writerows([head, [*table[1][:column], odd, *table[1][column + 1 :]]])
        text = out.getvalue()
        judged(partial(parse, text, name=Path(name).name, fetched_at_ns=DAY, options=options))
