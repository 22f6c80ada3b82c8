"""Readings and runs as tables of pandas."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from joulemark.energy.series import Series
from joulemark.errors import EnvironmentFailed
from joulemark.notebook import frames
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity
from joulemark.units import NS_PER_S

T0 = 1_790_000_000_123_456_789
POWER = MeterInfo("nvml:n1:0:power", "nvml", Quantity.POWER, -3, Boundary.GPU)
HEAT = MeterInfo("nvml:n1:0:temperature", "nvml", Quantity.TEMPERATURE, 0, Boundary.GPU)


def series(meter: MeterInfo, *rows: tuple[float, int, Quality]) -> Series:
    """Rows of (seconds after T0, value, quality)."""
    t_s, values, codes = zip(*rows, strict=True)
    t_ns = np.array([T0 + round(t * NS_PER_S) for t in t_s], dtype=np.int64)
    return Series.plain(meter, t_ns, np.array(values, dtype=np.int64), np.array(codes, dtype=np.uint8))


def test_gaps_and_what_cannot_be_used_are_nan_and_never_zero() -> None:
    """Times are exact UTC, values in SI units; a real zero stays; gaps, stale values and times of other meters are NaN."""
    power = series(POWER, (0, 250_000, Quality.OK), (1, 0, Quality.GAP), (2, 251_000, Quality.STALE), (3, 0, Quality.OK))
    found = frames.readings({"a": power, "b": series(HEAT, (0, 61, Quality.OK), (0.5, 62, Quality.OK))}, quality=True)
    assert list(found.columns) == [
        "nvml:n1:0:power [W]",
        "nvml:n1:0:power quality",
        "nvml:n1:0:temperature [\N{DEGREE SIGN}C]",
        "nvml:n1:0:temperature quality",
    ]
    assert (found.index.name, str(found.index.tz)) == ("time", "UTC")
    assert [stamp.value - T0 for stamp in found.index] == [0, NS_PER_S // 2, NS_PER_S, 2 * NS_PER_S, 3 * NS_PER_S]
    np.testing.assert_array_equal(found["nvml:n1:0:power [W]"], [250.0, np.nan, np.nan, np.nan, 0.0])
    np.testing.assert_array_equal(found["nvml:n1:0:temperature [\N{DEGREE SIGN}C]"], [61.0, 62.0, np.nan, np.nan, np.nan])
    words = found["nvml:n1:0:power quality"]
    assert [None if pd.isna(word) else word for word in words] == ["ok", None, "gap", "stale", "ok"]
    assert str(words.dtype) == "category"


def test_of_equal_times_the_first_usable_reading_stands() -> None:
    """Two readings of one time are one row: the good one, else the first."""
    twice = series(POWER, (0, 0, Quality.GAP), (0, 7_000, Quality.OK), (0, 8_000, Quality.OK), (1, 1, Quality.STALE), (1, 0, Quality.GAP))
    found = frames.readings({"a": twice}, quality=True)
    np.testing.assert_array_equal(found["nvml:n1:0:power [W]"], [7.0, np.nan])
    assert list(found["nvml:n1:0:power quality"]) == ["ok", "stale"]


def test_no_meter_and_no_reading_give_empty_tables() -> None:
    """The index is one of times also where nothing stands in it."""
    empty = Series.plain(POWER, np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    for found in (frames.readings({}), frames.readings({"a": empty})):
        assert (len(found), str(found.index.dtype)) == (0, "datetime64[ns, UTC]")
    assert len(frames.runs([])) == 0


def test_runs_are_rows_with_their_labels() -> None:
    """A run that goes on has no end; a label that a run lacks is missing, not an empty text."""
    records = [
        {"run_id": "r2", "benchmark": "vllm", "labels": {"model": "m"}, "created_ns": T0, "stopped_ns": None},
        {"run_id": "r1", "benchmark": "", "labels": {}, "created_ns": T0 - 9, "stopped_ns": T0},
    ]
    found = frames.runs(records)
    assert list(found.columns) == ["benchmark", "created", "stopped", "label.model"]
    assert (found.index.name, list(found.index)) == ("run_id", ["r2", "r1"])
    assert (found.created["r1"].value, found.stopped["r1"].value, str(found.created.dt.tz)) == (T0 - 9, T0, "UTC")
    assert list(found.stopped.isna()) == [True, False]
    assert (found["label.model"]["r2"], bool(found["label.model"].isna()["r1"])) == ("m", True)


def test_every_quantity_has_a_symbol() -> None:
    """No column is without its unit."""
    assert {quantity.unit for quantity in Quantity} == set(frames.SYMBOLS)


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table without the package names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(EnvironmentFailed, match=r"package pandas\. pip install 'joulemark\[notebook\]'"):
        frames.runs([])
