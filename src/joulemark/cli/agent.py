"""`joulemark agent`: the process that measures one host."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

import click

from joulemark import config as configuration
from joulemark import logs
from joulemark.cli import emit, json_option


@click.group()
def command() -> None:
    """Run the agent of this host."""


@command.command()
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file; default $JOULEMARK_CONFIG.")
@click.option("--once", is_flag=True, help="Read every meter once, deliver that, and end.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@json_option
def run(config_path: Path | None, once: bool, log_level: str, as_json: bool) -> None:
    """Read the meters of this host and deliver the readings to the collector, until stopped.

    A collector that cannot be reached is reported once; readings wait on disk until it is back. With --once that is exit code 6.
    """
    from joulemark.agent.service import Agent

    logs.configure(log_level)
    agent = Agent(configuration.load(config_path))
    if once:
        data = dataclasses.asdict(agent.run_once())
        emit(
            data,
            as_json=as_json,
            text=lambda d: f"delivered {d['read_count']} reads of {', '.join(d['sources'])}; {d['error_count']} failed",
        )
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()
