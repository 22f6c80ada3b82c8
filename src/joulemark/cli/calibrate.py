"""`joulemark calibrate`: hold a sensor against a reference meter, from gates and plateaus to a record and a plain answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from joulemark.calibration.procedure import SETTLE_S, WINDOW_S, WINDOWS, Plan, Progress, better_mid
from joulemark.cli import emit, json_option, printable
from joulemark.cli.run import url_option
from joulemark.client import Client
from joulemark.errors import EnvironmentFailed, NotCompliant
from joulemark.load.generators import Generator, Kind, Load, chosen
from joulemark.runs import IdleKind, PhaseKind
from joulemark.timebase import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulemark.cli.aligning import Bench

GATES: Final = click.Choice(["streams", "clocks", "exclusive", "monitors", "temperature", "steady"])
IDLE_KINDS: Final = click.Choice([str(kind) for kind in IdleKind])
NOT_COMPLIANT: Final = NotCompliant.exit_code


@click.group()
def command() -> None:
    """Align a sensor with a reference meter at plateaus of constant load.

    Exit codes: 0 accepted, 3 rejected or short of the standard, 4 readings are missing, 5 a gate is shut or the load failed,
    6 no collector.
    """


def gate_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--accept`."""
    about = "Go on although this gate is shut; the record says so. May be repeated."
    return click.option("--accept", "accepted", type=GATES, multiple=True, metavar="GATE", help=about)(function)


def load_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--load`."""
    about = "gpu, cpu, hand, or a command of yours with {level} where its level from 0 to 1 belongs."
    return click.option("--load", "load", default="gpu", show_default=True, help=about)(function)


def idle_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--idle-kind`."""
    about = "What idle means here: engine loaded without requests, or no engine."
    return click.option("--idle-kind", type=IDLE_KINDS, default=str(IdleKind.READY), show_default=True, help=about)(function)


@contextmanager
def bench_of(
    url: str | None, meter_ids: tuple[str, ...], generator: Generator, folder: Path
) -> Iterator[tuple[Bench, list[dict[str, Any]]]]:
    """The bench of these meters, and all that the collector describes; the load is stopped at the end. Raises UsageError."""
    from joulemark.cli.aligning import Bench, meter_of

    client = Client(url)
    described = client.meters()
    meters = tuple(meter_of(described, meter_id) for meter_id in meter_ids)
    live = (lambda line: click.echo(f"\r\x1b[K  {printable(line)}", nl=False, err=True)) if sys.stderr.isatty() else None
    folder.mkdir(parents=True, exist_ok=True)
    with Load(generator, folder / "load.log") as load:
        yield Bench(client, load, folder, meters, say, live), described


def say(line: str) -> None:
    """One line of progress."""
    click.echo(("\r\x1b[K" if sys.stderr.isatty() else "") + printable(line), err=True)


def passed(bench: Bench, described: list[dict[str, Any]], accepted: tuple[str, ...]) -> list[Any]:
    """What every gate sees. Raises EnvironmentFailed when one is shut."""
    from joulemark.cli.aligning import look

    seen = look(bench, described, accepted)
    for one in seen:
        state = "ok" if one.passed else "accepted" if one.accepted else "cannot tell" if one.passed is None else "SHUT"
        say(f"gate {one.gate}: {state}: {one.saw}")
    if shut := [one for one in seen if one.shut]:
        names = " ".join(f"--accept {one.gate}" for one in shut)
        steps = "; ".join(f"{one.gate}: {one.next_step}" for one in shut)
        raise EnvironmentFailed(f"{len(shut)} of {len(seen)} gates are shut", f"{steps}. To go on nevertheless: {names}")
    return seen


@command.command("align")
@click.option("--sensor", metavar="METER", help="The meter to be aligned.")
@click.option("--reference", metavar="METER", help="The meter that it is held against; its accuracy must be known.")
@load_option
@idle_option
@click.option("--mid", type=float, default=0.5, show_default=True, help="Level of the load meant to bring the machine halfway.")
@click.option("--settle-s", type=float, default=SETTLE_S, show_default=True, help="Seconds before the windows of a plateau.")
@click.option("--windows", type=int, default=WINDOWS, show_default=True, help="Windows of a plateau.")
@click.option("--window-s", type=float, default=WINDOW_S, show_default=True, help="Seconds of a window.")
@click.option("--reverse", is_flag=True, help="A second pass in reverse order, as ES2 asks.")
@click.option("--held-out", "held_out_command", default="", metavar="CMD", help="The run that is not in the fit; default the load at 75 %.")
@click.option("--method", type=click.Choice(["two_plateaus", "deming", "odr"]), help="The fit; default Deming.")
@click.option("--modelled", is_flag=True, help="The meters stand at different boundaries (CAL-5).")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the record; default calibration-TIME.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Go on with an interrupted alignment in its folder.")
@gate_option
@url_option
@json_option
def align_command(
    sensor: str | None,
    reference: str | None,
    load: str,
    out: Path | None,
    resume: Path | None,
    method: str | None,
    modelled: bool,
    accepted: tuple[str, ...],
    url: str | None,
    as_json: bool,
    **plan: Any,
) -> int:
    """Measure plateaus at idle, mid and full load, fit, hold one run out, judge, and hand the record to the collector."""
    from joulemark.cli import aligning

    generator = chosen(load)
    if resume is not None:
        progress, folder = aligning.resumed(resume), resume
    elif sensor is None or reference is None:
        raise click.UsageError("--sensor and --reference are needed; list the meters with: joulemark meters list")
    else:
        made = Plan(sensor, reference, generator.name, **{**plan, "idle_kind": IdleKind(plan["idle_kind"])})
        now_ns = SystemClock().utc_ns()
        progress, folder = Progress(made, "", now_ns), out or Path(f"calibration-{now_ns // 10**9}")
    ids = (progress.plan.sensor, progress.plan.reference)
    with bench_of(url, ids, generator, folder) as (bench, described):
        for shortfall in progress.plan.shortfalls:
            say(f"not compliant with CAL-2: {shortfall}")
        progress = aligning.with_gates(progress, passed(bench, described, accepted))
        result = carried_out(bench, progress, method=method or "", modelled=modelled)
    emit(result, as_json=as_json, text=align_text)
    return 0 if result["accepted"] else NOT_COMPLIANT


def carried_out(bench: Bench, progress: Progress, *, method: str, modelled: bool) -> dict[str, Any]:
    """The plateaus that are left, then record and judgement. Interrupted, it says how to go on."""
    from dataclasses import replace

    from joulemark.cli import aligning

    if not progress.run_id:
        labels = {"sensor": progress.plan.sensor, "reference": progress.plan.reference}
        progress = replace(progress, run_id=bench.client.start(benchmark="calibration", labels=labels))
        aligning.kept(bench.folder, progress)
    try:
        progress = aligning.carried_out(bench, progress, lambda step: PhaseKind.IDLE_BEFORE if step.name == "idle" else PhaseKind.OTHER)
        bench.load.stop()
        bench.wait(aligning.tail_s(), "the load has ended")
        bench.client.resend(progress.run_id)
        bench.client.stop(progress.run_id)
        before = aligning.newest_before(bench.client, *(meter.meter_id for meter in bench.meters))
        made = aligning.aligned(bench, progress, before, method=method, modelled=modelled)
    except BaseException:
        say(f"what was measured is kept; go on with: joulemark calibrate align --load ... --resume {bench.folder}")
        raise
    return judged(bench, progress, made)


def judged(bench: Bench, progress: Progress, made: Any) -> dict[str, Any]:
    """The record written, judged and, unless its line is rejected, handed in; as it is printed."""
    from joulemark.calibration.acceptance import LIMITS, faults, gain_faults, line_faults
    from joulemark.calibration.figures import held_out_rel, mid_share, residual_rel
    from joulemark.cli import aligning

    files = aligning.files_of(made, progress)
    record = aligning.written(bench.folder, files)
    level = "ES2" if progress.plan.reverse else "ES1"
    rejected = [*line_faults(record, LIMITS[level]), *gain_faults(record, LIMITS[level])]
    if not rejected:
        bench.client.calibrate(files)
    found = faults(record, LIMITS[level])
    return {
        "schema": "joulemark.calibrate/1",
        "alignment_id": record.alignment_id,
        "run_id": progress.run_id,
        "folder": str(bench.folder),
        "level": level,
        "accepted": not found,
        "stored": not rejected,
        "faults": found,
        "gates_accepted": [gate["gate"] for gate in progress.gates if gate["accepted"]],
        "sensor": record.sensor,
        "reference": record.reference,
        "method": record.method,
        "gain": record.gain,
        "u_gain": record.u_gain,
        "offset_w": record.offset_w,
        "u_offset_w": record.u_offset_w,
        "lag_s": record.lag_s,
        "lag_residual_s": record.lag_residual_s,
        "residual_rel": residual_rel(record),
        "held_out_rel": held_out_rel(record),
        "mid_share": mid_share(record),
        "mid": progress.plan.mid,
        "expires_ns": record.expires_ns,
    }


def align_text(result: dict[str, Any]) -> str:
    """The answer in plain language."""
    verdict = "ACCEPTED" if result["accepted"] else "usable, but short of the standard" if result["stored"] else "REJECTED"
    lines = [
        f"{verdict} ({result['level']}): {result['reference']} = {result['gain']:.5f} x {result['sensor']} {result['offset_w']:+.2f} W",
        f"  standard uncertainty {result['u_gain']:.5f} and {result['u_offset_w']:.2f} W, by {result['method']}",
        f"  the sensor is {result['lag_s']:+.2f} s late, within {result['lag_residual_s']:.2f} s",
        f"  the farthest plateau lies {share(result['residual_rel'])} from the line, the held-out run {share(result['held_out_rel'])}",
        *(f"  not met: {fault}" for fault in result["faults"]),
        *([f"  halfway is nearer with --mid {better_mid(result['mid'], result['mid_share']):g}"] if off_middle(result) else []),
        *(f"  gate {gate} was accepted by hand" for gate in result["gates_accepted"]),
        f"  written to {result['folder']}" + (", stored by the collector, valid for 90 days" if result["stored"] else "; not handed in"),
    ]
    return "\n".join(lines)


def off_middle(result: dict[str, Any]) -> bool:
    """Whether the mid plateau is one of the faults."""
    return result["mid_share"] is not None and any("mid plateau" in fault for fault in result["faults"])


def share(value: float | None) -> str:
    """A relative figure as a person reads it."""
    return "not known" if value is None else f"{value:+.2%}"


@command.command()
@click.option("--meter", required=True, metavar="METER", help="The meter whose idle power is measured.")
@idle_option
@click.option("--settle-s", type=float, default=SETTLE_S, show_default=True, help="Seconds before the plateau.")
@click.option("--for-s", "for_s", type=float, default=WINDOWS * WINDOW_S, show_default=True, help="Seconds of the plateau.")
@gate_option
@url_option
@json_option
def idle(meter: str, idle_kind: str, settle_s: float, for_s: float, accepted: tuple[str, ...], url: str | None, as_json: bool) -> int:
    """Measure an idle plateau behind its gates. Exit 3: it was not steady."""
    with bench_of(url, (meter,), Generator(Kind.HAND), Path.cwd()) as (bench, described):
        seen = passed(bench, described, accepted)
        bench.wait(settle_s, "settling")
        result = plateau(bench, for_s)
    result |= {"schema": "joulemark.idle/1", "idle_kind": idle_kind, "gates_accepted": [str(one.gate) for one in seen if one.accepted]}
    emit(result, as_json=as_json, text=lambda data: f"{plateau_text(data)}; {data['idle_kind']}")
    return 0 if result["steady"] else NOT_COMPLIANT


@command.command("full-load")
@click.option("--meter", required=True, metavar="METER", help="The meter that tells when the load is steady.")
@load_option
@click.option("--level", type=click.FloatRange(0.0, 1.0, min_open=True), default=1.0, show_default=True)
@click.option("--settle-s", type=float, default=SETTLE_S, show_default=True, help="Seconds over which the power is looked at.")
@click.option("--for-s", "for_s", type=float, default=600.0, show_default=True, help="Seconds until the load is stopped.")
@url_option
@json_option
def full_load(meter: str, load: str, level: float, settle_s: float, for_s: float, url: str | None, as_json: bool) -> int:
    """Hold a load and say when it is steady. Exit 3: it never was."""
    result: dict[str, Any] = {}
    with bench_of(url, (meter,), chosen(load), Path.cwd()) as (bench, _):
        bench.load.hold(level)
        for _ in range(max(1, int(for_s // settle_s))):
            before = result.get("steady", False)
            result = plateau(bench, settle_s)
            if result["steady"] and not before:
                say(f"steady: {plateau_text(result)}")
    result |= {"schema": "joulemark.full_load/1", "level": level, "load": chosen(load).name}
    emit(result, as_json=as_json, text=plateau_text)
    return 0 if result["steady"] else NOT_COMPLIANT


def plateau(bench: Bench, seconds: float) -> dict[str, Any]:
    """How constant the one meter of the bench is over the next `seconds`. Raises InsufficientData."""
    from joulemark.calibration.gates import steadiness
    from joulemark.cli import aligning

    begin_ns = bench.clock.utc_ns()
    bench.wait(seconds, "measuring")
    end_ns = bench.clock.utc_ns()
    (meter,) = bench.meters
    found = aligning.arrived(bench, begin_ns, end_ns)[meter.meter_id]
    seen = steadiness(found.rows((found.t_ns >= begin_ns) & (found.t_ns <= end_ns)))
    return {
        "meter_id": meter.meter_id,
        "begin_ns": begin_ns,
        "end_ns": end_ns,
        "mean_power_w": seen.mean_w,
        "cv": seen.cv,
        "slope_per_min": seen.slope_per_min,
        "u_slope_per_min": seen.u_slope_per_min,
        "steady": seen.steady,
    }


def plateau_text(data: dict[str, Any]) -> str:
    """A plateau in one line."""
    state = "steady" if data["steady"] else "NOT steady"
    shape = f"CV {data['cv']:.2%}, slope {data['slope_per_min']:+.2%} per minute"
    return f"{data['meter_id']}: mean {data['mean_power_w']:.1f} W, {shape}: {state}"


@command.command()
@click.option("--sensor", metavar="METER", help="Only the alignments of this meter.")
@url_option
@json_option
def show(sensor: str | None, url: str | None, as_json: bool) -> None:
    """List the alignments that the collector keeps: age, gain, expiry, and what voids them."""
    now_ns = SystemClock().utc_ns()
    entries = [shown(record, now_ns) for record in Client(url).calibrations(sensor)]
    emit({"schema": "joulemark.calibrations/1", "alignments": entries}, as_json=as_json, text=show_text)


def shown(record: dict[str, Any], now_ns: int) -> dict[str, Any]:
    """What is printed of an alignment."""
    names = ("alignment_id", "sensor", "reference", "method", "gain", "offset_w", "made_ns", "expires_ns", "modelled", "transferred")
    voids = {name: value for name, value in record["binding"].items() if value not in ("", None, [], ())}
    return {
        **{name: record[name] for name in names},
        "age_days": (now_ns - record["made_ns"]) / 86_400e9,
        "expired": record["expires_ns"] < now_ns,
        "voided_by_change_of": voids,
    }


def show_text(data: dict[str, Any]) -> str:
    """One line for each alignment, and one for what voids it."""
    lines = []
    for one in data["alignments"]:
        left = (one["expires_ns"] - one["made_ns"]) / 86_400e9 - one["age_days"]
        until = "EXPIRED" if one["expired"] else f"{left:.0f} d left"
        line = f"{one['gain']:.5f} x {one['offset_w']:+.2f} W against {one['reference']}"
        lines.append(f"{one['sensor']}: {line}, {one['age_days']:.1f} d old, {until}")
        bound = ", ".join(f"{name} {value}" for name, value in one["voided_by_change_of"].items())
        lines.append(f"  {one['alignment_id']}; void when this changes: {bound or 'nothing was recorded'}")
    return "\n".join(lines) or "No alignment is stored. Make one with: joulemark calibrate align"
