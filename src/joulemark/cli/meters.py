"""`joulemark meters`: which meters this machine has, and what one of them answers."""

from __future__ import annotations

import itertools
import statistics
import time
import tomllib
from typing import Any, Final

import click

from joulemark.cli import emit, json_option
from joulemark.cli.progress import Told, one_by_one, progress
from joulemark.config import AgentConfig, MeterTable
from joulemark.errors import ConfigError, JoulemarkError, MeterError, MeterTransient
from joulemark.meters import quality, registry
from joulemark.meters.base import Meter
from joulemark.meters.quality import RULES, Tier
from joulemark.readings import Boundary, MeterInfo, Sample
from joulemark.timebase import SystemClock
from joulemark.units import NS_PER_MS, NS_PER_S

LIST_SCHEMA: Final = "joulemark.meters/1"
PROBE_SCHEMA: Final = "joulemark.probe/1"
FEWEST_FOR_P99: Final = 100


@click.group()
def command() -> None:
    """List the meters of this machine, or probe one."""


@command.command("list")
@json_option
def list_meters(as_json: bool) -> None:
    """Every kind of meter: what exists here, or why it does not and what to do."""
    host = AgentConfig().agent_id
    with progress("kinds of meters tried") as told:
        kinds = [survey(kind, host) for kind in one_by_one(registry.kinds(), told)]
    emit({"schema": LIST_SCHEMA, "host": host, "kinds": kinds}, as_json=as_json, text=list_text)


@command.command("probe")
@click.argument("kind")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A key of the [[meter]] table; may be repeated.")
@click.option("--count", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Number of reads.")
@click.option("--interval-ms", default=50, show_default=True, type=click.IntRange(1, 60_000), help="Time between reads.")
@json_option
def probe(kind: str, options: tuple[str, ...], count: int, interval_ms: int, as_json: bool) -> None:
    """Open the meter of KIND, read it a few times, and print its values, refresh period and latency."""
    host = AgentConfig().agent_id
    [meter] = registry.build([MeterTable(kind, dict(map(parse_option, options)))], host=host)
    meter.open()
    try:
        with progress("reads of the meter") as told:
            polls, failed = poll(meter, count, interval_ms, told)
        devices = [summary(info.meters, of_device(polls, info.device_id)) for info in meter.info]
    finally:
        meter.close()
    report = {"schema": PROBE_SCHEMA, "kind": kind, "reads": count, "failed": failed, "latency_ms": latency_ms(polls)}
    emit({**report, "meters": [entry for device in devices for entry in device]}, as_json=as_json, text=probe_text)


def survey(kind: str, host: str) -> dict[str, Any]:
    """What `meters list` says of one kind: what it can measure and how well, its meters on this machine, or why there are none."""
    about = standing(kind)
    try:
        tables = registry.driver(kind).discover() or [{}]
        meters = [info for options in tables for info in described(MeterTable(kind, options), host)]
    except JoulemarkError as error:
        return {**about, "available": False, "reason": error.what, "next_step": error.next_step, "meters": []}
    return {**about, "available": True, "reason": "", "next_step": "", "meters": [info.to_json() for info in meters]}


def standing(kind: str) -> dict[str, Any]:
    """The quality file of a kind in brief; a kind without one has no tier, and nothing is known of its accuracy."""
    found = quality.of(registry.kinds()[kind].module)
    if found is None:
        return {"kind": kind, "boundaries": [], "accuracy": None, "tier": Tier.NONE, "open_rules": list(RULES)}
    return {
        "kind": kind,
        "boundaries": [str(boundary) for boundary in found.boundaries],
        "accuracy": found.accuracy,
        "tier": str(found.tier),
        "open_rules": list(found.open),
    }


def described(table: MeterTable, host: str) -> list[MeterInfo]:
    """What the meter of `table` says of itself. Raises what building and opening it raise."""
    [meter] = registry.build([table], host=host)
    meter.open()
    try:
        return [info for device in meter.info for info in device.meters]
    finally:
        meter.close()


def parse_option(text: str) -> tuple[str, Any]:
    """`KEY=VALUE` as a key and its TOML value; a value that is not TOML is taken as text."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--option {text!r} has no '='", "write KEY=VALUE")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key, value


def poll(meter: Meter, count: int, interval_ms: int, told: Told) -> tuple[list[list[Sample]], list[str]]:
    """`count` reads at a steady pace, and the reasons of those that failed; a device that left is not asked again.

    Raises the last of the failures when no read succeeded.
    """
    clock = SystemClock()
    polls: list[list[Sample]] = []
    failed: list[MeterError] = []
    begin_ns = clock.mono_ns()
    for number in one_by_one(range(count), told):
        wait_ns = begin_ns + number * interval_ms * NS_PER_MS - clock.mono_ns()
        time.sleep(max(0, wait_ns) / NS_PER_S)
        try:
            polls.append(meter.read(clock))
        except MeterError as error:
            failed.append(error)
            if not isinstance(error, MeterTransient):
                break
    if failed and not polls:
        raise failed[-1]
    return polls, [str(error) for error in failed]


def of_device(polls: list[list[Sample]], device_id: str) -> list[Sample]:
    """The samples of one device: not every read is of all of them, since some (the inlet of an `ipmi` server) are asked seldom."""
    return [sample for samples in polls for sample in samples if sample.device_id == device_id]


def latency_ms(polls: list[list[Sample]]) -> dict[str, float | None]:
    """Time of a whole poll, first bracket to last, in milliseconds: `p50`, and `p99`, which fewer than a hundred polls do not tell."""
    spans = sorted((samples[-1].t_read1_ns - samples[0].t_read0_ns) / NS_PER_MS for samples in polls if samples)
    p99 = statistics.quantiles(spans, n=100, method="inclusive")[98] if len(spans) >= FEWEST_FOR_P99 else None
    return {"p50": statistics.median(spans) if spans else None, "p99": p99}


def summary(meters: tuple[MeterInfo, ...], samples: list[Sample]) -> list[dict[str, Any]]:
    """Per meter of a device: what it is, its last value, how many reads were good, and how often it was seen to change."""
    entries = []
    for i, meter in enumerate(meters):
        good = [(moment(sample, i), sample.values[i]) for sample in samples if sample.values[i] is not None]
        reasons = sorted({sample.reasons[i] for sample in samples if sample.reasons[i]})
        last = good[-1][1] if good else None
        entries.append(
            {
                **meter.to_json(),
                "value_si": None if last is None else meter.si(last),
                "unit": meter.quantity.unit,
                "good": len(good),
                "reasons": reasons,
                "update_period_measured_s": refresh_s(good),
            }
        )
    return entries


def moment(sample: Sample, i: int) -> int:
    """When the value is from: the device's own stamp, else the middle of the read bracket."""
    return sample.t_device_ns[i] or (sample.t_read0_ns + sample.t_read1_ns) // 2 + sample.utc_minus_mono_ns


def refresh_s(good: list[tuple[int, int | None]]) -> float | None:
    """Median time between changes of the value; an upper bound where the reads are slower. None for fewer than two changes."""
    changes = [t for (_, before), (t, now) in itertools.pairwise(good) if now != before]
    steps = [later - earlier for earlier, later in itertools.pairwise(changes)]
    return statistics.median(steps) / NS_PER_S if steps else None


def list_text(data: dict[str, Any]) -> str:
    """The listing for people."""
    lines = []
    for entry in data["kinds"]:
        where = "any boundary" if len(entry["boundaries"]) == len(Boundary) else ", ".join(entry["boundaries"]) or "boundary not stated"
        lines.append(f"{entry['kind']:10} {entry['tier']:8} {where}; accuracy: {entry['accuracy'] or 'not stated'}")
        if not entry["available"]:
            lines.append(f"{'':10} not here: {entry['reason']}\n{'':10} next: {entry['next_step']}")
        lines.extend(f"{'':10} {meter_text(meter)}" for meter in entry["meters"])
    return "\n".join(lines)


def meter_text(meter: dict[str, Any]) -> str:
    """One meter in one line: id, boundary, accuracy, and what must not be missed."""
    accuracy = meter["accuracy"]
    limit = f"{accuracy['pct_reading']:g} % of reading, {accuracy['pct_range']:g} % of range" if accuracy else "accuracy not stated"
    coverage = "" if meter["coverage"] in (None, 1.0) else f", looks {meter['coverage']:.0%} of the time"
    simulated = ", SIMULATED" if meter["simulated"] else ""
    return f"{meter['meter_id']}  {meter['boundary']} {meter['current']}, {limit}{coverage}{simulated}" + note_text(meter["note"])


def note_text(note: str) -> str:
    """A note in brackets."""
    return f" ({note})" if note else ""


def probe_text(data: dict[str, Any]) -> str:
    """The probe for people."""
    p50, p99 = data["latency_ms"]["p50"], data["latency_ms"]["p99"]
    latency = (
        "no read came back" if p50 is None else f"a read takes {p50:.3f} ms" + ("" if p99 is None else f", 1 in 100 over {p99:.3f} ms")
    )
    lines = [f"{data['kind']}: {data['reads']} reads, {len(data['failed'])} failed, {latency}"]
    for meter in data["meters"]:
        value = "no value" if meter["value_si"] is None else f"{meter['value_si']:.3f} {meter['unit']}"
        seen = meter["update_period_measured_s"]
        refresh = "no change seen" if seen is None else f"changes every {seen:.3f} s"
        lines.append(f"{meter['meter_id']}  {value}, {meter['good']} good, {refresh}")
        lines.extend(f"  {reason}" for reason in meter["reasons"])
    return "\n".join(lines)
