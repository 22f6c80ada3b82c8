from __future__ import annotations

import csv
import os
from itertools import pairwise
from pathlib import Path

import pytest

from joulemark.errors import FormatError
from joulemark.meters import trace_file
from joulemark.meters.replay import DEMO_TRACE
from joulemark.readings import Quantity

NS = 1_000_000_000


def test_times_begin_at_zero_and_rows_are_found_by_time() -> None:
    """Only differences of t_ns count, and the row at a time is the last one not after it."""
    trace = trace_file.parse(csv.reader(["t_ns,power_watt", "500,1", "600,2", "900,3"]), "node.csv")
    assert list(trace.t_ns) == [0, 100, 400]
    assert [trace.row_at(t) for t in (0, 99, 100, 399, 400, 5000)] == [0, 0, 1, 1, 2, 2]


def test_first_and_last_pass_over_gaps() -> None:
    """First and last value of a column are its first and last recorded numbers."""
    trace = trace_file.parse(csv.reader(["t_ns,energy_joule", "0,", "1,5", "2,8", "3,"]), "node.csv")
    assert (trace.columns[0].first, trace.columns[0].last) == (5, 8)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "header"),
        ("time,power_watt\n0,1\n1,2\n", "header"),
        ("t_ns,power_wats\n0,1\n1,2\n", "power_wats"),
        ("t_ns,power_watt\n0,1\n", "fewer than two"),
        ("t_ns,power_watt\n0,1\n0,2\n", "line 3"),
        ("t_ns,power_watt\n0,1\n1,2.5\n", "line 3"),
        ("t_ns,power_watt\n0,1\n1\n", "line 3"),
        ("t_ns,power_watt\n0,1\n99999999999999999999,2\n", "line 3"),
        ("t_ns,power_watt\n-9223372036854775808,1\n9223372036854775807,2\n", "line 2"),
        ("t_ns,power_watt\n0,1\n1,1_0\n", "line 3"),
        ("t_ns,power_watt,power_watt\n0,1,1\n1,2,2\n", "one channel"),
        ("t_ns,a:b.power_watt\n0,1\n1,2\n", "a:b"),
        ("t_ns,../x.power_watt\n0,1\n1,2\n", "x.power_watt"),
        ("t_ns" + ",power_watt" * 2000, "2001 columns"),
    ],
)
def test_bad_traces_are_refused(text: str, problem: str) -> None:
    """A file that is no trace is refused; the message names the file and the line or the column."""
    with pytest.raises(FormatError, match=rf"node\.csv.*{problem}"):
        trace_file.parse(csv.reader(text.splitlines()), "node.csv")


def test_file_that_is_not_text(tmp_path: Path) -> None:
    """A binary file is refused with its name."""
    (tmp_path / "x.csv").write_bytes(bytes(range(256)))
    with pytest.raises(FormatError, match=r"x\.csv"):
        trace_file.load(tmp_path / "x.csv")


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe in the place of a trace is refused with its name."""
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(FormatError, match=r"x\.csv is a pipe"):
        trace_file.load(tmp_path / "x.csv")


def test_packaged_trace_agrees_with_itself() -> None:
    """The demonstration trace lasts a minute at 10 Hz and its counter is the integral of its power."""
    trace = trace_file.load(DEMO_TRACE)
    power, energy = trace.columns
    assert (power.quantity, energy.quantity) == (Quantity.POWER, Quantity.ENERGY_COUNTER)
    assert trace.duration_ns == 60 * NS
    rows = [(t, p) for t, p in zip(trace.t_ns, power.values, strict=True) if p is not None]
    integral_mj = sum((p + q) * (u - t) for (t, p), (u, q) in pairwise(rows)) / 2 / NS
    assert energy.last - energy.first == pytest.approx(integral_mj, abs=1)
