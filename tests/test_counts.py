"""What a phase produced, as it is sent."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from joulemark.counts import Counts, whole
from joulemark.errors import UsageError


def test_only_what_is_known_is_sent() -> None:
    """Nothing known sends nothing; a zero is known; whose count it was goes with it."""
    assert Counts().body() == {}
    assert Counts(output_tokens=0, requests=2, token_source="server_usage").body() == {
        "tokens": {"output": 0, "source": "server_usage"},
        "requests": 2,
    }


@pytest.mark.parametrize("count", [12, 12.0, np.int64(12), Fraction(12)])
def test_a_whole_number_of_any_library_is_a_count(count: object) -> None:
    """What equals a whole number is sent as one."""
    assert whole(count) == 12
    assert type(whole(count)) is int


@pytest.mark.parametrize("count", [1.5, "12", float("nan"), float("inf"), [3]])
def test_anything_else_is_refused(count: object) -> None:
    """A part of a token, a text and no number are named, with what to give instead."""
    with pytest.raises(UsageError, match="is no count"):
        whole(count)
