"""One recorded log: its lines with their numbers, ids that tell files apart, rows of the right width."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import traces
from joulemark.errors import FormatError
from joulemark.traces.recording import MAX_LINE, Recording, fields, header

SPL = "Time,07-17-2024 09:44:23.305,Watts,{},Volts,-1.000000,Amps,-1.000000,PF,-1.000000,Mark,x\n"


def test_half_a_row_at_the_end_is_left_out(tmp_path: Path) -> None:
    """A recorder stopped in the middle of a row loses that row only: half a number would be a wrong one."""
    path = tmp_path / "spl.txt"
    path.write_text(SPL.format("200.5") + "Time,07-17-2024 09:44:24.305,Watts,20")
    (series,) = traces.read(path, tz=UTC)
    assert len(series) == 1


def test_last_row_without_a_newline_is_kept_when_whole(tmp_path: Path) -> None:
    """A file that just lacks its last newline loses nothing."""
    path = tmp_path / "spl.txt"
    path.write_text((SPL.format("200.5") * 2).rstrip("\n"))
    (series,) = traces.read(path, tz=UTC)
    assert len(series) == 2


def test_lines_carry_their_place() -> None:
    """Blank lines are passed over and still counted."""
    assert list(Recording(Path("log"), "a\n\r\n b\n").lines()) == [("log:1", "a"), ("log:3", "b")]


def test_id_holds_no_colon_of_a_file_name() -> None:
    """A colon in a file name does not add a part to the id, and another text gives another id."""
    one, two = (Recording(Path("a:b.txt"), content).meter_id("csv", "power") for content in ("1", "2"))
    assert one.count(":") == 3
    assert one != two


@pytest.mark.parametrize("line", ["1", "1,2,3", "1,\r2"])
def test_row_of_another_width_is_refused(line: str) -> None:
    """A row that has not the columns of the header raises FormatError that names its place."""
    with pytest.raises(FormatError, match="log:9"):
        fields(line, 2, where="log:9")


@pytest.mark.parametrize(("line", "named"), [("t,power_w,power_w", "twice"), (",".join(map(str, range(5000))), "5000 columns")])
def test_header_without_one_meaning_is_refused(line: str, named: str) -> None:
    """A column that stands twice, and more columns than any recorder writes, raise FormatError that names the place."""
    with pytest.raises(FormatError, match=f"log:1.*{named}"):
        header(line, where="log:1")


def test_line_without_end_is_refused() -> None:
    """A line longer than any row is refused before it is parsed."""
    with pytest.raises(FormatError, match="log:2"):
        list(Recording(Path("log"), "a\n" + "1" * (MAX_LINE + 1)).lines())


@given(st.text(alphabet="a,\n ", max_size=30))
def test_lines_are_those_of_a_split(content: str) -> None:
    """Reading line by line gives what splitting the whole text gives, a torn last row left out."""
    rows = content.split("\n")
    torn = len(rows) > 1 and rows[-1].count(",") < rows[-2].count(",")
    numbered = enumerate(rows[:-1] if torn else rows, start=1)
    assert list(Recording(Path("log"), content).lines()) == [(f"log:{n}", row.strip(" ")) for n, row in numbered if row.strip(" ")]
