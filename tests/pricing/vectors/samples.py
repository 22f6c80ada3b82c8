"""The figures of the vectors that rest on recorded lists: parsed by the sources of the product, and looked up where they are prices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from joulemark.errors import FormatError
from joulemark.pricing import cost, gcp_skus, money, terms
from joulemark.pricing.answer import Answer, Status
from joulemark.pricing.aws_offer import Selection, offer_rows
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.importer import Options
from joulemark.pricing.price import Price, PriceModel
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import aws_bulk, aws_history, azure_retail, entsoe, gcp_catalog
from joulemark.pricing.tariffs import Tariff
from joulemark.pricing.web import Reply
from joulemark.units import NS_PER_S
from tests.pricing.records import DAY
from tests.pricing.vectors.formulas import RUN, Found, divided, rent_of_run
from tests.pricing.vectors.vector import Figures, Vectors

HOUR_NS: Final = 3600 * NS_PER_S
FILE: Final = "https://example.com/recorded"
A2: Final = ("us-central1", PriceModel.ON_DEMAND)


def history(v: Vectors, name: str) -> Snapshot:
    """The recorded history of on-demand prices, as if it had been imported on the first day of the tests."""
    path = v.source(name)
    found = aws_history.parse_history(path.read_text(), name=path.name, fetched_at_ns=DAY, options=Options())
    return Snapshot(tuple(record for record in found.records if isinstance(record, Price)))


def asked(known: Snapshot, instance_type: str, valid_at: str, known_at: str | None = None) -> Answer:
    at = {"valid_at_ns": moment_ns(valid_at, "valid_at"), "known_at_ns": moment_ns(known_at, "known_at") if known_at else None}
    return known.lookup(provider="aws", instance_type=instance_type, region="us-east-1", **at)


def v01b(v: Vectors, name: str) -> Found:
    changed = asked(history(v, name), "p5.48xlarge", "2025-06-15")
    if changed.price is None or changed.after is None:
        raise FormatError(f"the history answers {changed.status}")
    old, new = rent_of_run(v, v.input(name, "usd_per_hour")), rent_of_run(v, v.input(RUN, "usd_per_hour"))
    return {
        "[usd_per_hour]": changed.price.amount,
        "cost_usd": old.amount,
        "usd_per_1k_out": old.per_1k(v.input(RUN, "tokens_out")),
        "ratio_old_new": divided(old.amount, new.amount),
        "change_pct_new_vs_old": divided((changed.after.amount - changed.price.amount) * 100, changed.price.amount),
    }


def v17(v: Vectors, name: str) -> Found:
    known, inputs = history(v, name), v.by_id[name]["inputs"]
    found: dict[str, Any] = {}
    for key in v.by_id[name]["expected"]:
        what, date = key[:-11], key[-10:]
        if what == "known_at":
            found[key] = stated(asked(known, inputs["instance_type"], inputs["valid_at"], date))
        elif what == "bracketed_at":
            found[key] = asked(known, inputs["instance_type"], date).status is Status.BRACKETED
        else:
            found[key] = asked(known, inputs["instance_type"], date).price
    return found


def stated(answer: Answer) -> str | None:
    """What the newest list says, with its date of beginning where that is not what was seen before."""
    price = answer.stated
    if price is None:
        return None
    since = "" if price == answer.price else f", effective {moment_text(price.effective_from_ns).partition('T')[0]}"
    return f"{money.text(price.amount)} (list {price.list_version}{since})"


def v05(v: Vectors, name: str) -> Found:
    market = entsoe.Market("NL", DAY, FILE)
    found = entsoe.parse_document(v.source(name).read_bytes(), domain="10YNL----------L", market=market)
    tariffs = tuple(record for record in found.records if isinstance(record, Tariff))
    first_ns = min(tariff.effective_from_ns for tariff in tariffs)
    begin_ns, end_ns = (moment_ns(v.by_id[name]["inputs"][key], key) for key in ("start", "end"))
    cover = Snapshot(tariffs=tariffs).tariffs_over(begin_ns, end_ns)
    if cover.reason:
        raise FormatError(cover.reason)
    power_w = v.input(name, "kw") * 1000
    taken = [(span.record.amount, power_w * money.decimal(span.end_ns - span.begin_ns).scaleb(-9)) for span in cover.spans]
    return {
        "positions": [1 + (span.record.effective_from_ns - first_ns) // HOUR_NS for span in cover.spans],
        "eur_per_mwh": [tariff * 1000 for tariff, _ in taken],
        "kwh": cost.kwh(sum((joules for _, joules in taken), Decimal(0))),
        "eur": cost.energy_piecewise(taken, currency="EUR").amount,
    }


def composed(body: bytes, instance_type: str) -> Price | None:
    """The one price of a machine of GCP on demand in us-central1; None where it has none."""
    found = gcp_catalog.parse_catalog([body], fetched_at_ns=DAY, source_url=FILE, regions=[A2[0]]).records
    prices = [one for one in found if isinstance(one, Price) and (one.instance_type, one.price_model) == (instance_type, A2[1])]
    return prices[0] if prices else None


def v06(v: Vectors, name: str) -> Found:
    body = v.source(name).read_bytes()
    one, eight = composed(body, "a2-highgpu-1g"), composed(body, "a2-highgpu-8g")
    if one is None or eight is None:
        raise FormatError("the machines have no price")
    core, ram, gpu = one.components
    host = core.quantity * core.amount + ram.quantity * ram.amount
    as_float = sum(float(part.quantity) * (float(part.amount // 1) + float(part.amount % 1)) for part in one.components)
    catalog = json.loads(body)
    catalog["skus"] = [sku for sku in catalog["skus"] if sku["skuId"] != gpu.sku_id]
    without = composed(json.dumps(catalog).encode(), "a2-highgpu-1g")
    return {
        "[core]": core.amount,
        "[ram]": ram.amount,
        "[gpu]": gpu.amount,
        "a2-highgpu-1g": one.amount,
        "a2-highgpu-1g_host_only": host,
        "a2-highgpu-8g": eight.amount,
        "float_artefact": repr(as_float),
        "missing_component": "price must be null, not host-only" if without is None else f"{without.amount} without the GPU",
    }


def v07(v: Vectors, name: str) -> Found:
    sku_id = v.by_id[name]["source"].rpartition(" ")[2]
    (sku,) = [sku for sku in json.loads(v.source(name).read_bytes(), parse_float=Decimal)["skus"] if sku["skuId"] == sku_id]
    info = sku["pricingInfo"][-1]
    amount, currency = gcp_skus.tier(info["pricingExpression"]["tieredRates"])
    usd, code, _ = gcp_skus.undone(v.input(name, "idr"), currency, v.input(name, "currencyConversionRate"))
    rate = Decimal(info["currencyConversionRate"])
    return {"[idr]": amount, "[currencyConversionRate]": rate, "usd" if code == "USD" else code: usd}


def azure(path: Path) -> tuple[list[Price], list[dict[str, Any]]]:
    """The prices for Linux in a reply, and its rows as they stand."""
    body = path.read_bytes()
    found = azure_retail.parse_reply(body, source_url=FILE, fetched_at_ns=DAY).records
    return [one for one in found if isinstance(one, Price) and one.os == "linux"], json.loads(body, parse_float=Decimal)["Items"]


def v08(v: Vectors, name: str) -> Found:
    prices, _ = azure(v.source(name))
    (on_demand,) = [price for price in prices if price.price_model is PriceModel.ON_DEMAND]
    reserved = {price.term_months: price.amount for price in prices if price.price_model is PriceModel.RESERVED}
    found: dict[str, Any] = {"[on_demand]": on_demand.amount}
    for years in (1, 3):
        total = v.input(name, f"{years}y_total")
        ours = terms.reserved_per_hour(Decimal(0), upfront=total, years=years)
        listed = reserved[12 * years]
        if money.stored(ours) != money.stored(listed):
            raise FormatError(f"{total} in {years} years is {money.stored(ours)} an hour, and the list comes to {listed}")
        found |= {f"{years}y_per_h": listed, f"{years}y_discount": 1 - divided(listed, v.input(name, "on_demand"))}
    return found


def v08b(v: Vectors, name: str) -> Found:
    prices, items = azure(v.source(name))
    chosen = [price for price in prices if price.price_model is PriceModel.ON_DEMAND]
    rows = [item for item in items if fits(item, v.by_id[name]["inputs"]["rule"])]
    if [row["skuId"] for row in rows] != [price.sku_id for price in chosen]:
        raise FormatError(f"the rule chooses {len(rows)} rows, and the source others: {[price.sku_id for price in chosen]}")
    (price,) = chosen
    captures = [azure(path)[1] for path in sorted(v.source(name).parent.glob("retail_*_nofilter_preview.json"))]
    keys = [[(item["skuId"], item["type"]) for item in capture] for capture in captures]
    return {
        "rows": len(chosen),
        "unitPrice": money.text(price.amount),
        "rows_if_isPrimaryMeterRegion_required": sum(row["isPrimaryMeterRegion"] for row in rows),
        "rows_for_armSkuName_alone": sum(item["armSkuName"] == price.instance_type for item in items),
        "(skuId,type)_unique_in_both_captures": len(keys) == 2 and all(len(set(each)) == len(each) for each in keys),
    }


def fits(item: Mapping[str, Any], rule: str) -> bool:
    """Whether a row follows a rule such as `type=Consumption; meterName without Spot/Low Priority`."""
    for clause in rule.split("; "):
        if " without " in clause:
            key, _, words = clause.partition(" without ")
            if any(word in item[key] for word in words.split("/")):
                return False
        else:
            key, _, value = clause.partition("=")
            if item[key] != value:
                return False
    return True


def v19(v: Vectors, name: str) -> Found:
    body = v.source(name).read_bytes()
    family = v.by_id[name]["inputs"]["fixture"].partition(" ")[0]
    selection = Selection("us-east-1", (f"{family}.*",))
    harvest = aws_bulk.parse_offer(body, Reply(FILE, 200, DAY, body=body), selection)
    _, rows = offer_rows(body, where=FILE)
    amounts = {row.get("marketoption"): row["priceperunit"] for _, row in rows if selection.asks(row)}
    found: dict[str, Any] = {"naive_last_row_wins": list(amounts.values())[-1]}
    for record in harvest.records:
        if isinstance(record, Price) and record.price_model is PriceModel.ON_DEMAND:
            found["OnDemand"] = record.amount
    for row in harvest.rejected:
        if (reason := row.reason.partition(":")[0]) == "capacity_block_unpriced":
            found["CapacityBlock"] = f"{amounts['CapacityBlock']} -> dropped, reason={reason}"
    return found


SAMPLES: Final[Mapping[str, Figures]] = {
    "V01b": v01b,
    "V05": v05,
    "V06": v06,
    "V07": v07,
    "V08": v08,
    "V08b": v08b,
    "V17": v17,
    "V19": v19,
}
