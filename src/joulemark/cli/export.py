"""`joulemark export`: what a run used, for cost and billing tools. Nothing is sent anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulemark.cli import emit, json_option, printable
from joulemark.cli.run import url_option
from joulemark.errors import InsufficientData, UsageError

if TYPE_CHECKING:
    from joulemark.exports.export import Export
    from joulemark.exports.usage import Usage


@click.group()
def command() -> None:
    """Write what a run used as FOCUS rows, OpenMeter events or Stripe meter events.

    The run is one of the collector, or a bundle on disk. Nothing is sent: the file is for the other program's own importer.
    """


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the run, `--out`, `--url` and `--json`."""
    function = json_option(function)
    function = url_option(function)
    function = click.option("--out", type=click.Path(path_type=Path), help="File to write. Default: standard output.")(function)
    return click.argument("target", metavar="RUN|BUNDLE")(function)


@command.command()
@common
@click.option("--focus-version", "version", default="1.2", show_default=True, help="Version of FOCUS: 1.1 or 1.2.")
@click.option("--account", default="joulemark", show_default=True, help="BillingAccountId of every row.")
@click.option("--priced-only", is_flag=True, help="Leave out phases without a price: FOCUS wants amounts in every row.")
def focus(target: str, out: Path | None, url: str | None, as_json: bool, version: str, account: str, priced_only: bool) -> None:
    """One FOCUS row of cost and usage for each phase, as CSV."""
    from joulemark.exports import focus as exporter

    made = exporter.export(usages_of(target, url), account=account, version=version, priced_only=priced_only)
    deliver(made, f"focus/{version}", out, as_json=as_json)


@command.command()
@common
@click.option("--subject", required=True, help="Key of the customer in OpenMeter.")
@click.option("--source", default="urn:joulemark", show_default=True, help="URI reference that names this installation.")
def openmeter(target: str, out: Path | None, url: str | None, as_json: bool, subject: str, source: str) -> None:
    """Tokens and joules of each counted phase, as a batch of CloudEvents 1.0."""
    from joulemark.exports import openmeter as exporter

    deliver(exporter.export(usages_of(target, url), subject=subject, source=source), "openmeter", out, as_json=as_json)


@command.command()
@common
@click.option("--customer", required=True, help="Id of the customer in Stripe, cus_...")
def stripe(target: str, out: Path | None, url: str | None, as_json: bool, customer: str) -> None:
    """Tokens of each counted phase as Stripe meter events, a line for each request of its meter event stream."""
    from joulemark.exports import stripe as exporter
    from joulemark.timebase import SystemClock

    deliver(exporter.export(usages_of(target, url), customer=customer, now_ns=SystemClock().utc_ns()), "stripe", out, as_json=as_json)


def usages_of(name: str, url: str | None) -> tuple[Usage, ...]:
    """What each phase used, of a run of the collector or of a bundle; its card is made anew from the readings. Raises as `subject.read`."""
    from joulemark.cards import card
    from joulemark.cli import subject
    from joulemark.exports import usage

    return usage.of_card(card.build(subject.read(name, url=url).evidence))


def deliver(made: Export, kind: str, out: Path | None, *, as_json: bool) -> None:
    """Write the export to `out` and tell what it is, or print it. What its reader has to know goes to stderr when it is printed.

    Raises InsufficientData for an empty one, UsageError when there is nothing to tell in JSON.
    """
    if as_json and out is None:
        raise UsageError("--json tells what was written, and --out is missing", "give --out FILE, or leave --json out")
    if not made.count:
        raise InsufficientData(f"nothing can be exported: {'; '.join(made.findings) or 'no phase has tokens'}", "hand in what is missing")
    if out is None:
        click.echo(made.text.encode(), nl=False)
        for finding in made.findings:
            click.echo(f"joulemark: {printable(finding)}", err=True)
        return
    write(out, made.text)
    result = {"schema": "joulemark.export/1", "kind": kind, "file": str(out), "count": made.count, "findings": list(made.findings)}
    emit(result, as_json=as_json, text=told)


def write(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all. Raises UsageError when the place is not writable."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "give a path in a folder of yours") from error


def told(result: dict[str, Any]) -> str:
    """What was written, then what its reader has to know."""
    return "\n".join([f"{result['count']} {result['kind']} records in {result['file']}", *(f"  {found}" for found in result["findings"])])
