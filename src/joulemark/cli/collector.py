"""`joulemark collector`: the process that keeps readings and answers for runs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from joulemark import config as configuration
from joulemark import logs
from joulemark.cli import backing_up, emit, installing, json_option
from joulemark.cli.installation import COLLECTOR
from joulemark.cli.progress import progress


@click.group()
def command() -> None:
    """Run the collector."""


for upkeep in (backing_up.backup, backing_up.verify, backing_up.restore):
    command.add_command(upkeep)
command.add_command(installing.install_command(COLLECTOR))
command.add_command(installing.uninstall_command(COLLECTOR))


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
        data = {
            "grpc": addresses.grpc[0],
            "ingest": addresses.grpc,
            "rest": listen.rest_url(config, addresses.rest),
            "data_dir": str(config.collector.data_dir),
        }
        emit(data, as_json=as_json, text=lambda d: f"agents: {', '.join(d['ingest'])}\npages:  {d['rest']}/\ndata:   {d['data_dir']}")

    service.run(config, ready)


@command.command("move-to-clickhouse")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file; default $JOULEMARK_CONFIG.")
@click.option("--keep", type=click.Path(path_type=Path), help="First copy readings.db into this file, for the way back; others beside it.")
@json_option
def move_to_clickhouse(config_path: Path | None, keep: Path | None, as_json: bool) -> None:
    """Move what readings.db, and the file of each further ingest process, holds onto the shards of [clickhouse], verified.

    The collector must be stopped; agents keep their readings meanwhile. May be interrupted and run again: what lies there already is
    compared, not sent again. Counts, hashes of all chunks and all exact integrals are compared on both sides before anything is taken out
    of a file. With --keep FILE.db the copy of readings-1.db is FILE-1.db.
    """
    from joulemark.collector import ingest
    from joulemark.collector.store import configured, files
    from joulemark.collector.store.clickhouse.moving import Moved

    logs.configure("warning")
    config = configuration.load(config_path)
    folder, moved = config.collector.data_dir, Moved(0, 0, 0)
    with ExitStack() as held:
        held.enter_context(ingest.locked(folder))
        numbers = files.numbers(folder)
        for number in numbers[1:]:
            held.enter_context(ingest.locked(folder, number))
        all_files = {number: held.enter_context(configured.moving(config, files.path_of(folder, number))) for number in numbers}
        if keep is not None:
            for number, moving in all_files.items():
                moving.keep(keep.with_name(f"{keep.stem}-{number}{keep.suffix}") if number else keep)
        for moving in all_files.values():
            with progress("chunks compared on the shards") as told:
                moved += moving.run(told)
    emit(
        moved.to_json(),
        as_json=as_json,
        text=lambda d: (
            f"{d['chunks']} chunks and {d['sums']} sums lie on the shards, {d['sent']} chunks sent by this run; start the collector again"
        ),
    )
