"""A price or a tariff in one word, such as `55.04USD/h`: a record like any other, with a note that it was stated for one figure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from joulemark.errors import FormatError, UsageError
from joulemark.pricing import money
from joulemark.pricing.price import Price, PriceModel, Unit
from joulemark.pricing.tariffs import Basis, Tariff

WORD: Final = re.compile(r"(-?\d+(?:\.\d+)?) ?([A-Z]{3})/(h|GPU-h|kWh)", re.ASCII)
HERE: Final = "command line"
UNNAMED: Final = "unnamed"
KWH: Final = "kWh"


def is_amount(word: str) -> bool:
    """Whether `word` is an amount and no name of a file: it begins with a digit and has a unit, or is a number alone."""
    return re.match(r"-?\d+(\.\d+)? ?([A-Z]{3}|$)", word, re.ASCII) is not None


def price(word: str, *, labels: Mapping[str, str], valid_from_ns: int, read_ns: int, gpu_count: int | None = None) -> Price:
    """The price `55.04USD/h` or `6.88USD/GPU-h` of what `labels` name. `gpu_count`: of the machine, for a price per GPU.

    Raises UsageError where currency or unit are missing.
    """
    amount, currency, unit = parted(word, units=tuple(Unit), example="55.04USD/h")
    return Price(
        provider=labels.get("provider", UNNAMED),
        region=labels.get("region", UNNAMED),
        instance_type=labels.get("instance_type", UNNAMED),
        amount=amount,
        currency=currency,
        unit=Unit(unit),
        effective_from_ns=valid_from_ns,
        fetched_at_ns=read_ns,
        source_url=HERE,
        price_model=PriceModel(labels.get("price_model", PriceModel.ON_DEMAND)),
        os=labels.get("os", "linux"),
        gpu_count=gpu_count if unit == Unit.GPU_HOUR else None,
        note="stated for this figure",
    )


def tariff(word: str, *, zone: str, valid_from_ns: int, read_ns: int) -> Tariff:
    """The tariff `0.12USD/kWh`, assumed. Raises UsageError where currency or unit are missing."""
    amount, currency, _ = parted(word, units=(KWH,), example="0.12USD/kWh", signed=True)
    return Tariff(
        zone,
        amount,
        currency,
        Basis.ASSUMED,
        effective_from_ns=valid_from_ns,
        fetched_at_ns=read_ns,
        source_url=HERE,
        note="stated for this figure",
    )


def parted(word: str, *, units: tuple[str, ...], example: str, signed: bool = False) -> tuple[Decimal, str, str]:
    """Amount, currency and unit of `word`; `signed`: the amount may be below zero.

    Raises UsageError: an hour is not taken for a month, nor a dollar for a euro.
    """
    match = WORD.fullmatch(word)
    if match is None or match[3] not in units:
        raise UsageError(f"{word!r} is no amount per {' or '.join(units)}", f"write it with currency and unit, for example {example}")
    try:
        return money.amount(match[1], word, signed=signed), match[2], match[3]
    except FormatError as error:
        raise UsageError(error.what, f"write it as plain digits, for example {example}") from error
