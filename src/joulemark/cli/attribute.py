"""`joulemark attribute`: the energy of each phase of a run shared out among its requests, slices of time, prefill and decode, offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulemark.cli import emit, json_option
from joulemark.cli.compute import finite, power_files
from joulemark.cli.progress import one_by_one, progress
from joulemark.errors import UsageError
from joulemark.readings import Boundary
from joulemark.timebase import zone

if TYPE_CHECKING:
    from joulemark.cards.attribution_asked import Told
    from joulemark.cards.evidence import Evidence

PARTS = (
    ("requests_j", "requests"),
    ("others_j", "other phases'"),
    ("idle_j", "no request"),
    ("unattributed_j", "unattributed"),
    ("energy_upper_bound_j", "unmetered"),
)
SHOWN = 40
"""Requests of a phase in the text; `--json` has all."""


@click.command()
@click.argument("bundle", required=False, metavar="[BUNDLE]")
@click.option("--power", type=click.Path(path_type=Path), multiple=True, metavar="FILE...", help="Power logs, in place of a bundle.")
@click.option("--benchmark", type=click.Path(path_type=Path), metavar="DIR", help="Folder the benchmark wrote to, with --power.")
@click.option("--tz", metavar="ZONE", help="Zone of recorded times that carry none.")
@click.option("--boundary", type=click.Choice([str(b) for b in Boundary]), help="Where a plain CSV was measured.")
@click.option(
    "--slice", "slice_s", type=click.FloatRange(0, 1e9, min_open=True), callback=finite, metavar="SECONDS", help="Cut each phase."
)
@click.option("--requests", "listed", is_flag=True, help="List every request.")
@click.option("--share", type=click.Choice(["equal", "tokens"]), default="equal", help="How requests in flight share the power.")
@click.option("--mean-power", is_flag=True, help="Share the mean power of the phase, for requests that are too short for the meters.")
@click.option("--whole-device", is_flag=True, help="Nothing but this run used what the meters see: instances of a GPU, a rack.")
@click.option("--idle-w", type=click.FloatRange(0, 1e9), callback=finite, help="Idle power in watts, for the idle share.")
@json_option
def command(
    bundle: str | None,
    power: tuple[Path, ...],
    benchmark: Path | None,
    tz: str | None,
    boundary: str | None,
    slice_s: float | None,
    listed: bool,
    share: str,
    mean_power: bool,
    whole_device: bool,
    idle_w: float | None,
    as_json: bool,
) -> None:
    """Where the energy of each phase went: requests, idle time, prefill and decode. An estimate, and labelled so.

    BUNDLE is a folder, an archive of one, or the id of a run at the collector; or give --power and --benchmark as for `compute`.
    The parts add up to the energy that `compute` finds. Exit 4 when the power does not cover a measured phase.
    """
    from joulemark.cards.attribution import attribution
    from joulemark.cards.attribution_asked import Asked
    from joulemark.energy.attribution_claims import Method

    if (not power or benchmark is None) if bundle is None else (power or benchmark or tz or boundary):
        raise UsageError("nothing to attribute, or two things", "give BUNDLE alone, or --power with --benchmark")
    asked = Asked(Method(share), mean_power, slice_s, listed, whole_device, idle_w)
    if bundle is None:
        evidence, told = recorded(power, benchmark or Path(), tz=tz, boundary=boundary)
    else:
        evidence, told = bundled(bundle)
    with progress("energy shared out"):
        found = attribution(evidence, told, asked)
    emit(found, as_json=as_json, text=text)


def recorded(power: tuple[Path, ...], benchmark: Path, *, tz: str | None, boundary: str | None) -> tuple[Evidence, Told]:
    """A benchmark's folder and power logs."""
    from joulemark import benchmarks, traces
    from joulemark.benchmarks import per_request
    from joulemark.cards.attribution_asked import Told
    from joulemark.cards.evidence import Evidence

    where = None if tz is None else zone(tz)
    with progress("benchmark read"):
        run = benchmarks.read(benchmark, tz=where)
    placed = None if boundary is None else Boundary(boundary)
    files = [file for path in power for file in power_files(path)]
    with progress("power logs read") as told:
        series = [one for file in one_by_one(files, told) for one in traces.read(file, tz=where, boundary=placed)]
    inside = per_request.read(benchmark)
    return Evidence(run, tuple(series)), Told(inside.flights, f"{run.benchmark} records" if inside.flights else "", inside.slices)


def bundled(name: str) -> tuple[Evidence, Told]:
    """A bundle or a run at the collector; its requests from the benchmark's records beside it, which know first tokens, else its log."""
    from joulemark.benchmarks import per_request
    from joulemark.cards.attribution_asked import Told
    from joulemark.cards.attribution_records import in_flight
    from joulemark.cli import subject

    evidence = subject.read(name).evidence
    inside = per_request.read(Path(name)) if Path(name).exists() else per_request.Inside()
    named = {window.name: window for window in evidence.run.windows}
    if any((window := named.get(flight.request.phase)) and in_flight(flight, window) for flight in inside.flights):
        return evidence, Told(inside.flights, "the benchmark's records beside the bundle", inside.slices)
    return evidence, Told.logged(evidence.requests)


def text(found: Mapping[str, Any]) -> str:
    """The result for people: each phase in its parts, and what has to be known about them."""
    lines = [line for phase in found["phases"] for line in phase_lines(phase)]
    lines.append(f"method: {found['method']['label']}")
    return "\n".join([*lines, *(f"note: {finding}" for finding in found["findings"])])


def phase_lines(phase: Mapping[str, Any]) -> list[str]:
    """One phase."""
    lines = [f"{phase['name']} ({phase['kind']}), {phase['duration_s']:.3f} s, {phase['boundary']}"]
    if phase["energy_j"] is None:
        return [*lines, f"  energy        not known: {phase['reason']}"]
    u95 = "" if phase["u95_j"] is None else f" +- {phase['u95_j']:.6g} J (U95 of what is known)"
    lines.append(f"  energy        {phase['energy_j']:.8g} J{u95}, from the {phase['energy_method']}")
    lines += [part_line(phase, name, phase[key]) for key, name in PARTS if phase[key]]
    if phase["unattributed_because"]:
        lines.append(f"                ({phase['unattributed_because']})")
    split, idle = phase["split"], phase["idle_share"]
    if split["label"]:
        lines += [part_line(phase, name, split[f"{name}_j"]) for name in ("prefill", "decode")]
        lines.append(f"                ({split['label']})")
    if idle["energy_j"] is not None:
        lines.append(
            f"{part_line(phase, 'idle share', idle['energy_j'])} at {idle['power_w']:.5g} W, {idle['source']}; inside the parts above"
        )
    lines += [slice_line(part) for part in phase["slices"]]
    return lines + request_lines(phase["requests"])


def part_line(phase: Mapping[str, Any], name: str, energy_j: float) -> str:
    """One part, and its share of the phase."""
    share = f" {energy_j / phase['energy_j']:7.2%}" if phase["energy_j"] else ""
    return f"  {name:<13} {energy_j:.6g} J{share}"


def slice_line(part: Mapping[str, Any]) -> str:
    """One slice of time."""
    if part["energy_j"] is None:
        return f"  {part['name']:<13} not known: {part['reason']}"
    u95 = "" if part["u95_j"] is None else f" +- {part['u95_j']:.4g}"
    cut = "" if part["complete"] else ", cut off"
    return f"  {part['name']:<13} {part['energy_j']:.6g}{u95} J in {part['duration_s']:.3f} s{cut}"


def request_lines(requests: Mapping[str, Any] | None) -> list[str]:
    """How many requests have a figure of their own, and the first of them where they are listed."""
    if requests is None or not requests["count"]:
        return []
    lines = [f"  own figures   {requests['resolved_count']} of {requests['count']} requests, {requests['resolved_j']:.6g} J"]
    rows = requests["list"] or []
    for row in rows[:SHOWN]:
        figure = f"not known: {row['reason']}" if row["energy_j"] is None else f"{row['energy_j']:.6g} J"
        lines.append(f"  request {row['id']:<5} {figure}")
    return lines + ([f"  ... and {len(rows) - SHOWN} more: --json has them"] if len(rows) > SHOWN else [])
