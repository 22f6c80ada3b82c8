"""Canonical JSON: equal facts, equal bytes."""

from __future__ import annotations

import hashlib

import pytest

from joulemark.pricing import canonical


def test_canonical_json_refuses_floats() -> None:
    """A float has no place in a hash: two writers may print it in two ways."""
    with pytest.raises(TypeError, match="no canonical text"):
        canonical.encode({"a": 0.1})
    assert canonical.encode({"b": [1, None, True], "a": "é"}) == '{"a":"é","b":[1,null,true]}'.encode()


def test_order_and_spelling_do_not_matter() -> None:
    """Two writers that order their keys otherwise, one with tuples, give the same hash: that of the bytes."""
    one = {"b": {"y": 1, "x": (1, 2)}, "a": "1"}
    other = {"a": "1", "b": {"x": [1, 2], "y": 1}}
    assert canonical.encode(one) == canonical.encode(other) == b'{"a":"1","b":{"x":[1,2],"y":1}}'
    assert canonical.digest(other) == hashlib.sha256(b'{"a":"1","b":{"x":[1,2],"y":1}}').hexdigest()


def test_kinds_are_kept_apart() -> None:
    """1, "1", true and [1] are different facts with different hashes."""
    assert len({canonical.digest({"a": value}) for value in (1, "1", True, [1], None)}) == 5


@pytest.mark.parametrize("data", [{"\u00e4": 1}, {1: 1}, {"a": [{"b": {1.5}}]}, {"a": [{"b": 0.5}]}, b"a"])
def test_what_has_no_canonical_text_is_refused(data: object) -> None:
    """A key that is not ASCII text, and at any depth a value that JSON lacks or prints in two ways, raise TypeError."""
    with pytest.raises(TypeError, match=r"is not ASCII text|no canonical text"):
        canonical.encode(data)
