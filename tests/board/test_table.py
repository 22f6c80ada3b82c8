"""The table: RFC 4180, units in its names, exact figures, and no cell that a spreadsheet runs."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.board import words
from joulemark.board.entry import Entry
from joulemark.board.table import COLUMNS, written
from joulemark.exports.focus import FORMULA
from tests.board.entries import KEY, entry, figures

TEXTS = st.text(max_size=60).map(words.clean).filter(bool)
BARE = dataclasses.replace(KEY, model_sha256="", concurrency=None)


def rows(entries: list[Entry]) -> list[dict[str, str]]:
    """The table, read as any program reads it."""
    return list(csv.DictReader(io.StringIO(written(entries).decode(), newline=""), strict=True))


def test_every_line_ends_and_has_every_cell() -> None:
    """CR LF behind each line, the header's number of cells in each; without an entry there is the header alone."""
    data = written([entry(1), entry(2, title='Example "8B", fp8')])
    assert data.count(b"\r\n") == 3 == data.count(b"\n")
    assert {len(line) for line in csv.reader(io.StringIO(data.decode(), newline=""))} == {len(COLUMNS)}
    assert written([]).decode() == ",".join(column.name for column in COLUMNS) + "\r\n"


def test_names_of_figures_say_their_unit() -> None:
    """Every column of a number says its unit or is a count, a part of a whole, or a rank."""
    plain = {"rank", "class_entries", "gpu_count", "concurrency", "uncertainty_rel", "coverage"}
    units = re.compile(r"joules_per|_j_per|_w$|_tokens$|_per_s$")
    assert [c.name for c in COLUMNS if c.kind in ("Float", "Integer") and c.name not in plain and not units.search(c.name)] == []
    assert len({c.name for c in COLUMNS}) == len(COLUMNS)


@given(st.floats(0, 1e12), st.floats(0, 1e9))
def test_figures_are_exact(value_j: float, u95_j: float) -> None:
    """A figure comes back from its cell as the same number."""
    read = rows([entry(1, figures=figures(value_j, u95_j))])[0]
    assert (float(read["joules_per_1k_output_tokens"]), float(read["u95_j_per_1k_output_tokens"])) == (value_j, u95_j)


@settings(max_examples=60)
@given(TEXTS, TEXTS)
def test_no_cell_is_a_formula(title: str, engine: str) -> None:
    """Whatever a submitter calls things, a spreadsheet shows text, and what was written is read back behind the apostrophe."""
    read = rows([entry(1, title=title, labels={"engine": f"={engine}"[:120]})])[0]
    assert not any(cell.startswith(FORMULA) for cell in read.values())
    assert read["engine"].startswith("'=")
    assert read["title"].removeprefix("'" if title.startswith(FORMULA) else "") == title


def test_what_is_not_known_is_empty() -> None:
    """Null is an empty cell, never 0 and never a word; a rank is there only inside a class."""
    read = {one["entry_id"][-1]: one for one in rows([entry(1), entry(2), entry(3, key=BARE, figures=figures(None, None), labels={})])}
    assert (read["1"]["rank"], read["1"]["class_entries"]) == ("1", "2")
    for name in ("rank", "class_entries", "class_id", "concurrency", "joules_per_1k_output_tokens", "gpu_count", "model", "replaces"):
        assert read["3"][name] == "", name
    assert read["1"]["simulated"] == "false"
    assert read["1"]["gpu_count"] == "8"


def test_the_reference_names_every_column_and_field(repository: Path) -> None:
    """The page of formats has each column of the table in order, and each field of `_energy`."""
    text = (repository / "docs" / "reference" / "board.md").read_text()
    listed = re.findall(r"`(\w+)`", text.partition("Columns in order:")[2].partition("##")[0])
    assert listed == [column.name for column in COLUMNS]
    fields = text.partition("## `_energy`")[2].partition("## `energy.csv`")[0]
    assert [name for name in entry(1).energy() if f"`{name}`" not in fields] == []


def test_a_count_that_is_none_is_left_out() -> None:
    """A column of whole numbers holds nothing else."""
    assert rows([entry(1, labels={"gpu_count": "eight"})])[0]["gpu_count"] == ""


def test_the_order_of_entries_changes_nothing() -> None:
    """The same entries give the same bytes, newest first."""
    three = [entry(1), entry(2), entry(3).withdrawn("mistaken", at_ns=entry(4).published_ns)]
    assert written(three) == written(three[::-1])
    assert [one["entry_id"][-1] for one in rows(three)] == list("321")
    assert rows(three)[0]["withdrawn_reason"] == "mistaken"
