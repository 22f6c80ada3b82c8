"""A machine of one's own: what an hour of it costs by purchase price, life, utilisation and upkeep. Electricity is apart.

Years and utilisation decide the figure, so a profile is always printed with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, localcontext
from typing import Any, Final, Self

from joulemark.config import build, unknown
from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.cost import S_PER_HOUR, Cost, Family, Number
from joulemark.pricing.money import CONTEXT, decimal

PROFILE_SCHEMA: Final = "joulemark.onprem/1"
TEXTS: Final = ("currency", "name", "note", "source_url")
REQUIRED: Final = ("capex", "currency", "years", "utilisation")


@dataclass(frozen=True, slots=True)
class Profile:
    """What one machine cost to buy and costs to keep, in `currency`.

    `residual`: share of `capex` that it is worth at the end, 0 to below 1. `years`: of depreciation, each of `hours_per_year`.
    `utilisation`: share of those hours in which it does paid work, above 0, at most 1. `opex_per_year`: space, people, repair; no
    electricity. `it_kw`: power at the wall under load and `pue`, None where not stated; `gpus` in the machine.
    """

    capex: Decimal
    currency: str
    years: Decimal
    utilisation: Decimal
    residual: Decimal = Decimal(0)
    hours_per_year: Decimal = Decimal(8760)
    opex_per_year: Decimal = Decimal(0)
    pue: Decimal | None = None
    it_kw: Decimal | None = None
    gpus: int | None = None
    name: str = ""
    note: str = ""
    source_url: str = ""

    def __post_init__(self) -> None:
        whole = self.years > 0 and 0 < self.hours_per_year <= 8784
        if not (whole and 0 < self.utilisation <= 1 and 0 <= self.residual < 1):
            what = f"years {self.years}, hours_per_year {self.hours_per_year}, utilisation {self.utilisation}, residual {self.residual}"
            raise FormatError(f"profile {self.name!r}: {what} do not fit", "years above 0, utilisation above 0 to 1, residual 0 to below 1")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise FormatError(f"profile {self.name!r}: currency {self.currency!r} is not an ISO 4217 code", "write for example USD")
        if (self.pue is not None and self.pue < 1) or (self.gpus is not None and self.gpus < 1):
            raise FormatError(f"profile {self.name!r}: pue {self.pue} or gpus {self.gpus} is below 1", "correct the file")

    @property
    def amortisation_per_hour(self) -> Decimal:
        """Loss of value in each hour of the calendar."""
        with localcontext(CONTEXT):
            return self.capex * (1 - self.residual) / (self.years * self.hours_per_year)

    @property
    def opex_per_hour(self) -> Decimal:
        """Upkeep in each hour of the calendar."""
        return CONTEXT.divide(self.opex_per_year, self.hours_per_year)

    @property
    def calendar_per_hour(self) -> Decimal:
        """Loss of value and upkeep in each hour of the calendar."""
        return CONTEXT.add(self.amortisation_per_hour, self.opex_per_hour)

    @property
    def delivered_per_hour(self) -> Decimal:
        """The same for each hour of paid work, which carries those without."""
        return CONTEXT.divide(self.calendar_per_hour, self.utilisation)

    def energy_per_hour(self, tariff_per_kwh: Decimal) -> Decimal | None:
        """Electricity of an hour under load as the profile states it; None where it states no power or PUE."""
        if self.it_kw is None or self.pue is None:
            return None
        with localcontext(CONTEXT):
            return self.it_kw * self.pue * tariff_per_kwh

    def cost(self, duration_s: Number, *, duration_u_s: float = 0.0) -> Cost:
        """Loss of value and upkeep of `duration_s` of paid work, without electricity."""
        with localcontext(CONTEXT):
            amount = self.delivered_per_hour * decimal(duration_s) / S_PER_HOUR
        return Cost(Family.OWNED, amount, self.currency, duration_u_s / float(duration_s))

    def to_json(self) -> dict[str, Any]:
        """The profile and what an hour comes to: amounts as text."""
        stated = {f.name: getattr(self, f.name) for f in fields(self)}
        per_gpu = None if self.gpus is None else money.stored(CONTEXT.divide(self.delivered_per_hour, Decimal(self.gpus)))
        hours = ("amortisation_per_hour", "opex_per_hour", "calendar_per_hour", "delivered_per_hour")
        return {
            **{name: money.text(value) if isinstance(value, Decimal) else value for name, value in stated.items()},
            **{name: money.stored(getattr(self, name)) for name in hours},
            "delivered_per_gpu_hour": per_gpu,
        }

    @classmethod
    def parse(cls, content: str, *, where: str) -> Self:
        """The profile that a TOML text describes; `where` names it. Raises FormatError and ConfigError."""
        try:
            data = tomllib.loads(content, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{where} is not valid TOML: {error}", "mend the line it names") from error
        return cls.from_json(data, where)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "profile") -> Self:
        """The profile of a table with the key `schema`. Raises FormatError for a wrong value, ConfigError for an unknown key."""
        if data.get("schema") != PROFILE_SCHEMA:
            raise FormatError(
                f"{where}: schema is {data.get('schema')!r}, not {PROFILE_SCHEMA!r}", f'begin it with schema = "{PROFILE_SCHEMA}"'
            )
        names = [f.name for f in fields(cls)]
        unknown(data, ["schema", *names], where)
        if missing := [name for name in REQUIRED if name not in data]:
            raise FormatError(f"{where}: {', '.join(missing)} missing", "add it; docs/explanation/cost.md lists the keys")
        values = {name: data[name] for name in names if name in data}
        amounts = {name: money.amount(value, f"{where} {name}") for name, value in values.items() if name not in (*TEXTS, "gpus")}
        return build(cls, {**values, **amounts}, where)
