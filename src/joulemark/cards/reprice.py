"""What an old run costs at the prices of another date or place: market, energy and a machine of one's own, each apart.

The seconds, joules and tokens are those that were measured. Nothing is summed, but what the profile of an own machine names.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.cards.measured import Measured, at_prices, through
from joulemark.errors import UsageError
from joulemark.pricing import cost, money, split, terms
from joulemark.pricing.amortise import Profile
from joulemark.pricing.cost import Cost, Family
from joulemark.pricing.dates import moment_text
from joulemark.pricing.money import CONTEXT
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.split import Method, Model
from joulemark.pricing.tariffs import Basis as Known
from joulemark.runs import Tokens
from joulemark.units import NS_PER_S

REPRICE_SCHEMA: Final = "joulemark.cost/1"
FIGURES: Final = ("amount", "currency", "u_rel", "reason")


class Basis(enum.StrEnum):
    """What is charged: the phases that count, or the time from the first begin of a phase to the last end, with warm-up and idle."""

    MEASURED_WINDOW = "measured_window"
    ALLOCATED_UPTIME = "allocated_uptime"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a cost is reckoned. `share`: GPUs used and rented, None for the whole instance; `any_list`: also where the price list is not
    linear. `minimum_s`: shortest billed time. `method`: how the rent is split. `profile`: of a machine of one's own.
    """

    share: tuple[int, int] | None = None
    any_list: bool = False
    minimum_s: Decimal = Decimal(0)
    method: Method | None = None
    profile: Profile | None = None


def with_pue(prices: Snapshot, pue: Decimal | None) -> Snapshot:
    """The same prices with every tariff at the assumed `pue`; None changes nothing."""
    if pue is None:
        return prices
    return replace(prices, tariffs=tuple(replace(one, pue=pue, pue_basis=Known.ASSUMED) for one in prices.tariffs))


@dataclass(frozen=True, slots=True)
class Asked:
    """Where and when a run is priced: `labels` in place of its own, begin of what is charged (None: as it was), what was known when (None:
    everything), and what is charged.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    begin_ns: int | None = None
    known_at_ns: int | None = None
    basis: Basis = Basis.MEASURED_WINDOW


def priced_again(evidence: Evidence, prices: Snapshot, asked: Asked, reckoned: Terms) -> dict[str, Any]:
    """`joulemark.cost/1` of a run at `prices`, and beside it the rent at the price that its evidence has. Raises what `repriced` does.

    `utilisation_tax`: how many times dearer the uptime makes each token, null where the measured window is charged.
    """
    before = Measured.of(evidence)
    charged, tax = evidence, None
    if asked.basis is Basis.ALLOCATED_UPTIME:
        charged = through(evidence)
        (held,) = charged.run.windows
        tax = money.stored(cost.utilisation_tax(uptime_s=money.decimal(held.duration_s), active_s=money.decimal(before.duration_s)))
    now = Measured.of(at_prices(charged, prices, labels=asked.labels, begin_ns=asked.begin_ns, known_at_ns=asked.known_at_ns))
    found = repriced(now, reckoned, prices)
    return {
        "schema": REPRICE_SCHEMA,
        "run_id": evidence.run.run_id,
        "simulated": now.card["simulated"],
        "phases": now.headline["phases"],
        "basis": str(asked.basis),
        "valid_at": moment_text(now.windows[0].begin_ns),
        "known_at": None if asked.known_at_ns is None else moment_text(asked.known_at_ns),
        "duration_s": now.duration_s,
        "utilisation_tax": tax,
        **found,
        "before": since(before, found["market"]),
        "uncertainty_missing": now.headline["uncertainty_missing"],
        "findings": now.card["findings"],
    }


def since(before: Measured, rent: Mapping[str, Any]) -> dict[str, Any]:
    """The rent of the measured window at the price that the evidence has, and `ratio`: how many times that the new one is."""
    block = before.headline["cost"]["market"]
    amount, sha256 = block["amount"], None if block["price"] is None else block["price"]["sha256"]
    same = amount is not None and rent["amount"] is not None and rent["currency"] == block["currency"] and Decimal(amount)
    ratio = money.stored(CONTEXT.divide(Decimal(rent["amount"]), Decimal(amount))) if same else None
    return {"amount": amount, "currency": block["currency"], "price_sha256": sha256, "ratio": ratio, "reason": block["reason"]}


def repriced(run: Measured, reckoned: Terms, prices: Snapshot) -> dict[str, Any]:
    """The costs of `run`, whose evidence has the answer of the look-up: `joulemark.cost/1` but for its head.

    `prices`: in which the sizes of a price list are. Raises UsageError for a share of a list that is not linear.
    """
    block = run.headline["cost"]
    rent = market(run, reckoned, prices)
    out = {
        "market": rent,
        "energy": electricity(run),
        "fx": block["fx"],
        "on_prem": None if reckoned.profile is None else on_prem(run, reckoned.profile),
        "split": None if reckoned.method is None else splitted(run, reckoned.method, rent),
    }
    return {"tokens": counts(run), "requests": run.headline["requests"], "requests_failed": failed(run), **out}


def market(run: Measured, reckoned: Terms, prices: Snapshot) -> dict[str, Any]:
    """Rent as the card reckons it, times share, and with the billing minimum; whatever else the card says of it stays."""
    block = run.headline["cost"]["market"]
    head = {name: value for name, value in block.items() if name not in FIGURES and not name.startswith("per_1k")}
    head |= {"minimum_s": money.text(reckoned.minimum_s), "share": None, "billed_amount": None}
    if block["amount"] is None:
        return {**head, **unknown(block["reason"])}
    whole = Cost(Family.MARKET, Decimal(block["amount"]), block["currency"], block["u_rel"])
    longer = max(Decimal(1), CONTEXT.divide(reckoned.minimum_s, money.decimal(run.duration_s)))
    factor = longer
    if reckoned.share is not None:
        head["share"] = shared(run, reckoned, prices)
        used, rented = reckoned.share
        factor = CONTEXT.divide(longer * used, Decimal(rented))
    billed_s = block["billed_s"]
    billed = None if billed_s is None else CONTEXT.divide(money.decimal(billed_s), money.decimal(run.duration_s))
    head["billed_amount"] = None if billed is None else money.stored(CONTEXT.multiply(whole.amount, billed))
    return {**head, **figures(replace(whole, amount=CONTEXT.multiply(whole.amount, factor)), run)}


def shared(run: Measured, reckoned: Terms, prices: Snapshot) -> dict[str, Any]:
    """The share that is charged, and whether the price list is linear, null where that is not known. Raises UsageError where it is not."""
    used, rented = reckoned.share or (1, 1)
    price = run.evidence.price.price
    if not 0 < used <= rented:
        raise UsageError(f"{used} of {rented} GPUs is no share", "give the GPUs used and the GPUs rented, for example 4/8")
    if price is not None and price.gpu_count not in (None, rented):
        raise UsageError(f"{price.instance_type} has {price.gpu_count} GPUs, not {rented}", f"give --share {used}/{price.gpu_count}")
    linear = None if price is None else terms.is_linear(terms.sizes_of(price, prices.prices) or (price,))
    if linear is False and not reckoned.any_list:
        what = "the price list is not linear: a smaller machine of the kind costs another amount for each GPU"
        raise UsageError(what, "charge the whole instance, or take the share all the same with --share-any-list")
    return {"used": used, "rented": rented, "linear": linear}


def electricity(run: Measured) -> dict[str, Any]:
    """Electricity as the card reckons it, with the energy it is of."""
    block = run.headline["cost"]["energy"]
    head = {name: value for name, value in block.items() if name not in FIGURES and not name.startswith("per_1k")}
    head |= {"energy_j": run.headline["energy_j"], "scope": run.card["scope"], "boundary": run.headline["boundary"]}
    found = energy_cost(run)
    return {**head, **(unknown(block["reason"]) if found is None else figures(found, run))}


def energy_cost(run: Measured) -> Cost | None:
    """What the card says that the electricity cost, None where it does not."""
    block = run.headline["cost"]["energy"]
    return None if block["amount"] is None else Cost(Family.ENERGY, Decimal(block["amount"]), block["currency"], block["u_rel"])


def on_prem(run: Measured, profile: Profile) -> dict[str, Any]:
    """An own machine: loss of value and upkeep of the measured seconds, and with the electricity under a name that says so."""
    edges_ns = math.fsum(w.unc_ns for w in run.windows)
    owned = profile.cost(money.decimal(run.duration_s), duration_u_s=math.sqrt(2.0 / 3.0) * edges_ns / NS_PER_S)
    spent = energy_cost(run)
    if spent is None:
        both = unknown(f"the cost of electricity is not known: {run.headline['cost']['energy']['reason']}")
    elif spent.currency != owned.currency:
        both = unknown(f"the profile is in {owned.currency} and the tariff in {spent.currency}: costs in two currencies are not summed")
    else:
        both = figures(added(owned, spent), run)
    return {"profile": profile.to_json(), "amortisation_plus_opex": figures(owned, run), "amortisation_plus_opex_plus_energy": both}


def added(one: Cost, other: Cost) -> Cost:
    """Two costs of different origin in one currency; their uncertainties have nothing in common."""
    amount = CONTEXT.add(one.amount, other.amount)
    if one.u_rel is None or other.u_rel is None or not amount:
        return replace(one, amount=amount, u_rel=None)
    u = math.hypot(one.u_rel * float(one.amount), other.u_rel * float(other.amount))
    return replace(one, amount=amount, u_rel=abs(u / float(amount)))


def splitted(run: Measured, method: Method, rent: Mapping[str, Any]) -> dict[str, Any]:
    """The rent over input and output by a method, which is a model; the parts add up to the printed amount exactly."""
    names = ("input", "output", "per_1k_input_tokens", "per_1k_output_tokens", "blended_3_1", "blended_run", "ratio_run")
    none: dict[str, Any] = {"method": method.name, "of": "market", **dict.fromkeys(names)}
    tokens = run.tokens
    if rent["amount"] is None:
        return {**none, "reason": rent["reason"]}
    if not tokens.input or not tokens.output:
        return {**none, "reason": "there are no counts of both input and output tokens"}
    amount = Decimal(rent["amount"])
    if method.model is Model.PREFILL_DECODE_TIME:
        seconds = {name: math.fsum(w.duration_s for w in run.windows if w.name == name) for name in ("prefill", "decode")}
        if set(seconds) != {w.name for w in run.windows}:
            return {**none, "reason": "the run has no phases prefill and decode, and them alone, that tell the time of each"}
        found = split.by_time(amount, prefill_s=seconds["prefill"], decode_s=seconds["decode"])
    else:
        found = split.by_tokens(amount, method, input_tokens=tokens.input, output_tokens=tokens.output)
    with localcontext(CONTEXT):
        of_input = found.input * 1000 / money.decimal(tokens.input)
        of_output = found.output * 1000 / money.decimal(tokens.output)
    return {
        **none,
        "input": money.text(found.input),
        "output": money.text(found.output),
        "per_1k_input_tokens": money.stored(of_input),
        "per_1k_output_tokens": money.stored(of_output),
        "blended_3_1": money.stored(split.blended(of_input, of_output)),
        "blended_run": money.stored(split.blended(of_input, of_output, (tokens.input, tokens.output))),
        "ratio_run": tokens.input / tokens.output,
        "reason": "",
    }


def figures(spent: Cost, run: Measured) -> dict[str, Any]:
    """A cost, where it lies with 95 %, and the same per 1000 tokens of every denominator; `goodput` where requests failed."""
    each = {name: per_1k(spent, count, run.tokens) for name, count in run.denominators.items()}
    return {
        **amount_of(spent.amount, spent.u_rel),
        "currency": spent.currency,
        "per_1k": each,
        "goodput": goodput(spent, run),
        "reason": "",
    }


def per_1k(spent: Cost, count: int | float | None, tokens: Tokens) -> dict[str, Any] | None:
    """A cost per 1000 of `count` tokens; None where there is no count."""
    if not count:
        return None
    return amount_of(spent.per_1k(count), cost.per_1k_u_rel(spent.u_rel, count, disagreement=tokens.disagreement))


def amount_of(amount: Decimal, u_rel: float | None) -> dict[str, Any]:
    """An amount with its relative standard uncertainty and its interval of 95 % (k = 2), null where that is not known."""
    interval = Cost(Family.MARKET, amount, "", u_rel).interval
    return {
        "amount": money.stored(amount),
        "u_rel": u_rel,
        "interval95": None if interval is None else [money.stored(edge) for edge in interval],
    }


def goodput(spent: Cost, run: Measured) -> dict[str, Any]:
    """Per 1000 output tokens of successful requests and of all, and what those that failed wasted; the reason where it is not known."""
    good, everything = run.tokens.output, run.all_tokens
    none = dict.fromkeys(("per_1k_output_good", "per_1k_output_all", "wasted"))
    if not good:
        return {**none, "reason": "no output token is known"}
    if everything is None or everything.output is None or everything.output < good:
        return {**none, "reason": "no log of the requests tells what the failed ones produced"}
    found = cost.goodput(spent, good=good, everything=everything.output)
    shown = {"per_1k_output_good": found.per_1k_good, "per_1k_output_all": found.per_1k_all, "wasted": found.wasted}
    return {**{name: money.stored(value) for name, value in shown.items()}, "reason": ""}


def unknown(reason: str) -> dict[str, Any]:
    """The figures of a cost that is not known."""
    return {**dict.fromkeys(("amount", "u_rel", "interval95", "currency", "per_1k", "goodput")), "reason": reason}


def counts(run: Measured) -> dict[str, Any]:
    """Every denominator with the source of the counts and their largest disagreement."""
    tokens = run.tokens
    return {**run.denominators, "cached_input": tokens.cached_input, "source": tokens.source, "disagreement": tokens.disagreement}


def failed(run: Measured) -> int | None:
    """Requests that failed or were cancelled, None where a phase does not tell."""
    known = [w.requests_failed for w in run.windows]
    return None if None in known else sum(count for count in known if count is not None)
