"""A price: what one provider asked for one kind of machine, in its own currency and unit, and when and where that was read."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final, Self

from joulemark import document
from joulemark.config import build, unknown
from joulemark.errors import FormatError
from joulemark.pricing import canonical, money
from joulemark.pricing.dates import moment_ns, moment_text


class PriceModel(enum.StrEnum):
    """How the machine was rented. Prices of different models are different prices."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED = "reserved"
    SAVINGS_PLAN = "savings_plan"
    CAPACITY_BLOCK = "capacity_block"
    COMMITTED_USE = "committed_use"
    DWS = "dws"
    MARKETPLACE = "marketplace"
    ON_PREM = "on_prem"
    CUSTOM = "custom"


class Unit(enum.StrEnum):
    """What one amount buys. There is no month: its length differs between providers (720 h, 730 h), so convert by name first."""

    INSTANCE_HOUR = "h"
    GPU_HOUR = "GPU-h"


class Trust(enum.StrEnum):
    """What the provider's date of a price means: from when it is charged, only the month of the list, or the time of the question."""

    VALID_FROM = "vendor_valid_from"
    MONTH_STAMP = "month_stamp"
    QUERY_TIME = "query_time"
    NONE = "none"


class Tax(enum.StrEnum):
    """Whether an amount holds the sales tax."""

    EXCLUDED = "excluded"
    INCLUDED = "included"


REQUIRED: Final = ("provider", "region", "instance_type", "amount", "currency", "unit", "effective_from", "fetched_at", "source_url")
"""Keys without which a figure cannot be checked."""

MANUAL: Final = "manual"
"""The feed of a price that somebody wrote down."""

BUNDLED: Final = "bundled"
"""The feed of the prices that come with Joulemark."""

EVERYWHERE: Final = "global"
"""Region of a price that its provider asks in all its regions alike."""

SEEN: Final = (
    "effective_from",
    "effective_trust",
    "fetched_at",
    "published_at",
    "feed",
    "list_version",
    "source_url",
    "payload_sha256",
    "note",
)
"""Keys of a record that say when and where it was seen. They are not part of what the price is, nor of its hash."""

SIZES: Final = ("gpu_count", "gpu_memory_gib", "vcpu", "memory_gib", "term_months")
LARGEST_SIZE: Final = 10**9
"""No machine has so much of anything."""

MOMENTS: Final = ("effective_from", "fetched_at", "published_at")


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a composed price: so many of a SKU at so much each (a machine of GCP is cores, memory and GPUs)."""

    sku_id: str
    quantity: Decimal
    amount: Decimal

    def to_json(self) -> dict[str, str]:
        """Plain dictionary, numbers as text."""
        return {"sku_id": self.sku_id, "quantity": money.text(self.quantity), "amount": money.text(self.amount)}


@dataclass(frozen=True, slots=True)
class Price:
    """One price record.

    `amount`: money per `unit` in `currency` (ISO 4217), as listed; `tax`: with or without sales tax, None where the source does not say.
    `payload_sha256`: of the page or file it was read from. `billing_step_s`, `billing_minimum_s`: what is rented is billed in steps of so
    many seconds and for at least so many, None where not known. `gpu_count`: GPUs in the instance, None when not
    known. `term_months`: of a reservation. `free`: the source says that it really costs nothing; without it a zero is refused,
    because vendors list unpublished prices as zero. `zone`: part of the region that a spot price is of. `components`: what a composed
    price consists of. `effective_from_ns`: valid time, from which the provider charges it, as far as `effective_trust` goes.
    `fetched_at_ns`: when it was read from `source_url` by `feed`; `published_at_ns`: when the list with `list_version` was published.
    """

    provider: str
    region: str
    instance_type: str
    amount: Decimal
    currency: str
    unit: Unit
    effective_from_ns: int
    fetched_at_ns: int
    source_url: str
    price_model: PriceModel = PriceModel.ON_DEMAND
    os: str = "linux"
    zone: str = ""
    sku_id: str = ""
    meter_id: str = ""
    tenancy: str = ""
    gpu_model: str = ""
    gpu_count: int | None = None
    gpu_memory_gib: Decimal | None = None
    vcpu: int | None = None
    memory_gib: Decimal | None = None
    term_months: int | None = None
    payment_option: str = ""
    components: tuple[Component, ...] = ()
    free: bool = False
    tax: Tax | None = None
    billing_step_s: int | None = None
    billing_minimum_s: int | None = None
    feed: str = MANUAL
    effective_trust: Trust = Trust.VALID_FROM
    published_at_ns: int | None = None
    list_version: str = ""
    payload_sha256: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        name = f"price of {self.provider} {self.instance_type} {self.region}"
        for key in ("provider", "region", "instance_type", "source_url"):
            if not getattr(self, key):
                raise FormatError(f"{name}: {key} is empty", "fill it in: a figure without it cannot be checked")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise FormatError(f"{name}: currency {self.currency!r} is not an ISO 4217 code", "write for example USD")
        if self.amount == 0 and not self.free:
            raise FormatError(f"{name}: the amount is zero", "leave an unknown price out, or set free = true when it really costs nothing")
        for key in SIZES:
            size = getattr(self, key)
            if size is not None and not 0 < size < LARGEST_SIZE:
                raise FormatError(f"{name}: {key} is {document.shown(size)}", "give what the machine has, or leave it out")
        if (self.billing_step_s is not None and self.billing_step_s < 1) or (self.billing_minimum_s or 0) < 0:
            raise FormatError(f"{name}: it cannot be billed in steps of {self.billing_step_s} s", "give whole seconds, or leave it out")

    def billed_s(self, duration_s: Decimal) -> Decimal | None:
        """The seconds that a rent of `duration_s` is billed for; None where the steps of billing are not known (PRC-3)."""
        if self.billing_step_s is None:
            return None
        steps = (duration_s / self.billing_step_s).to_integral_value(ROUND_CEILING)
        return max(steps * self.billing_step_s, Decimal(self.billing_minimum_s or 0))

    @property
    def known_ns(self) -> int:
        """Known time: when its list was published, else when it was read. An archived list was there to be read on its day."""
        return self.fetched_at_ns if self.published_at_ns is None else self.published_at_ns

    @property
    def point_id(self) -> str:
        """SHA-256 over what the price is, without dates: a list re-published unchanged keeps its id.

        Empty fields are left out, so a field added by a later version changes no id.
        """
        identity = {k: v for k, v in self.to_json().items() if k not in (*SEEN, "sha256") and v not in ("", None, False, [])}
        return canonical.digest(identity)

    def per_instance_hour(self) -> Decimal:
        """Amount per hour of the whole instance. Raises FormatError for a price per GPU of an unknown count."""
        if self.unit is Unit.INSTANCE_HOUR:
            return self.amount
        if self.gpu_count is None:
            raise FormatError(f"price of {self.instance_type} is per GPU, but gpu_count is not given", "add gpu_count to the price record")
        return self.amount * self.gpu_count

    def record(self) -> dict[str, Any]:
        """`to_json` plus `sha256`, the `point_id`: what a card embeds."""
        return {**self.to_json(), "sha256": self.point_id}

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary: the amount as text, dates as RFC 3339, keys as in a price file."""
        out: dict[str, Any] = {f.name.removesuffix("_ns"): getattr(self, f.name) for f in fields(self)}
        out["amount"] = money.text(self.amount)
        out["unit"], out["price_model"] = str(self.unit), str(self.price_model)
        out["tax"] = None if self.tax is None else str(self.tax)
        out["effective_trust"] = str(self.effective_trust)
        out["components"] = [part.to_json() for part in self.components]
        for name in ("gpu_memory_gib", "memory_gib"):
            out[name] = None if out[name] is None else money.text(out[name])
        for name in MOMENTS:
            t_ns = getattr(self, f"{name}_ns")
            out[name] = None if t_ns is None else moment_text(t_ns)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "price") -> Self:
        """The price that a `[[price]]` table describes; `where` names it in messages.

        Raises FormatError for a missing or contradicting value, ConfigError for an unknown key or a value of the wrong kind. A
        `sha256` is compared with the content.
        """
        unknown(data, [*(f.name.removesuffix("_ns") for f in fields(cls)), "sha256"], where)
        values = {k: v for k, v in data.items() if k != "sha256" and v is not None}
        missing = [k for k in REQUIRED if k not in values]
        if missing:
            raise FormatError(f"{where}: {', '.join(missing)} missing", "add it; docs/reference/prices.md lists the keys")
        values["amount"] = money.amount(values["amount"], f"{where} amount")
        for name in ("gpu_memory_gib", "memory_gib"):
            if name in values:
                values[name] = money.amount(values[name], f"{where} {name}")
        for name in MOMENTS:
            if name in values:
                values[f"{name}_ns"] = moment_ns(values.pop(name), f"{where} {name}")
        values["components"] = parts(values.get("components", []), f"{where} components")
        price = build(cls, values, where)
        if data.get("sha256") not in (None, price.point_id):
            raise FormatError(f"{where}: sha256 does not match the record", "the record was changed; take it again from its source")
        return price


def parts(value: object, where: str) -> list[dict[str, Any]]:
    """The components of a price as tables with exact numbers. Raises FormatError when they are no tables, or a number is none."""
    if not isinstance(value, list) or not all(isinstance(part, Mapping) for part in value):
        raise FormatError(f"{where} is no list of tables", "write each with sku_id, quantity and amount")
    numbers = ("quantity", "amount")
    return [{**part, **{name: money.amount(part.get(name), f"{where} {i} {name}") for name in numbers}} for i, part in enumerate(value, 1)]
