"""The figures of the vectors that follow from their inputs alone, each by the function of the product that a card or a report calls."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any, Final

from joulemark.cards.emitted import kwh_and_g
from joulemark.cards.shares import Part
from joulemark.energy.attribute import joules_per_1k
from joulemark.pricing import cost, split, terms
from joulemark.pricing.amortise import Profile
from joulemark.pricing.cost import Cost
from joulemark.pricing.money import CONTEXT, decimal
from joulemark.pricing.sources import electricity_maps
from tests.pricing.records import DAY
from tests.pricing.vectors.vector import Figures, Vectors

RUN: Final = "V01"
"""The run that other vectors are about."""

Found = Mapping[str, Any]


def divided(one: Decimal, other: Decimal) -> Decimal:
    return CONTEXT.divide(one, other)


def rent_of_run(v: Vectors, per_hour: Decimal) -> Cost:
    return cost.market(per_hour, v.input(RUN, "duration_s"), currency="USD")


def tokens(v: Vectors, name: str = RUN) -> tuple[Decimal, Decimal]:
    return v.input(name, "tokens_in"), v.input(name, "tokens_out")


def v01(v: Vectors, name: str) -> Found:
    rent, (made_in, made_out) = rent_of_run(v, v.input(name, "usd_per_hour")), tokens(v)
    rate = divided(made_out, v.input(name, "duration_s"))
    return {
        "cost_usd": rent.amount,
        "usd_per_1k_total": rent.per_1k(made_in + made_out),
        "usd_per_1k_out": rent.per_1k(made_out),
        "usd_per_1m_total": rent.per_1m(made_in + made_out),
        "usd_per_1m_out": rent.per_1m(made_out),
        "identity_price/(tok_per_s*3600)*1000": cost.per_1m_at_rate(v.input(name, "usd_per_hour"), rate) / 1000,
    }


def v02(v: Vectors, name: str) -> Found:
    joules, (made_in, made_out) = v.input(name, "wall_joules"), tokens(v, name)
    rates = {"tariff_per_kwh": v.input(name, "usd_per_kwh"), "currency": "USD", "pue": v.input(name, "pue")}
    spent = cost.energy(joules, **rates)
    (carbon,) = electricity_maps.parse_intensity(
        v.source(name).read_bytes(), zone="DK-DK2", fetched_at_ns=DAY, source_url="file:sample"
    ).records
    kwh, grams = kwh_and_g(Part(0, 1, float(joules)), carbon, v.input(name, "pue"))
    per_1k = {count: joules_per_1k(float(joules), float(count)) for count in (made_in + made_out, made_out)}
    j_total, j_out = (decimal(ratio.value_j) for ratio in per_1k.values() if ratio)
    return {
        "[g_per_kwh]": carbon.g_per_kwh,
        "kwh_it": cost.kwh(joules),
        "kwh_facility": kwh,
        "energy_usd": spent.amount,
        "j_per_1k_total": j_total,
        "j_per_1k_out": j_out,
        "energy_usd_per_1k_out": spent.per_1k(made_out),
        "g_co2e": grams,
        "g_per_1k_out": divided(grams * 1000, made_out),
    }


def v03(v: Vectors, name: str) -> Found:
    stated = {key: v.input(name, key) for key in ("capex", "years", "hours_per_year", "utilisation", "opex_per_year", "it_kw", "pue")}
    profile = Profile(currency="USD", residual=v.input(name, "residual_fraction"), **stated)
    energy = profile.energy_per_hour(v.input(name, "usd_per_kwh"))
    assert energy is not None
    return {
        "amortisation_per_h": profile.amortisation_per_hour,
        "opex_per_h": profile.opex_per_hour,
        "calendar_per_h": profile.calendar_per_hour,
        "delivered_per_h": profile.delivered_per_hour,
        "energy_per_h": energy,
        "calendar_plus_energy_per_h": profile.calendar_per_hour + energy,
        "delivered_plus_energy_per_h": profile.delivered_per_hour + energy,
    }


def segments(v: Vectors, name: str) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(seconds)) for price, seconds in v.by_id[name]["inputs"]["segments"]]


def v04(v: Vectors, name: str) -> Found:
    taken = [(tariff, v.input(name, "watts") * seconds) for tariff, seconds in segments(v, name)]
    joules = sum((each for _, each in taken), Decimal(0))
    return {
        "kwh": cost.kwh(joules),
        "cost": cost.energy_piecewise(taken, currency="USD").amount,
        "wrong_start_price_only": cost.energy(joules, tariff_per_kwh=taken[0][0], currency="USD").amount,
    }


def v09(v: Vectors, name: str) -> Found:
    rate = v.input(name, "tok_s_gpu")
    gpu = v.by_id[name]["title"].rpartition(" ")[2]
    with v.source(name).open(newline="", encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if row["gpu"] == gpu]
    return {
        "[usd_per_gpu_h]": Decimal(row["cost_hyperscaler_usd_per_gpu_hr"]),
        "[kw]": Decimal(row["power_kw_per_gpu_all_in"]),
        "usd_per_1m": cost.per_1m_at_rate(v.input(name, "usd_per_gpu_h"), rate),
        "j_per_token": cost.j_per_token_at_rate(v.input(name, "kw"), rate),
    }


def v10(v: Vectors, name: str) -> Found:
    of_input, of_output = v.input(name, "in"), v.input(name, "out")
    made_in, made_out = tokens(v)
    return {
        "blend_3_1": split.blended(of_input, of_output),
        "blend_4_1": split.blended(of_input, of_output, (made_in, made_out)),
        "cache_aware_in": split.cache_aware(of_input, v.input(name, "cached_in"), v.input(name, "cached_share")),
    }


def v11(v: Vectors, name: str) -> Found:
    made_in, made_out = tokens(v)
    method = split.Method.named(f"weight:{v.by_id[name]['inputs']['weight_out_over_in']}")
    parts = split.by_tokens(v.input(name, "cost"), method, input_tokens=made_in, output_tokens=made_out)
    return {
        "usd_per_1m_in": divided(parts.input * 1_000_000, made_in),
        "usd_per_1m_out": divided(parts.output * 1_000_000, made_out),
        "sum_check": parts.input + parts.output,
    }


def v12(v: Vectors, name: str) -> Found:
    rent = rent_of_run(v, v.input(RUN, "usd_per_hour"))
    found = cost.goodput(rent, good=v.input(name, "tokens_out_ok"), everything=v.input(name, "tokens_out_all"))
    return {"usd_per_1k_out_good": found.per_1k_good, "wasted_usd": found.wasted}


def v14(v: Vectors, name: str) -> Found:
    return {"per_h": terms.reserved_per_hour(v.input(name, "hourly"), upfront=v.input(name, "upfront"), years=v.input(name, "years"))}


def v15(v: Vectors, name: str) -> Found:
    """What the bug makes of the price, which has to be told from what we make of it."""
    hourly = v.input(name, "hourly")
    ours, wrong = (terms.per_hour(hourly, period) for period in (terms.Period.HOUR, terms.Period.MONTH_730))
    return {"must_not_be": wrong} if ours == hourly else {"must_not_be": ours}


def v16(v: Vectors, name: str) -> Found:
    vast, gcp = v.by_id[name]["inputs"]["vast"], v.by_id[name]["inputs"]["gcp"]
    hourly, gb, per_month, days, hours = numbers(r"(.+)/h \+ (.+) GB at (.+)/GB-month, (\d+)x(\d+)", vast)
    ssd_gb, ssd_per_month, month = numbers(r"(.+) GB at (.+)/GB-month, (\d+)", gcp)
    with localcontext(CONTEXT):
        return {
            "vast_per_h": hourly + terms.per_hour(gb * per_month, terms.Period(f"month_{days * hours}")),
            "gcp_ssd_per_h": terms.per_hour(ssd_gb * ssd_per_month, terms.Period(f"month_{month}")),
        }


def numbers(pattern: str, text: str) -> list[Decimal]:
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError(f"{text!r} is written otherwise")
    return [Decimal(group) for group in match.groups()]


def v18(v: Vectors, name: str) -> Found:
    rented = segments(v, name)
    seconds = sum((each for _, each in rented), Decimal(0))
    return {
        "cost": cost.market_piecewise(rented, currency="USD").amount,
        "wrong_start_price_only": cost.market(rented[0][0], seconds, currency="USD").amount,
    }


def v20(v: Vectors, name: str) -> Found:
    per_hour, seconds = v.input(name, "usd_per_hour"), v.input(name, "duration_s")
    return {
        "pro_rata": cost.market(per_hour, seconds, currency="USD").amount,
        "billed": cost.market(per_hour, seconds, currency="USD", minimum_s=v.input(name, "minimum_s")).amount,
    }


def v21(v: Vectors, name: str) -> Found:
    per_hour, made = v.input(name, "usd_per_hour"), v.input(name, "tokens_out")
    uptime_s, active_s = v.input(name, "uptime_s"), v.input(name, "active_s")
    return {
        "usd_per_1k_out_active": cost.market(per_hour, active_s, currency="USD").per_1k(made),
        "usd_per_1k_out_uptime": cost.market(per_hour, uptime_s, currency="USD").per_1k(made),
        "utilisation_tax": cost.utilisation_tax(uptime_s=uptime_s, active_s=active_s),
    }


def v22(v: Vectors, name: str) -> Found:
    per_hour, seconds = v.input(name, "usd_per_hour"), v.input(name, "duration_s")
    share = (int(v.input(name, "gpus_used")), int(v.input(name, "gpus")))
    return {
        "whole_instance": cost.market(per_hour, seconds, currency="USD").amount,
        "prorated_share": cost.market(per_hour, seconds, currency="USD", share=share).amount,
    }


FORMULAS: Final[Mapping[str, Figures]] = {
    "V01": v01,
    "V02": v02,
    "V03": v03,
    "V04": v04,
    "V09": v09,
    "V09b": v09,
    "V10": v10,
    "V11": v11,
    "V12": v12,
    "V14": v14,
    "V15": v15,
    "V16": v16,
    "V18": v18,
    "V20": v20,
    "V21": v21,
    "V22": v22,
}
