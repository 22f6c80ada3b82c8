"""Anybody's CSV: time in any of the usual forms, watts kept exactly, the boundary said by the user."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from joulemark import traces
from joulemark.readings import Boundary

T_NS = 1_704_164_645_678_000_000


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "printed",
    [
        str(T_NS),
        "1704164645678",
        "1704164645.678",
        "2024-01-02T03:04:05.678Z",
        "2024-01-02 03:04:05.678",
        "2024-01-01T19:04:05,678-0800",
        "01-02-2024 03:04:05.678",
    ],
)
def test_every_usual_form_of_a_time_is_the_same_moment(tmp_path: Path, printed: str) -> None:
    """Unix s, ms and ns, ISO 8601 with and without a zone, and month first all give the same nanoseconds."""
    mark = "\t" if "," in printed else ","
    (series,) = traces.read(written(tmp_path, f"Timestamp{mark}Watts\n{printed}{mark}56.1\n"), tz=UTC)
    assert series.t_ns.tolist() == [T_NS]
    assert series.si().tolist() == [56.1]


def test_boundary_is_the_users_to_say(tmp_path: Path) -> None:
    """A plain CSV is measured where the user says; unsaid, the meter's note tells what was assumed."""
    path = written(tmp_path, "t_ns,power_w\n1704164645678000000,56.1\n")
    (told,) = traces.read(path, tz=None, boundary=Boundary.RACK)
    (untold,) = traces.read(path, tz=None)
    assert (told.meter.boundary, told.meter.note) == (Boundary.RACK, "")
    assert "does not say where" in untold.meter.note
