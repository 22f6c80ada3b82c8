"""JSON read strictly: one meaning or none, within limits; records of declared kinds."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import document
from joulemark.errors import FormatError
from joulemark.readings import Quantity


@dataclass(frozen=True)
class Inner:
    power_w: float


@dataclass(frozen=True)
class Outer:
    name: str
    quantity: Quantity = Quantity.POWER
    inner: Inner | None = None
    counts: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]",
        "3",
        "[" * 100_000,
        '{"a": ' + "[" * 70 + "]" * 70 + "}",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 41 + "}",
        '{"a": ' + "9" * 10_000 + "}",
        '{"a": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"a": "x\\u0000y"}',
    ],
)
def test_what_has_no_one_meaning_is_refused(content: str) -> None:
    """Anything but one storable JSON object raises FormatError that names the place."""
    with pytest.raises(FormatError, match="row 7"):
        document.json_object(content, where="row 7")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_plain_json_is_read_as_it_is(data: dict[str, Any]) -> None:
    """What is inside the limits comes back unchanged; NUL alone is refused."""
    content = json.dumps(data)
    if "\\u0000" in content:
        with pytest.raises(FormatError):
            document.json_object(content, where="x")
    else:
        assert document.json_object(content, where="x") == data


def test_numbers_may_be_kept_as_printed() -> None:
    """An amount of money is read as a decimal, never through a float."""
    assert document.json_object('{"a": 0.1, "b": 2}', where="x", number=Decimal) == {"a": Decimal("0.1"), "b": 2}


@pytest.mark.parametrize("data", [b'{"a": "\xff"}', b"\xff\xfe{", b'\x80{"a": 1}'])
def test_a_document_is_unicode(tmp_path: Path, data: bytes) -> None:
    """A file whose bytes are no text is refused by name; nothing is guessed from what is left."""
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.json"):
        document.load(tmp_path / "a.json")


def test_a_record_comes_back() -> None:
    """Nested records, enums, tuples and mappings are built from plain JSON, whole numbers stand for real ones."""
    data = {"name": "x", "quantity": "power", "inner": {"power_w": 3}, "counts": [1, 2], "labels": {"a": "b"}}
    assert document.record(Outer, data, where="x") == Outer("x", Quantity.POWER, Inner(3), (1, 2), {"a": "b"})


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ([], "not an object"),
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": "x", "more": 1}, "more"),
        ({"name": "x", "quantity": "heat"}, "heat"),
        ({"name": "x", "inner": {"power_w": float("nan")}}, "power_w"),
        ({"name": "x", "inner": {"power_w": True}}, "power_w"),
        ({"name": "x", "inner": {"power_w": 10**400}}, "power_w"),
        ({"name": "x", "inner": [1]}, "inner"),
        ({"name": "x", "counts": [1.5]}, "counts"),
        ({"name": "x", "counts": "12"}, "counts"),
        ({"name": "x", "labels": {"a": 1}}, r"labels\.a"),
        ({"name": 10**5000}, "too long to print"),
    ],
)
def test_a_value_of_another_kind_is_refused(data: Any, named: str) -> None:
    """A wrong kind, an unknown and a missing key raise FormatError that says where."""
    with pytest.raises(FormatError, match=named):
        document.record(Outer, data, where="file")


def test_a_key_twice_among_many_is_told_at_once() -> None:
    """The time to find a key that stands twice grows with the text, not with its square: 200,000 keys take less than a few seconds."""
    keys = 200_000
    text = "{" + ",".join(f'"k{number}":1' for number in range(keys)) + f',"k{keys - 1}":2}}'
    begin_s = time.process_time()
    with pytest.raises(FormatError, match=f"'k{keys - 1}' stands twice"):
        document.parse(text, where="x")
    assert time.process_time() - begin_s < 5.0


@pytest.mark.parametrize("unit", ["{}", "[]", "0", '""', '{"a":[]}'])
def test_values_are_counted_before_they_are_made(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of few bytes for each value is refused, since it would take a multiple of them in memory."""
    monkeypatch.setattr(document, "MAX_VALUES", 1000)
    assert len(document.parse(f"[{','.join(['0'] * 990)}]", where="x")) == 990
    with pytest.raises(FormatError, match="x holds more than 1000 values"):
        document.parse(f"[{','.join([unit] * 1001)}]", where="x")


def test_marks_in_text_are_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document may hold a table as text, with any number of commas, brackets and quotes."""
    monkeypatch.setattr(document, "MAX_VALUES", 1000)
    table = 'id,"phase",{begin}\n' * 4000
    assert document.parse(json.dumps({"requests": table}), where="x") == {"requests": table}


def test_text_without_its_end_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks for the texts in a document does not begin again at each quote."""
    monkeypatch.setattr(document, "MAX_VALUES", 1000)
    begin = time.process_time()
    with pytest.raises(FormatError, match="x is not valid JSON"):
        document.parse('["' + '\\"' * 200_000 + "," * 200_000, where="x")
    assert time.process_time() - begin < 1.0
