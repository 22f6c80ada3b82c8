"""Zeus: windows with Unix times, energies that stay Zeus's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind

HEADER = "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n"
ROWS = (
    "1700000001.5,step, first,2.25,100.5,200.25\n"
    "1700000004.0,step,2.0,0.0,10.0\n"
    "1700000000.1234567,epoch,10.0,1000.0,2000.0\n"
    "1700000020.0,step,1.0,None,5.0\n"
)


def written(folder: Path, text: str = HEADER + ROWS, name: str = "zeus.csv") -> Path:
    """A made-up log in the layout that ZeusMonitor writes: a row for each window in the order of their ends."""
    (folder / name).write_text(text)
    return folder


def test_windows_and_energies(tmp_path: Path) -> None:
    """Every row is a window to the printed digit, a comma in its name kept; inner windows are no measured phase."""
    run = benchmarks.read(written(tmp_path), tz=None)
    assert [(w.name, w.kind, w.begin_ns, w.end_ns - w.begin_ns) for w in run.windows] == [
        ("epoch", PhaseKind.MEASURED, 1_700_000_000_123_456_700, 10_000_000_000),
        ("step, first", PhaseKind.OTHER, 1_700_000_001_500_000_000, 2_250_000_000),
        ("step", PhaseKind.OTHER, 1_700_000_004_000_000_000, 2_000_000_000),
        ("step #2", PhaseKind.MEASURED, 1_700_000_020_000_000_000, 1_000_000_000),
    ]
    assert (run.clock, run.windows[0].unc_ns, run.windows[0].tokens.output, run.windows[0].requests) == (ClockKind.UTC, 1000, None, None)
    told = {figure.window: figure for figure in run.tool_reported}
    assert {name: figure.value for name, figure in told.items()} == {"step, first": 300.75, "step": 10.0, "epoch": 3000.0}
    assert (told["epoch"].name, told["epoch"].unit, told["epoch"].source) == ("gpu_energy", "J", "zeus.csv, sum of 2 GPUs")


def test_what_zeus_does_not_tell_is_said(tmp_path: Path) -> None:
    """A GPU without an energy gives the window none; a counter that stood still is pointed out."""
    findings = " ".join(benchmarks.read(written(tmp_path), tz=None).findings)
    assert "step #2: not every GPU has an energy" in findings
    assert "step: a GPU took 0 J" in findings
    assert "no tokens" in findings


def test_a_log_without_gpus_has_windows_alone(tmp_path: Path) -> None:
    """On a machine without a GPU the times are read and no energy is made up."""
    run = benchmarks.read(written(tmp_path, "start_time,window_name,elapsed_time,\n1700000000.0,run,3.0,\n"), tz=None)
    assert (run.windows[0].name, run.windows[0].duration_s, run.tool_reported) == ("run", 3.0, ())


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("", "no window of Zeus"),
        ("1700000000.0,step\n", ":2 has too few columns"),
        ("soon,step,1.0,1,2\n", ":2 start_time"),
        ("1700000000.0,step,-1.0,1,2\n", ":2 elapsed_time"),
        ("1700000000.0,step,0.0,1,2\n", "not after its begin"),
    ],
)
def test_damage_is_refused_with_its_row(tmp_path: Path, rows: str, match: str) -> None:
    """A log without windows and a row that is none are refused, by line."""
    with pytest.raises(FormatError, match=match):
        benchmarks.read(written(tmp_path, HEADER + rows), tz=None)


def test_a_file_that_only_mentions_the_header_is_no_log(tmp_path: Path) -> None:
    """The header must be the first line."""
    with pytest.raises(FormatError, match="holds no files of"):
        benchmarks.read(written(tmp_path, f"a,b\n{HEADER}"), tz=None)
