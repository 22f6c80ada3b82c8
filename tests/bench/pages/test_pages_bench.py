"""The bench of the pages: its tables tell what was measured, and what is too much is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.collector.store.sqlite import SqliteReadings
from joulemark.energy.series import Series
from tests.bench.pages import day
from tests.bench.pages.told import Paint, Traced, line_of, tables, wrong

PAINTS = (Paint("hosts", 120.0, 150.0, 60.0), Paint("run", 180.0, 400.0, 60.0))
LONG = Traced(6_912_000, 90.0, 4000.0, 5000.0, 40.0, 314_000, 180.0, 170.0, 30_000)
END_NS = 1_790_000_000_000_000_000


def test_the_tables_tell_every_figure() -> None:
    """A row for each page with its ratio, and one for each figure of the long run; the line names the slowest page."""
    text = "\n".join(tables(PAINTS, LONG))
    assert "| run | 180 | 400 | 3.0 |" in text
    assert "A run of 6912000 readings" in text
    assert "| trace_bytes | 314,000 |" in text
    line = line_of(PAINTS, LONG)
    assert (line["slowest"], line["paint_ratio_max"], line["pages"]) == ("run", 3.0, 2)
    assert list(wrong(PAINTS, LONG)) == []


@pytest.mark.parametrize(
    ("paint", "long", "said"),
    [
        (replace(PAINTS[0], median_ms=490.0), LONG, "hosts takes 8.2 times"),
        (PAINTS[0], replace(LONG, trace_bytes=400_001), "400001 bytes"),
        (PAINTS[0], replace(LONG, trace_ms=541.0), "asked again the trace takes 541 ms"),
        (PAINTS[0], replace(LONG, drawn_ms=541.0), "drawing takes 541 ms"),
    ],
)
def test_what_is_too_much_is_named(paint: Paint, long: Traced, said: str) -> None:
    """A slow page, a heavy trace, a slow server and a slow canvas each turn the bench red."""
    (found,) = wrong((paint,), long)
    assert said in found


def test_the_day_is_read_as_it_was_made(tmp_path: Path) -> None:
    """The chunks are those of a collector: every reading of ten minutes comes back, a tenth of a second apart, and the last one."""
    assert day.written(tmp_path / "readings.db", hours=1 / 6, end_ns=END_NS) == day.GPUS * 6000
    store = SqliteReadings(tmp_path / "readings.db")
    found: list[Series] = store.series([f"fake:{day.AGENT}:7:power"], END_NS - 700 * 10**9, END_NS + 10**9)
    assert [len(one) for one in found] == [6001]
    assert (found[0].t_ns[1:] - found[0].t_ns[:-1] == 10**8).all()
    assert found[0].clock_bound_ns == day.BOUND_NS
