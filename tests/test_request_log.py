"""The request log: every request a row, and what the rows add up to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import FormatError
from joulemark.request_log import COLUMNS, Request, Status, from_csv, tallies, to_csv

DONE, FAILED, CANCELLED = Status.COMPLETED, Status.FAILED, Status.CANCELLED
LOG = (
    Request(0, "warmup", 10, 20, DONE, 5, 0, 7, 0, None),
    Request(1, "measured", 100, 190, DONE, 640, 64, 480, 80, 3),
    Request(2, "measured", 90, 150, DONE, 600, 0, 500, 0, 0),
    Request(3, "measured", 110, 250, FAILED, 600, 0, 99, 0, 0),
    Request(4, "measured", 120, None, CANCELLED),
)
HEADER = ",".join(COLUMNS)


def test_read_back_as_it_was_written() -> None:
    """Every row survives the file, empty fields as None and not as 0."""
    text = to_csv(LOG)
    assert from_csv(text, where="x") == LOG
    assert text.splitlines()[5] == "4,measured,120,,cancelled,,,,,"


counts = st.none() | st.integers(0, 2**63 - 1)
names = st.text(st.characters(codec="utf-8", categories=["L", "P", "Zs"]))
whole = st.integers(0, 2**63 - 1)
requests = st.builds(Request, whole, names, whole, counts, st.sampled_from(Status), counts, counts, counts, counts, counts)


@given(st.lists(requests, max_size=5))
def test_any_log_is_read_back(log: list[Request]) -> None:
    """Whatever a phase is called, commas and quotes too, the log is read back as it was written."""
    assert from_csv(to_csv(log), where="x") == tuple(log)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with the columns"),
        ("id,phase\n", "does not begin with the columns"),
        (f"{HEADER}\n1,a,5\n", "line 2 has 3 fields"),
        (f"{HEADER}\n,a,5,6,completed,,,,,\n", "line 2 lacks id"),
        (f"{HEADER}\n1,a,,6,completed,,,,,\n", "line 2 lacks id or begin_ns"),
        (f"{HEADER}\n1,a,5,6,done,,,,,\n", "status is none of"),
        (f"{HEADER}\n0,a,5,6,completed,,,,,\n1,a,5,6,completed,-4,,,,\n", "line 3: input_tokens is '-4', not a whole number"),
        (f"{HEADER}\n1,a,5,6,completed,4.0,,,,\n", "not a whole number"),
        (f"{HEADER}\n1,a,5,6,completed,²,,,,\n", "not a whole number"),
        (f"{HEADER}\n1,a,{'9' * 21},6,completed,,,,,\n", "not a whole number"),
    ],
)
def test_what_is_no_log_is_refused(text: str, why: str) -> None:
    """A file that is cut, or holds what is no whole number, is refused with the line."""
    with pytest.raises(FormatError, match=why):
        from_csv(text, where="requests.csv")


def test_a_phase_adds_up() -> None:
    """Of a phase the completed ones are summed; failed and cancelled ones are counted apart, their tokens stay out, their time stays in."""
    found = tallies(LOG)["measured"]
    assert (found.issued, found.completed, found.failed, found.cancelled) == (4, 2, 1, 1)
    assert (found.input_tokens, found.cached_input_tokens, found.output_tokens, found.reasoning_tokens) == (1240, 64, 980, 80)
    assert (found.begin_ns, found.end_ns) == (90, 250)
    assert found.lost_share == 0.5
    assert set(tallies(LOG)) == {"warmup", "measured"}


def test_one_unknown_count_leaves_the_sum_unknown() -> None:
    """Where one completed request does not tell, the sum is None, never the sum of the others."""
    found = tallies(LOG)["warmup"]
    assert found.rejected_tokens is None
    assert found.output_tokens == 7


def test_a_phase_that_never_ended_has_no_end() -> None:
    """Requests without an end leave the end of the phase unknown; no request at all leaves no tally."""
    assert tallies([LOG[4]])["measured"].end_ns is None
    assert tallies([LOG[4]])["measured"].output_tokens == 0
    assert tallies([]) == {}


@pytest.mark.parametrize("row", ['1,"' + "a" * 200_000 + '",1,2,completed,,,,,', "1,a\rb,1,2,completed,,,,,"], ids=["long", "half a line"])
def test_what_is_no_csv_is_told_with_its_line(row: str) -> None:
    """A field without end and a line that breaks off are faults of the file, as everything else in it is."""
    with pytest.raises(FormatError, match="log line 2 is no CSV"):
        from_csv(f"{','.join(COLUMNS)}\n{row}\n", where="log")
