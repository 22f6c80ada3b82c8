"""Two runs drawn out to a year of so many queries a day: energy, money and payback, by what one query took when it was measured.

A projection assumes that the service runs as the benchmark did, as full and as well fed. What idles between queries is not in it, and a
machine is bought whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any, Final

from joulemark.cards.comparison import barriers
from joulemark.cards.measured import Measured
from joulemark.cards.reprice import added, amount_of, with_pue
from joulemark.errors import InsufficientData
from joulemark.pricing import cost, money
from joulemark.pricing.amortise import Profile
from joulemark.pricing.cost import Cost, Family
from joulemark.pricing.money import CONTEXT
from joulemark.pricing.snapshot import Snapshot
from joulemark.units import J_PER_KWH

PROJECTION_SCHEMA: Final = "joulemark.projection/1"
DAYS_PER_YEAR: Final = 365
S_PER_YEAR: Final = DAYS_PER_YEAR * 86_400


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of the service. `output_tokens`: of one query, None where it is one request of the benchmark."""

    queries_per_day: Decimal
    output_tokens: Decimal | None = None
    years: Decimal = Decimal(1)

    def part(self, run: Measured) -> Decimal:
        """Which part of the measured work one query is. Raises InsufficientData where its count is not known."""
        count = run.headline["requests"] if self.output_tokens is None else run.tokens.output
        if not count:
            what = "requests" if self.output_tokens is None else "output tokens"
            raise InsufficientData(f"run {run.name} does not tell its {what}", "give a run that does, or --tokens-per-query")
        return CONTEXT.divide(Decimal(1) if self.output_tokens is None else self.output_tokens, money.decimal(count))

    def times(self, run: Measured) -> Decimal:
        """How many times the measured work is done in a year."""
        with localcontext(CONTEXT):
            return self.part(run) * self.queries_per_day * DAYS_PER_YEAR


def projected(
    one: Measured, other: Measured, demand: Demand, *, profiles: tuple[Profile | None, Profile | None] = (None, None)
) -> dict[str, Any]:
    """`joulemark.projection/1`: a year of A and of B, and what B saves. `profiles`: of machines that are owned; the others are rented.

    Raises InsufficientData where a run does not tell its requests or tokens.
    """
    sides = [year(run, demand, profile) for run, profile in zip((one, other), profiles, strict=True)]
    bars = barriers(one, other)
    stops = bars["energy"] + (bars["tokens"] if demand.output_tokens is not None else [])
    return {
        "schema": PROJECTION_SCHEMA,
        "queries_per_day": money.text(demand.queries_per_day),
        "tokens_per_query": None if demand.output_tokens is None else money.text(demand.output_tokens),
        "years": money.text(demand.years),
        "days_per_year": DAYS_PER_YEAR,
        "a": sides[0].told,
        "b": sides[1].told,
        "saved": {
            "energy": energy_saved(sides[0], sides[1], stops),
            "running": saved(sides[0], sides[1], demand),
            "payback": payback(sides[0], sides[1], demand),
        },
        "refused_because": stops,
    }


@dataclass(frozen=True, slots=True)
class Year:
    """A year of one run: energy in kWh at the meter, what it costs to run, what its machines cost to buy (None where rented)."""

    kwh: float | None
    u_kwh: float | None
    k: float
    running: Cost | None
    capex: Cost | None
    told: Mapping[str, Any]


def year(run: Measured, demand: Demand, profile: Profile | None) -> Year:
    """What a year of the demand takes on the machine of `run`."""
    run, times = in_hall(run, profile), demand.times(run)
    energy_j, u95_j = run.headline["energy_j"], run.headline["u95_j"]
    kwh = None if energy_j is None else energy_j / J_PER_KWH * float(times)
    u_kwh = None if u95_j is None else u95_j / run.k / J_PER_KWH * float(times)
    rent, spent = (drawn_out(run, family, times) for family in (Family.MARKET, Family.ENERGY))
    with localcontext(CONTEXT):
        busy = times * money.decimal(run.duration_s) / S_PER_YEAR
        machines = busy if profile is None else busy / profile.utilisation
        whole = max(Decimal(1), machines.to_integral_value(ROUND_CEILING))
    owned = None if profile is None else Cost(Family.OWNED, CONTEXT.multiply(profile.opex_per_year, whole), profile.currency)
    capex = None if profile is None else Cost(Family.OWNED, CONTEXT.multiply(profile.capex, whole), profile.currency)
    running = rent if owned is None else running_of(owned, spent)
    told = {
        "run_id": run.card["run_id"],
        "energy_kwh": kwh,
        "energy_kwh_u95": None if u_kwh is None else run.k * u_kwh,
        "scope": run.card["scope"],
        "boundary": run.headline["boundary"],
        "market": shown(rent, run.headline["cost"]["market"]["reason"]),
        "energy": shown(spent, run.headline["cost"]["energy"]["reason"]),
        "machines_busy": float(busy),
        "machines": int(whole),
        "owned": profile is not None,
        "profile": None if profile is None else profile.to_json(),
        "capex": None if capex is None else {"amount": money.stored(capex.amount), "currency": capex.currency},
        "running": shown(
            running, "upkeep and electricity are not known in one currency" if owned else run.headline["cost"]["market"]["reason"]
        ),
    }
    return Year(kwh, u_kwh, run.k, running, capex, told)


def in_hall(run: Measured, profile: Profile | None) -> Measured:
    """The run with its electricity at the PUE of the profile, where that states one."""
    if profile is None or profile.pue is None:
        return run
    at_pue = with_pue(Snapshot(tariffs=run.evidence.tariffs), profile.pue)
    return Measured.of(replace(run.evidence, tariffs=at_pue.tariffs))


def drawn_out(run: Measured, family: Family, times: Decimal) -> Cost | None:
    """A cost of the card so many times; None where the card has none."""
    block = run.headline["cost"][str(family)]
    if block["amount"] is None:
        return None
    return Cost(family, CONTEXT.multiply(Decimal(block["amount"]), times), block["currency"], block["u_rel"])


def running_of(owned: Cost, spent: Cost | None) -> Cost | None:
    """Upkeep and electricity of owned machines; None where the electricity is not known, or in another currency."""
    return None if spent is None or spent.currency != owned.currency else added(owned, spent)


def shown(spent: Cost | None, reason: str) -> dict[str, Any]:
    """A cost of a year, or the reason why not."""
    if spent is None:
        return {"amount": None, "u_rel": None, "interval95": None, "currency": None, "reason": reason}
    return {**amount_of(spent.amount, spent.u_rel), "currency": spent.currency, "reason": ""}


def energy_saved(a: Year, b: Year, stops: list[str]) -> dict[str, Any]:
    """Energy of a year that B takes less than A, and whether that is more than its uncertainty."""
    none: dict[str, Any] = dict.fromkeys(("kwh", "u95_kwh", "resolved"))
    if stops or a.kwh is None or b.kwh is None:
        return {**none, "reason": "; ".join(stops) or "the energy of one is not known"}
    kwh = a.kwh - b.kwh
    if a.u_kwh is None or b.u_kwh is None:
        return {**none, "kwh": kwh, "reason": "an uncertainty is not known"}
    u95 = max(a.k, b.k) * math.hypot(a.u_kwh, b.u_kwh)
    return {"kwh": kwh, "u95_kwh": u95, "resolved": abs(kwh) > u95, "reason": ""}


def difference(a: Year, b: Year) -> tuple[Decimal, float | None, str] | str:
    """(money of a year that B costs less to run, its standard uncertainty, currency), or why that is not known."""
    if a.running is None or b.running is None:
        return "the running cost of one is not known"
    if a.running.currency != b.running.currency:
        return f"the currencies differ: {a.running.currency} and {b.running.currency}"
    less = CONTEXT.subtract(a.running.amount, b.running.amount)
    known = [None if c.u_rel is None else abs(float(c.amount)) * c.u_rel for c in (a.running, b.running)]
    u = None if known[0] is None or known[1] is None else math.hypot(known[0], known[1])
    return less, u, a.running.currency


def saved(a: Year, b: Year, demand: Demand) -> dict[str, Any]:
    """What B costs less than A to run, in a year and in all; below zero where it costs more. Rent against rent, upkeep and
    electricity where machines are owned.
    """
    found = difference(a, b)
    if isinstance(found, str):
        return {**dict.fromkeys(("per_year", "u95_per_year", "in_all", "currency", "resolved")), "reason": found}
    less, u, currency = found
    return {
        "per_year": money.stored(less),
        "u95_per_year": None if u is None else cost.K95 * u,
        "in_all": money.stored(CONTEXT.multiply(less, demand.years)),
        "currency": currency,
        "resolved": None if u is None else abs(float(less)) > cost.K95 * u,
        "reason": "",
    }


def payback(a: Year, b: Year, demand: Demand) -> dict[str, Any]:
    """Years until B has earned what its machines cost more than A's, with its interval of 95 %; null where that never comes.

    The later end is null where, within the uncertainty, B may save nothing. `within`: whether that is before the years asked about end.
    """
    none: dict[str, Any] = dict.fromkeys(("years", "interval95", "capex_more", "currency", "within"))
    found = difference(a, b)
    if a.capex is None and b.capex is None:
        return {**none, "reason": "no capex is given: give a profile of the machine that would be bought"}
    if isinstance(found, str):
        return {**none, "reason": found}
    less, u, currency = found
    prices = [Decimal(0) if side.capex is None else side.capex.amount for side in (a, b)]
    if {side.capex.currency for side in (a, b) if side.capex} != {currency}:
        return {**none, "reason": f"capex is not in {currency}, the currency of the running cost"}
    more = CONTEXT.subtract(prices[1], prices[0])
    known = {**none, "capex_more": money.stored(more), "currency": currency}
    if more <= 0:
        return {**known, "reason": "B costs no more to buy than A: there is nothing to pay back"}
    if less <= 0:
        return {**known, "reason": "B costs no less to run than A: it never pays back"}
    years = float(CONTEXT.divide(more, less))
    edges: list[float | None] | None = None
    if u is not None:
        least, most = float(less) - cost.K95 * u, float(less) + cost.K95 * u
        edges = [float(more) / most, float(more) / least if least > 0 else None]
    return {**known, "years": years, "interval95": edges, "within": years <= float(demand.years), "reason": ""}
