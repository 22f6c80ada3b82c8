"""Pages of providers: exact numbers, and an error that names the place for every other shape."""

from __future__ import annotations

from decimal import Decimal

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.page import json_page, listed, taken


def test_a_fraction_is_exact() -> None:
    """An amount is read as it is written, not through a binary fraction."""
    assert json_page(b'{"price": 98.3200000001234567890}', where="page") == {"price": Decimal("98.3200000001234567890")}


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"a": NaN}', b"\xff\xfe{}", b'{"a": 1, "a": 2}', b"[" * 5000])
def test_what_is_no_object_is_told(body: bytes) -> None:
    """A list, a page of HTML, a damaged or an ambiguous reply is refused under its address."""
    with pytest.raises(FormatError, match="the address"):
        json_page(body, where="the address")


def test_a_value_of_another_kind_is_told() -> None:
    """A key that is missing or of another kind is named; true is no number."""
    assert taken({"a": 1}, "a", int, where="row") == 1
    for data in ({"a": True}, {"a": "1"}, {"a": None}, {}, None, []):
        with pytest.raises(FormatError, match="row: a is"):
            taken(data, "a", int, where="row")


def test_an_item_of_another_kind_is_told() -> None:
    """The place in a list of the item that is of another kind is named."""
    assert listed({"a": ["x", "y"]}, "a", str, where="row") == ["x", "y"]
    with pytest.raises(FormatError, match=r"row: a\[1\] is 2, not str"):
        listed({"a": ["x", 2]}, "a", str, where="row")
