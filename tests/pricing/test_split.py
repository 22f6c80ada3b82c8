"""Split: one cost over input and output, by a method that has a name."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import UsageError
from joulemark.pricing import split
from joulemark.pricing.money import CONTEXT
from joulemark.pricing.split import Method

AMOUNTS = st.decimals(Decimal("1e-12"), Decimal("1e9"), places=30)
WEIGHTS = st.decimals(Decimal("0.001"), Decimal(1000), places=3)
SHARES = st.integers(0, 10**12)


@given(AMOUNTS, WEIGHTS, SHARES, SHARES.filter(bool))
def test_the_parts_are_the_whole(amount: Decimal, weight: Decimal, input_tokens: int, output_tokens: int) -> None:
    """Whatever the amount, the weight and the counts, the two parts add up to the cost to its last digit, and none is below zero."""
    found = split.by_tokens(amount, Method.named(f"weight:{weight}"), input_tokens=input_tokens, output_tokens=output_tokens)
    with localcontext(CONTEXT):
        assert found.input + found.output == amount
    assert min(found.input, found.output) >= 0


@given(AMOUNTS, st.floats(0, 1e6), st.floats(1e-3, 1e6))
def test_the_parts_by_time_are_the_whole(amount: Decimal, prefill_s: float, decode_s: float) -> None:
    """The same by the seconds of prefill and decode."""
    found = split.by_time(amount, prefill_s=prefill_s, decode_s=decode_s)
    with localcontext(CONTEXT):
        assert found.input + found.output == amount
    assert found.method == "prefill_decode_time"


def test_equal_tokens_cost_the_same() -> None:
    """By `equal_token` 4.8 and 1.2 million tokens share 10 as 8 and 2; with weight 4 as 5 and 5."""
    counts = {"input_tokens": 4_800_000, "output_tokens": 1_200_000}
    equal = split.by_tokens(Decimal(10), Method.named("equal_token"), **counts)
    assert (equal.input, equal.output) == (Decimal(8), Decimal(2))
    weighted = split.by_tokens(Decimal(10), Method.named("weight:4"), **counts)
    assert (weighted.method, weighted.input, weighted.output) == ("weight:4", Decimal(5), Decimal(5))


@pytest.mark.parametrize("name", ["", "weight", "weight:0", "weight:-1", "weight:nan", "Equal_token", "energy"])
def test_a_method_needs_a_name_that_is_known(name: str) -> None:
    """No other name is taken, none is a default, and a weight of zero is none."""
    with pytest.raises(UsageError, match="no method to split"):
        Method.named(name)


def test_time_does_not_split_by_tokens() -> None:
    """The method by time has no weight that could be guessed, and without any share there is nothing to divide."""
    with pytest.raises(ValueError, match="does not split by tokens"):
        split.by_tokens(Decimal(1), Method.named("prefill_decode_time"), input_tokens=1, output_tokens=1)
    with pytest.raises(ValueError, match="no shares"):
        split.by_time(Decimal(1), prefill_s=0, decode_s=0)


def test_blends() -> None:
    """3:1 is the default and named so; a run of 4:1 has its own; a cached share lowers the price of input; other shares are refused."""
    assert split.blended(Decimal("0.15"), Decimal("0.60")) == Decimal("0.2625")
    assert split.blended(Decimal("0.15"), Decimal("0.60"), (4_800_000, 1_200_000)) == Decimal("0.24")
    assert split.cache_aware(Decimal("0.15"), Decimal("0.015"), Decimal("0.6")) == Decimal("0.069")
    with pytest.raises(ValueError, match="no ratio"):
        split.blended(Decimal(1), Decimal(1), (0, 0))
    with pytest.raises(ValueError, match="no share"):
        split.cache_aware(Decimal(1), Decimal(1), Decimal("1.1"))
