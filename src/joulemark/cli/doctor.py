"""`joulemark doctor`: every check of this machine, each failed one with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulemark.cli import emit, json_option
from joulemark.cli.progress import progress
from joulemark.errors import EnvironmentFailed

if TYPE_CHECKING:
    from joulemark.cli.findings import Finding
    from joulemark.config import Config


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file.")
@json_option
@click.pass_context
def command(context: click.Context, config_file: Path | None, as_json: bool) -> None:
    """Check this machine; exits 5 when a check fails. A warning names what could be better."""
    with progress("checks of this machine"):
        found = list(findings(config_file))
    emit([finding.to_json() for finding in found], as_json=as_json, text=report)
    if any(finding.status == "fail" for finding in found):
        context.exit(EnvironmentFailed.exit_code)


def findings(config_file: Path | None) -> Iterator[Finding]:
    """The answer of every check, in the order in which things are needed."""
    from joulemark.cli import checks, feed_checks
    from joulemark.cli.config import checked
    from joulemark.cli.credentials import lying
    from joulemark.timebase import SystemClock

    yield checks.python()
    yield checks.sqlite()
    valid, config = checks.configuration(lambda: checked(config_file))
    yield valid
    config = lying(config)
    configured = {table.kind for table in config.meters}
    for kind in checks.LOCAL_KINDS:
        if kind not in configured:
            yield checks.local_meter(kind, config)
    for table in config.meters:
        yield checks.meter(table, config)
    yield checks.clock()
    yield checks.directory(config.collector.data_dir)
    yield checks.disk(config.spool.path.parent, config.spool.max_bytes)
    yield from certificates(config)
    yield from checks.ports(config)
    yield from checks.collectors(config)
    yield checks.prices(config, SystemClock())
    yield from feed_checks.all_of(config, SystemClock())


def certificates(config: Config) -> Iterator[Finding]:
    """The files of `[tls]` as a set, and what stands in them when they are one."""
    from joulemark.cli import checks
    from joulemark.cli.findings import warn
    from joulemark.timebase import SystemClock

    as_a_set = checks.certificates(config)
    yield as_a_set
    if as_a_set.status == "fail" or not (config.tls.ca_file or config.tls.cert_file):
        return
    try:
        from joulemark.cli import certificate_checks
    except EnvironmentFailed as missing:
        yield warn("certificate dates", missing.what, missing.next_step)
        return
    yield from certificate_checks.all_of(config, SystemClock())


def report(found: list[dict[str, Any]]) -> str:
    """One line for each finding, and below it the way to mend it."""
    lines = []
    for finding in found:
        lines.append(f"{finding['status']:4}  {finding['name']}: {finding['detail']}")
        if finding["mend"]:
            lines.append(f"      mend: {finding['mend']}")
    return "\n".join(lines)
