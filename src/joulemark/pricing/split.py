"""One cost over input and output tokens: always a model, so always with the name of the method; and prices of both blended into one.

A machine is paid for by the hour. Which part of the hour the input took cannot be read from a bill.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final, Self

from joulemark.errors import UsageError
from joulemark.pricing.cost import Number
from joulemark.pricing.money import CONTEXT, STORED_DIGITS, decimal

BLENDED_3_1: Final = (Decimal(3), Decimal(1))
"""Three parts of the price of input and one of output, as others publish it."""

WEIGHTED: Final = re.compile(r"weight:(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)


class Model(enum.StrEnum):
    """How a cost is split. `equal_token`: each token costs the same. `weight`: one of output costs so many times one of input.
    `prefill_decode_time`: by the seconds that the two took.
    """

    EQUAL_TOKEN = "equal_token"
    WEIGHT = "weight"
    PREFILL_DECODE_TIME = "prefill_decode_time"


@dataclass(frozen=True, slots=True)
class Method:
    """A model, with `weight` where it is `weight`."""

    model: Model
    weight: Decimal | None = None

    @classmethod
    def named(cls, name: str) -> Self:
        """The method `equal_token`, `weight:4` or `prefill_decode_time`. Raises UsageError for any other."""
        if name in (Model.EQUAL_TOKEN, Model.PREFILL_DECODE_TIME):
            return cls(Model(name))
        match = WEIGHTED.fullmatch(name)
        if match is None or not Decimal(match[1]):
            raise UsageError(f"{name!r} is no method to split a cost", "give equal_token, weight:4 or prefill_decode_time")
        return cls(Model.WEIGHT, Decimal(match[1]))

    @property
    def name(self) -> str:
        """As `named` takes it."""
        return str(self.model) if self.weight is None else f"{self.model}:{self.weight}"


@dataclass(frozen=True, slots=True)
class Split:
    """The two parts of a cost by the method `method`. They add up to it exactly."""

    method: str
    input: Decimal
    output: Decimal


def by_tokens(amount: Decimal, method: Method, *, input_tokens: Number, output_tokens: Number) -> Split:
    """The parts by token counts: `equal_token`, or `weight`. Raises ValueError without tokens, and for a method by time."""
    weight = {Model.EQUAL_TOKEN: Decimal(1), Model.WEIGHT: method.weight}.get(method.model)
    if weight is None:
        raise ValueError(f"{method.name} does not split by tokens")
    return parts(amount, method.name, decimal(input_tokens), CONTEXT.multiply(weight, decimal(output_tokens)))


def by_time(amount: Decimal, *, prefill_s: Number, decode_s: Number) -> Split:
    """The parts by the seconds of prefill, which made nothing but input, and of decode. Raises ValueError where there are none."""
    return parts(amount, str(Model.PREFILL_DECODE_TIME), decimal(prefill_s), decimal(decode_s))


def parts(amount: Decimal, method: str, input_share: Decimal, output_share: Decimal) -> Split:
    """`amount` in the ratio of two shares: STORED_DIGITS digits of the whole, and what the output leaves is the input's.

    `amount` has no more digits than CONTEXT keeps, as every computed one. Raises ValueError for a share below zero, and when both are zero.
    """
    if input_share < 0 or output_share < 0 or not input_share + output_share:
        raise ValueError(f"{input_share} and {output_share} are no shares of a cost")
    with localcontext(CONTEXT):
        exponent = int(amount.as_tuple().exponent)
        grid = Decimal(1).scaleb(min(exponent, amount.adjusted() - STORED_DIGITS + 1))
        output = (amount * output_share / (input_share + output_share)).quantize(grid)
        return Split(method, amount - output, output)


def blended(input_price: Decimal, output_price: Decimal, ratio: tuple[Number, Number] = BLENDED_3_1) -> Decimal:
    """One price per token out of two, with `ratio` tokens of input to output. Raises ValueError for a ratio of nothing."""
    of_input, of_output = (decimal(part) for part in ratio)
    if of_input < 0 or of_output < 0 or not of_input + of_output:
        raise ValueError(f"{of_input} to {of_output} is no ratio of tokens")
    with localcontext(CONTEXT):
        return (of_input * input_price + of_output * output_price) / (of_input + of_output)


def cache_aware(input_price: Decimal, cached_price: Decimal, cached_share: Decimal) -> Decimal:
    """The price of an input token when `cached_share` of them, 0 to 1, come from a cache. Raises ValueError for another share."""
    if not 0 <= cached_share <= 1:
        raise ValueError(f"{cached_share} of the tokens is no share")
    with localcontext(CONTEXT):
        return input_price * (1 - cached_share) + cached_price * cached_share
