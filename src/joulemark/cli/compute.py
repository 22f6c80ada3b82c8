"""`joulemark compute`: energy of a recorded benchmark from recorded power logs, offline."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import Any

import click

from joulemark import foreign
from joulemark.cards.text import closure_lines
from joulemark.cli import emit, json_option
from joulemark.cli.progress import one_by_one, progress
from joulemark.errors import FormatError, InsufficientData, UsageError
from joulemark.readings import Accuracy, Boundary
from joulemark.timebase import zone

NUMBER = r"(\d{1,9}(?:\.\d{1,30})?)"
TERM = re.compile(rf"{NUMBER}%rdg|{NUMBER}%rng@{NUMBER}W|{NUMBER}W", re.ASCII)


def finite(_ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """The value of an option. Raises UsageError for NaN, which is neither below nor above any limit."""
    if value is not None and math.isnan(value):
        raise UsageError(f"--{param.name} nan is no number".replace("_", "-"), "give watts, or leave it out")
    return value


@click.command()
@click.option("--power", "power", type=click.Path(path_type=Path), multiple=True, required=True, metavar="FILE...", help="Power logs.")
@click.option("--benchmark", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder the benchmark wrote to.")
@click.option("--tz", metavar="ZONE", help="Zone of recorded times that carry none, such as UTC or America/Los_Angeles.")
@click.option("--accuracy", metavar="SPEC", help="Limit of error of the meter: 0.1%rdg+0.05%rng@6000W+2W.")
@click.option("--boundary", type=click.Choice([str(b) for b in Boundary]), help="Where a plain CSV was measured.")
@click.option(
    "--idle-w", type=click.FloatRange(0, 1e9), callback=finite, help="Idle power in watts; enters the uncertainty of the phase's edges."
)
@click.option("--budget", is_flag=True, help="Print the uncertainty budget of each phase too.")
@click.argument("more", nargs=-1, type=click.Path(path_type=Path))
@json_option
def command(
    power: tuple[Path, ...],
    benchmark: Path,
    tz: str | None,
    accuracy: str | None,
    boundary: str | None,
    idle_w: float | None,
    budget: bool,
    more: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Energy of each phase of a recorded benchmark, from recorded power logs.

    Reads PTDaemon spl.txt, nvidia-smi CSV, AIPerf gpu_telemetry_export.jsonl, the readings of a bundle and plain CSV (each also
    as .gz), and the runs of AIPerf, MLPerf and joulemark. Further power logs may follow the options, and a folder stands for
    its files. Exit 4 when the power does not cover a measured phase.
    """
    from joulemark import benchmarks, traces
    from joulemark.cards.budget import table
    from joulemark.cards.compute import compute
    from joulemark.energy.edges import edges

    where = None if tz is None else zone(tz)
    stated = None if accuracy is None else accuracy_of(accuracy)
    with progress("benchmark read"):
        run = benchmarks.read(benchmark, tz=where)
    files = [file for path in (*power, *more) for file in power_files(path)]
    placed = None if boundary is None else Boundary(boundary)
    with progress("power logs read") as told_of:
        series = [one for file in one_by_one(files, told_of) for one in traces.read(file, tz=where, boundary=placed)]
    seen = edges(series, run.windows)
    warning = seen.finding(run.clock)
    try:
        with progress("energy of the phases"):
            result = compute(series, run, accuracy=stated, power_idle_w=idle_w)
    except InsufficientData as error:
        raise InsufficientData(error.what if warning is None else f"{error.what}. {warning}", error.next_step) from error
    result["edges"] = seen.to_json()
    result["findings"] += [] if warning is None else [warning]
    result["power"]["files"] = [{"name": str(file), "sha256": digest(file)} for file in files]
    tables = "".join(f"\n\n{table(phase)}" for phase in result["phases"]) if budget else ""
    emit(result, as_json=as_json, text=lambda found: told(found) + tables)
    bare = [phase for phase in result["phases"] if phase["kind"] == "measured" and phase["energy_j"] is None]
    if bare:
        raise InsufficientData("; ".join(bare[0]["findings"]), "give a power log from before the phase until after it")


def digest(file: Path) -> str:
    """SHA-256 of a power log as it lies there."""
    with foreign.opened(file) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def accuracy_of(spec: str) -> Accuracy:
    """The accuracy that `spec` states, terms joined with +: `X%rdg`, `X%rng@RANGE W`, `X W`. Raises UsageError."""
    found = [TERM.fullmatch(term) for term in spec.replace(" ", "").split("+")]
    reading = range_ = range_w = absolute = 0.0
    for match in found:
        if match is None:
            raise UsageError(f"accuracy {spec!r} is not understood", "write it as 0.1%rdg+0.05%rng@6000W+2W")
        of_reading, of_range, at_range_w, in_w = (float(group or 0) for group in match.groups())
        reading, range_, range_w, absolute = reading + of_reading, range_ + of_range, range_w or at_range_w, absolute + in_w
    return Accuracy(reading, range_, range_w, absolute, source=f"--accuracy {spec}")


def power_files(path: Path) -> list[Path]:
    """`path`, or the files in it when it is a folder. Raises FormatError for a folder without files."""
    if not path.is_dir():
        return [path]
    files = [file for file in foreign.files(path, "*", deep=False) if not file.name.startswith(".")]
    if not files:
        raise FormatError(f"{path} holds no power log", "give the files themselves")
    return files


def told(result: dict[str, Any]) -> str:
    """The result for people: each phase in a few lines, then what it could not tell."""
    lines = []
    for phase in result["phases"]:
        lines.append(f"{phase['name']} ({phase['kind']}), {phase['duration_s']:.3f} s, {phase['boundary']}")
        if phase["energy_j"] is None:
            lines.append("  energy        not known: the power log does not cover it")
            continue
        u95 = "" if phase["u95_j"] is None else f" +- {phase['u95_j']:.6g} J (U95 of what is known)"
        coverage = "" if phase["coverage"] is None else f", coverage {phase['coverage']:.2%}"
        lines.append(f"  energy        {phase['energy_j']:.8g} J{u95}, from the {phase['energy_method']}{coverage}")
        lines.append(f"  mean power    {phase['mean_power_w']:.6g} W")
        for key, label in (("output", "output"), ("total", "total")):
            value = phase[f"joules_per_1k_{key}_tokens"]
            if value is not None:
                lines.append(f"  per 1k {label:<7}{value:.6g} J per 1000 {label} tokens")
        if phase["joules_per_request"] is not None:
            lines.append(f"  per request   {phase['joules_per_request']:.6g} J, {phase['requests']} requests")
        for other in phase["other_boundaries"]:
            if other["energy_j"] is not None:
                lines.append(f"  at {other['boundary']:<11}{other['energy_j']:.8g} J (beside, not added)")
        for figure in phase["tool_reported"]:
            if figure["ours"] is not None:
                printed = f"{figure['name']} {figure['value']:.6g} {figure['unit']}"
                lines.append(f"  the tool's    {printed} ({figure['difference_rel']:+.2%} of ours)")
    lines += closure_lines(result["closure"])
    lines += clock_lines(result["edges"])
    return "\n".join([*lines, *(f"note: {finding}" for finding in result["findings"])])


def clock_lines(edges: dict[str, Any]) -> list[str]:
    """Whether the power agrees with the times of the phases; none where that is a note of its own."""
    if edges["verdict"] == "consistent":
        return [
            f"clocks          agree: power steps {edges['offset_s']:+.2f} s from the phases' edges, {edges['tolerance_s']:.2f} s may be"
        ]
    return [f"clocks          not checked: {edges['reason']}"] if edges["verdict"] == "unknown" else []
