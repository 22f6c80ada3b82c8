"""Electricity rates of utilities, from the Utility Rate Database of OpenEI: by the hour of local time, in tiers of consumption.

Written from the public description of the interface. What a rate charges per kW of the highest demand, per month or per meter belongs to
no single run: it is named and not in the tariff.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from joulemark import config, document
from joulemark.errors import ConfigError, FormatError, InsufficientData
from joulemark.pricing import money
from joulemark.pricing.dates import believable
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.schedule import FLAT, Schedule, Table, table
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.tariffs import Basis
from joulemark.pricing.web import Web
from joulemark.timebase import zone as time_zone_named
from joulemark.units import NS_PER_S

KIND: Final = "openei"
VERSION: Final = "8"
SECRET: Final = "api_key"
AROUND_DAYS: Final = 7
"""Before and after today that tariffs are made for: whole weeks, so that each reading makes about as many."""

NOT_OF_A_RUN: Final = {
    "demandratestructure": "demand charges",
    "flatdemandstructure": "flat demand charges",
    "coincidentratestructure": "coincident demand charges",
    "fixedchargefirstmeter": "a fixed charge",
    "fixedmonthlycharge": "a fixed charge",
    "minmonthlycharge": "a minimum charge",
    "mincharge": "a minimum charge",
    "annualmincharge": "a minimum charge",
}
"""Parts of a rate that no single run can be charged for."""


@dataclass(frozen=True)
class Config:
    """Keys of a `[[feed]]` of kind `openei`."""

    label: str
    """Id of the rate in the database: the last part of its page's address."""
    key_file: Path
    """File with the API key; nobody else may read it."""
    time_zone: str
    """Where the meter hangs, for example America/Los_Angeles: the rate is by local time."""
    zone: str = ""
    """What the tariffs are filed under, as runs name it in the label tariff_zone; the id when empty."""
    month_kwh: str = ""
    """Consumption of a usual month in kWh, as text: it chooses the tier of a rate that has several."""
    currency: str = "USD"
    """ISO 4217 code of the rate, which the database does not state."""
    pue: str = "1"
    """Energy of the building over energy of the IT equipment, as text."""
    pue_basis: Basis = Basis.ASSUMED
    """Whether pue was measured or is assumed."""
    url: str = "https://api.openei.org/utility_rates"
    """Address of the service."""

    def __post_init__(self) -> None:
        if not self.label:
            raise ConfigError("openei label is empty", "write the id of the rate, for example 539fca7bec4f024c27d8a5b1")
        time_zone_named(self.time_zone)
        for name in ("pue", *(["month_kwh"] if self.month_kwh else [])):
            money.amount(getattr(self, name), f"openei {name}")


def parse_rate(body: bytes, *, settings: Config, fetched_at_ns: int, source_url: str) -> tuple[Schedule, tuple[Rejected, ...]]:
    """The schedule of the rate `settings.label`, and the parts of it that no run can be charged for.

    Raises InsufficientData where the reply holds no such rate, or one whose tier is not known, FormatError for another shape.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise FormatError("the reply of OpenEI is not UTF-8", "the reply is damaged, or of another service") from error
    data = document.json_object(text, where="the reply of OpenEI", number=Decimal)
    if said := data.get("error") or data.get("errors"):
        raise InsufficientData(f"OpenEI has no rate {settings.label}: {document.shown(said)[:300]}", "check the key and the label")
    items = data.get("items")
    named = [one for one in items if isinstance(one, Mapping) and one.get("label") == settings.label] if isinstance(items, list) else []
    if len(named) != 1:
        raise InsufficientData(f"OpenEI has {len(named)} rates {settings.label}", "take the id from the address of the rate's page")
    rate = named[0]
    amounts = amounts_of(rate, settings.month_kwh)
    flat = len(amounts) == 1 and "energyweekdayschedule" not in rate
    beyond = sorted({what for key, what in NOT_OF_A_RUN.items() if rate.get(key)})
    schedule = Schedule(
        zone=settings.zone or settings.label,
        time_zone=settings.time_zone,
        currency=settings.currency,
        amounts=amounts,
        weekdays=FLAT if flat else hours_of(rate, "energyweekdayschedule"),
        weekends=FLAT if flat else hours_of(rate, "energyweekendschedule"),
        fetched_at_ns=fetched_at_ns,
        source_url=source_url,
        feed=KIND,
        begin_ns=seconds_of(rate, "startdate"),
        end_ns=seconds_of(rate, "enddate"),
        pue=money.amount(settings.pue, "openei pue"),
        pue_basis=settings.pue_basis,
        note=note(rate, beyond),
    )
    reason = "it cannot be attributed to one run, and is not in the tariff"
    return schedule, tuple(Rejected(key, f"{what}: {reason}") for key, what in NOT_OF_A_RUN.items() if rate.get(key))


def note(rate: Mapping[str, Any], beyond: list[str]) -> str:
    """Which rate it is, and what it charges beside the energy."""
    who = " ".join(str(rate[key]) for key in ("utility", "name") if rate.get(key))
    what = f"without {', '.join(beyond)}, which no run can be charged for" if beyond else "energy charges"
    return f"{who[:200]}; {what}"


def amounts_of(rate: Mapping[str, Any], month_kwh: str) -> tuple[Decimal, ...]:
    """Money per kWh of each price period: rate plus adjustment, of the tier that `month_kwh` reaches."""
    periods = rate.get("energyratestructure")
    if not isinstance(periods, list) or not periods or not all(isinstance(tiers, list) and tiers for tiers in periods):
        raise FormatError(
            "energyratestructure is no list of price periods with tiers", "the rate states no price of energy; choose another"
        )
    return tuple(amount_of(tiers, f"energyratestructure[{place}]", month_kwh) for place, tiers in enumerate(periods))


def amount_of(tiers: list[Any], where: str, month_kwh: str) -> Decimal:
    """The amount of the tier that counts. Raises InsufficientData where the consumption would have to be known."""
    if not all(isinstance(tier, Mapping) for tier in tiers):
        raise FormatError(f"{where} is no list of tiers", "report it: the format has changed")
    chosen = 0
    if len(tiers) > 1:
        if not month_kwh:
            raise InsufficientData(f"{where} has {len(tiers)} tiers of consumption", "say which is reached: set month_kwh")
        units = {str(tier.get("unit", "kWh")) for tier in tiers}
        if units != {"kWh"}:
            raise InsufficientData(f"{where} has tiers by {', '.join(sorted(units))}, not by kWh of the month", "choose another rate")
        reached = Decimal(month_kwh)
        bounds = [None if tier.get("max") is None else money.amount(tier["max"], f"{where} max") for tier in tiers]
        within = [place for place, most in enumerate(bounds) if most is None or reached <= most]
        if not within:
            raise InsufficientData(f"{where} ends at {max(b for b in bounds if b is not None)} kWh, below month_kwh", "correct month_kwh")
        chosen = within[0]
    tier = tiers[chosen]
    if tier.get("rate") is None:
        raise InsufficientData(f"{where}[{chosen}] states no rate", "the rate states no price of energy; choose another")
    amounts = [money.amount(tier.get(key) or 0, f"{where}[{chosen}] {key}", signed=True) for key in ("rate", "adj")]
    return money.CONTEXT.add(*amounts)


def hours_of(rate: Mapping[str, Any], key: str) -> Table:
    """The table of 12 months and 24 hours under `key`."""
    rows = rate.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, list) and all(type(one) is int for one in row) for row in rows):
        raise FormatError(f"{key} is no table of price periods", "the rate has several and does not say when; choose another")
    return table(rows)


def seconds_of(rate: Mapping[str, Any], key: str) -> int | None:
    """The time of a date in seconds since 1970; None where there is none."""
    value = rate.get(key)
    if value is None:
        return None
    if type(value) is not int:
        raise FormatError(f"{key} = {document.shown(value)} is no whole number of seconds", "report it: the format has changed")
    return believable(value * NS_PER_S, key)


async def gather(settings: Config, web: Web) -> Harvest:
    """The tariffs of the rate for the week before today and the one after. Raises what `Web.get` and `parse_rate` do."""
    params = {
        "version": VERSION,
        "format": "json",
        "detail": "full",
        "getpage": settings.label,
        SECRET: config.read_secret(settings.key_file, "openei key_file"),
    }
    reply = await web.get(settings.url, params=params, secret_keys=(SECRET,))
    schedule, rejected = parse_rate(reply.body, settings=settings, fetched_at_ns=reply.fetched_at_ns, source_url=reply.url)
    now_ns = web.clock.utc_ns()
    around_ns = AROUND_DAYS * DAY_S * NS_PER_S
    tariffs = schedule.between(now_ns - around_ns, now_ns + around_ns)
    if not tariffs:
        raise InsufficientData(f"the rate {settings.label} is not in force these days", "choose the one that replaced it")
    return Harvest(tariffs, rejected)


SOURCE: Final = Source(KIND, Config, gather, experimental=True)
