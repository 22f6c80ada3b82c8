"""The trend report as Markdown: every number with its n, and names that stay names."""

from __future__ import annotations

import re

from joulemark.board.quarter import Quarter
from joulemark.board.report_text import LISTED, escaped, figure, markdown, summary
from tests.board.entries import entry
from tests.board.test_report import ENTRIES, Q4, report


def test_the_classes_stand_with_their_numbers() -> None:
    """The row of a class has n and median now and before, and how far it moved."""
    row = next(line for line in markdown(report()).splitlines() if line.startswith("| Example-8B") and "-6.7 %" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:] == ["ES1", "NODE\\_AC", "5", "280", "3", "300", "-6.7 %", "2", "changed"]
    assert cells[0].startswith("Example-8B fp8 on 8 H100, NODE\\_AC; 640 in, 480 out, 64 at once (")


def test_the_simulated_are_marked() -> None:
    """An entry that no hardware stands behind says so in its row."""
    assert [line.split("|")[2].strip() for line in markdown(report()).splitlines() if "2026-10-09" in line] == ["ES1, simulated"]


def test_the_summary_counts() -> None:
    """What came in by level, what left, and how many stand in each list."""
    assert summary(report()) == [
        "5 entries came in (1 ES0, 4 ES1).",
        "1 entry was withdrawn.",
        "At its end 6 entries are ranked in 2 classes; beside them 1 ES0, 0 that cannot be compared, 1 simulated and 1 withdrawn.",
    ]


def test_an_empty_quarter_is_said() -> None:
    """A quarter without anything says so, in each place."""
    text = markdown(report([]))
    for said in ("Nothing entered and nothing was withdrawn", "No entry is ranked.", "Nothing entered.", "Nothing was withdrawn."):
        assert said in text
    assert "|---|" not in text


def test_a_quarter_that_is_not_over_is_said() -> None:
    """The moment of the report stands in its first sentence."""
    assert summary(report(now_ns=Q4.begin_ns))[0] == "The quarter is not over: this is the board at 2026-10-01T00:00:00Z."
    assert summary(report(ENTRIES, Quarter.parse("2027Q1")))[0] == "1 entry came in (1 ES1)."


def test_names_are_text() -> None:
    """A name like a table, a link or a tag is shown as it stands."""
    text = markdown(report([entry(1, title="a|b <img src=x> [x](http://y) *z*")]))
    assert r"a\|b \<img src=x\> \[x\](http://y) \*z\*" in text
    assert {line.count("|") - line.count(r"\|") for line in text.splitlines() if line.startswith("| a")} == {6, 11}
    assert escaped("plain 8B") == "plain 8B"


def test_long_lists_are_cut_and_say_so() -> None:
    """Of 203 entries 200 are listed."""
    text = markdown(report([entry(number) for number in range(1, LISTED + 4)]))
    assert "3 more; all of them are in the report as JSON." in text
    assert len(re.findall(r"^\| Example-8B.*Example Laboratory", text, re.MULTILINE)) == LISTED


def test_figures_have_four_digits_and_no_exponent() -> None:
    """Small and large ones alike."""
    assert [figure(value) for value in (12345.678, 0.00012345, 280.0, 0.0)] == ["12350", "0.0001234", "280", "0"]
