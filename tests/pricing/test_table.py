"""Tables: rows by the names of their columns, and every damage told."""

from __future__ import annotations

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.table import filled, header, rows


def test_the_order_of_columns_does_not_matter() -> None:
    """A value is found by the name of its column, with a byte order mark, spaces and an empty line in the file."""
    text = "\ufeffb, a\r\n2,1\r\n\r\n4 ,3\r\n"
    assert header(text) == {"a", "b"}
    assert list(rows(text, name="t.csv", needed=["a"])) == [("row 2", {"b": "2", "a": "1"}), ("row 4", {"b": "4", "a": "3"})]


def test_a_quoted_value_may_hold_commas_and_lines() -> None:
    """A comma and a line break within quotes belong to the value."""
    assert [row["a"] for _, row in rows('a,b\n"x,\ny",2\n', name="t.csv", needed=["a"])] == ["x,\ny"]


def test_a_row_of_another_length_is_refused_alone() -> None:
    """A row with too few or too many values is told, and the row after it is read."""
    short, long, good = (row for _, row in rows("a,b\n1\n1,2,3\n1,2\n", name="t.csv", needed=["a"]))
    for row in (short, long):
        with pytest.raises(FormatError, match="not as many values as the header"):
            filled(row, "a")
    assert filled(good, "b") == "2"


def test_an_empty_value_is_told() -> None:
    """A value that must be there and is not is named by its column."""
    with pytest.raises(FormatError, match="Price is empty"):
        filled({"Price": ""}, "Price")


def test_another_file_is_told() -> None:
    """A missing column is named, with the file."""
    with pytest.raises(FormatError, match=r"t\.csv has no column Price"):
        list(rows("a,b\n", name="t.csv", needed=["a", "Price"]))


@pytest.mark.parametrize("text", ['a\n"x', 'a\n"x"y\n', "a\n" + "x" * 200_000])
def test_damage_is_told(text: str) -> None:
    """An open quote, text behind a quote and a field that no table holds are refused."""
    with pytest.raises(FormatError, match="not valid CSV"):
        list(rows(text, name="t.csv", needed=["a"]))


def test_a_long_line_is_no_header() -> None:
    """A first line beyond any header is not looked through."""
    assert header("a," * 10_000) == frozenset()
    assert header("") == frozenset()
