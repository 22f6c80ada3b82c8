"""`joulemark config`: print the documented defaults, check a file, show the values in force."""

from __future__ import annotations

from pathlib import Path

import click

from joulemark.cli import emit, json_option
from joulemark.config import Config, load


@click.group()
def command() -> None:
    """Print, check or show the configuration."""


@command.command()
def default() -> None:
    """Print a file with every key, its default and what it means."""
    from joulemark.cli.config_text import default_text

    click.echo(default_text(), nl=False)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check FILE, with the keys of each [[meter]] and [[feed]]; exits 2 and names the first wrong key. Opens nothing, asks nobody."""
    config = checked(file)
    result = {
        "schema": "joulemark.config_check/1",
        "file": str(file),
        "meters": [table.kind for table in config.meters],
        "feeds": [table.kind for table in config.feeds],
    }
    emit(
        result,
        as_json=as_json,
        text=lambda data: f"{data['file']}: valid, {len(data['meters'])} meter and {len(data['feeds'])} feed tables",
    )


@command.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file.")
@json_option
def show(config_file: Path | None, as_json: bool) -> None:
    """Print the values in force: those of the file, and the defaults for the rest."""
    from joulemark.cli.config_text import effective, effective_text

    emit(effective(checked(config_file)), as_json=as_json, text=lambda values: effective_text(values).rstrip("\n"))


def checked(path: Path | None) -> Config:
    """The configuration of `path` (as `config.load` finds it), its `[[meter]]` and `[[feed]]` tables checked too. Raises ConfigError."""
    from joulemark.agent.wiring import divided
    from joulemark.collector.feeds import feeds_of
    from joulemark.meters import registry

    config = load(path)
    registry.build([divided(table)[1] for table in config.meters], host=config.agent.agent_id)
    feeds_of(config)
    return config
