"""`joulemark import`: what a benchmark's files say, as read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from joulemark.cli import emit, json_option
from joulemark.cli.progress import progress
from joulemark.timebase import iso_utc, zone


@click.command("import")
@click.argument("tool")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--tz", metavar="ZONE", help="Zone of recorded times that carry none, such as UTC or America/Los_Angeles.")
@json_option
def command(tool: str, folder: Path, tz: str | None, as_json: bool) -> None:
    """Read the files of TOOL (aiperf, vllm, mlperf ...; auto tells it by the files) in DIR: phases, tokens, requests, clock."""
    from joulemark import benchmarks

    with progress("benchmark read"):
        run = benchmarks.read(folder, tz=None if tz is None else zone(tz), tool=None if tool == "auto" else tool)
    emit(run.to_json(), as_json=as_json, text=told)


def told(run: dict[str, Any]) -> str:
    """The run for people."""
    lines = [f"{run['benchmark']} {run['run_id']}".rstrip() + f", clock {run['clock']}"]
    for phase in run["phases"]:
        tokens = phase["tokens"]
        counts = f"input {known(tokens['input'])}, output {known(tokens['output'])}"
        lines.append(f"{phase['name']} ({phase['kind']})")
        lines.append(f"  {iso_utc(phase['begin_ns'])} to {iso_utc(phase['end_ns'])}, edges within {phase['unc_ns']} ns")
        lines.append(f"  tokens: {counts}, counted by {tokens['source'] or 'nobody'}")
        lines.append(f"  requests: {known(phase['requests'])} completed, {known(phase['requests_failed'])} failed or cancelled")
    for figure in run["tool_reported"]:
        lines.append(f"the tool's {figure['name']}: {figure['value']:.6g} {figure['unit']} ({figure['window']}, {figure['source']})")
    return "\n".join([*lines, *(f"note: {finding}" for finding in run["findings"])])


def known(value: float | None) -> str:
    """A count, or that it is unknown."""
    return "unknown" if value is None else f"{value:,.0f}"
