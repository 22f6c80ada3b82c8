"""`joulemark collector`: the process that keeps readings and answers for runs."""

from __future__ import annotations

from pathlib import Path

import click

from joulemark import config as configuration
from joulemark import logs
from joulemark.cli import emit, json_option


@click.group()
def command() -> None:
    """Run the collector."""


@command.command()
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file; default $JOULEMARK_CONFIG.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@json_option
def run(config_path: Path | None, log_level: str, as_json: bool) -> None:
    """Take readings from agents and serve pages and REST, until stopped.

    Prints where it listens once it is ready; port 0 in the configuration means any free one.
    """
    from joulemark.collector import listen, service

    logs.configure(log_level)
    config = configuration.load(config_path)

    def ready(addresses: service.Addresses) -> None:
        data = {"grpc": addresses.grpc, "rest": listen.rest_url(config, addresses.rest), "data_dir": str(config.collector.data_dir)}
        emit(data, as_json=as_json, text=lambda d: f"agents: {d['grpc']}\npages:  {d['rest']}/\ndata:   {d['data_dir']}")

    service.run(config, ready)
