"""CodeCarbon: the end of a run in local seconds, energies in kWh that stay CodeCarbon's own."""

from __future__ import annotations

import csv
import io
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError, NaiveTimeError
from joulemark.runs import ClockKind, PhaseKind
from joulemark.timebase import zone

ROW = {
    "timestamp": "2025-10-09T11:25:18",
    "project_name": "serve",
    "run_id": "r1",
    "experiment_id": "e",
    "duration": "116.5",
    "emissions": "0.002",
    "cpu_energy": "0.0115",
    "gpu_energy": "0.0004",
    "ram_energy": "0.0006",
    "energy_consumed": "0.0125",
    "country_name": "Korea, Republic of",
    "codecarbon_version": "3.3.2",
    "cpu_model": "C",
    "gpu_count": "1",
    "gpu_model": "1 x G",
    "tracking_mode": "machine",
}
END_NS = 1_760_009_118_500_000_000


def written(folder: Path, *changes: dict[str, Any], name: str = "emissions.csv", leading: dict[str, str] | None = None) -> Path:
    """A made-up log in the columns that CodeCarbon 3 writes, one row for each of `changes`."""
    rows = [{**(leading or {}), **ROW, **change} for change in changes or ({},)]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / name).write_text(text.getvalue())
    return folder


def test_window_and_energies(tmp_path: Path) -> None:
    """The run ends in the printed second and began its duration before; kWh become joules under CodeCarbon's names."""
    run = benchmarks.read(written(tmp_path), tz=UTC)
    (window,) = run.windows
    assert (window.name, window.kind, window.end_ns, window.duration_s, window.unc_ns) == (
        "serve",
        PhaseKind.MEASURED,
        END_NS,
        116.5,
        10**9,
    )
    assert (run.clock, run.run_id, window.tokens.output, window.requests) == (ClockKind.UTC, "r1", None, None)
    assert {figure.name: figure.value for figure in run.tool_reported} == pytest.approx(
        {"cpu_energy": 41400.0, "gpu_energy": 1440.0, "ram_energy": 2160.0, "total_energy": 45000.0}
    )
    assert {(figure.unit, figure.window) for figure in run.tool_reported} == {("J", "serve")}
    assert run.labels == {"codecarbon_version": "3.3.2", "cpu": "C", "gpu": "1 x G", "tracking_mode": "machine"}
    assert "may be modelled" in run.findings[1]


def test_the_zone_is_told_and_never_guessed(tmp_path: Path) -> None:
    """Without a zone the log is refused; in Madrid it is two hours earlier and the clock is called local."""
    with pytest.raises(NaiveTimeError, match="--tz"):
        benchmarks.read(written(tmp_path), tz=None)
    run = benchmarks.read(tmp_path, tz=zone("Europe/Madrid"))
    assert (run.windows[0].end_ns, run.clock) == (END_NS - 7200 * 10**9, ClockKind.LOCAL)


def test_rows_of_a_flushed_run_are_one_run(tmp_path: Path) -> None:
    """Three totals of one run are that run once, by its longest row; the others are said to be left out."""
    early = {"timestamp": "2025-10-09T11:24:18", "duration": "56.5", "energy_consumed": "0.006"}
    run = benchmarks.read(written(tmp_path, early, {}, early), tz=UTC)
    assert [window.duration_s for window in run.windows] == [116.5]
    assert [figure.value for figure in run.tool_reported if figure.name == "total_energy"] == [45000.0]
    assert "2 rows are earlier totals" in run.findings[-1]


def test_several_runs_keep_apart(tmp_path: Path) -> None:
    """Two runs of one project have names of their own, and a label stays only where they agree."""
    later = {"timestamp": "2025-10-09T12:00:00", "run_id": "r2", "cpu_model": "D"}
    run = benchmarks.read(written(tmp_path, {}, later), tz=UTC)
    assert [(window.name, window.kind) for window in run.windows] == [("serve", PhaseKind.MEASURED), ("serve #2", PhaseKind.MEASURED)]
    assert (run.run_id, "cpu" in run.labels) == ("", False)


def test_tasks_are_phases(tmp_path: Path) -> None:
    """In the file of a run's tasks every task is a phase of its name."""
    rows = {"task_name": "load", "duration": "5"}, {"task_name": "infer", "duration": "3"}
    run = benchmarks.read(written(tmp_path, *rows, name="emissions_base_r1.csv", leading={"task_name": ""}), tz=UTC)
    assert {window.name: window.duration_s for window in run.windows} == {"load": 5.0, "infer": 3.0}


@pytest.mark.parametrize("others", [(), ({"run_id": "r2", "project_name": "other"},)])
def test_totals_beside_the_tasks_are_not_measured_twice(tmp_path: Path, others: tuple[dict[str, str], ...]) -> None:
    """Where the tasks of a run have a file, its row of totals is left to them, and the runs beside it stay."""
    written(tmp_path, {"task_name": "load", "duration": "5"}, name="emissions_base_r1.csv", leading={"task_name": ""})
    run = benchmarks.read(written(tmp_path, {}, *others), tz=UTC)
    assert {window.name.rpartition("/")[2] for window in run.windows} == {"load", *(other["project_name"] for other in others)}
    assert any("of their tasks beside" in finding or "have a file of their own beside" in finding for finding in run.findings)


@pytest.mark.parametrize(
    ("energy", "pue", "said"), [("8.605483354476747e-06", "1.0", True), ("8.6e-06", "2", False), ("5.4e-06", "", False)]
)
def test_energy_of_longer_than_its_duration_is_said(tmp_path: Path, energy: str, pue: str, said: bool) -> None:
    """CodeCarbon 3.3.2 gives a run in tasks the energy of all and the duration of the last: 28 W for 0.7 s are not 31 J."""
    drawn = {"cpu_power": "8.0", "gpu_power": "0.0", "ram_power": "20.0", "duration": "0.7013369950000197"}
    run = benchmarks.read(written(tmp_path, {**drawn, "energy_consumed": energy, "pue": pue}), tz=UTC)
    assert any("1.58 times its power" in finding for finding in run.findings) is said


@pytest.mark.parametrize(("count", "names"), [("", {"total_energy"}), ("1", {"gpu_energy", "total_energy"})])
def test_no_gpu_is_no_energy_of_zero(tmp_path: Path, count: str, names: set[str]) -> None:
    """CodeCarbon writes 0 for the GPU of a machine without one: that is unknown; a GPU that took 0 is told."""
    change = {"gpu_energy": "0.0", "gpu_count": count, "cpu_energy": "", "ram_energy": "nan"}
    run = benchmarks.read(written(tmp_path, change), tz=UTC)
    assert {figure.name for figure in run.tool_reported} == names


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no run of CodeCarbon"),
        ("2025-10-09T11:25:18,serve\n", ":2 does not fit the columns"),
        ("soon,p,r,1,1\n", "timestamp"),
        ("2025-10-09T11:25:18,p,r,,1\n", "duration"),
        ("2025-10-09T11:25:18,p,r,0,1\n", "not after its begin"),
    ],
)
def test_damage_is_refused(tmp_path: Path, text: str, match: str) -> None:
    """A log without runs and a row that is none are refused by name."""
    (tmp_path / "emissions.csv").write_text("timestamp,project_name,run_id,duration,energy_consumed\n" + text)
    with pytest.raises(FormatError, match=match):
        benchmarks.read(tmp_path, tz=UTC)
