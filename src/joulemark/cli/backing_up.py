"""`joulemark collector backup`, `verify` and `restore`."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from joulemark import config as configuration
from joulemark.cli import emit, json_option
from joulemark.errors import EnvironmentFailed, InsufficientData

FOLDER = click.argument("folder", type=click.Path(path_type=Path))
at_option = click.option("--at", "name", help="Name of a backup in that folder; the newest unless set.")
without_option = click.option(
    "--without-shards", is_flag=True, help="Leave sealed readings on the shards of ClickHouse to ClickHouse's own backup."
)
config_option = click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file; default $JOULEMARK_CONFIG.")


@click.command()
@FOLDER
@config_option
@click.option("--keep", type=click.IntRange(1), help="Leave only so many of the newest backups.")
@without_option
@json_option
def backup(folder: Path, config_path: Path | None, keep: int | None, without_shards: bool, as_json: bool) -> None:
    """Copy the collector's data into FOLDER, also while it runs: what an earlier backup there has is not copied again.

    Everything in collector.data_dir, what lies on the shards of ClickHouse, and the prices; keys of [tls] and configuration lie elsewhere
    and are not in it.
    """
    from joulemark.collector import snapshot
    from joulemark.collector.backups import Backups
    from joulemark.collector.store.clickhouse.shelves import Shelves
    from joulemark.errors import UsageError
    from joulemark.timebase import SystemClock

    config = configuration.load(config_path)
    if folder.resolve().is_relative_to(config.collector.data_dir.resolve()):
        raise UsageError(f"{folder} lies in the data folder itself", "name one elsewhere, best on another disk")
    found, backups = snapshot.contents(config), Backups(folder)
    with backups.writing(), tempfile.TemporaryDirectory(dir=folder, prefix="copy") as scratch:
        with closing(Shelves(config, backups, Path(scratch), without=without_shards)) as shelves:
            made = backups.add(SystemClock().utc_ns(), snapshot.copied(found, Path(scratch), shelves.of))
        gone = backups.keep(keep) if keep else []
    size = {
        "files": len(made.files),
        "bytes": made.size,
        "added_bytes": backups.added_bytes,
        "spans_from_shards": shelves.spans,
        "spans_left_out": shelves.left_out,
    }
    emit({"folder": str(folder), "backup": made.name, **size, "removed": gone}, as_json=as_json, text=added)


def added(data: dict[str, Any]) -> str:
    """How much there is, and how much of it is new."""
    what = f"backup {data['backup']}: {data['files']} files, {data['bytes']} bytes, of which {data['added_bytes']} were new"
    left = f"{data['spans_left_out']} sealed spans on the shards of ClickHouse are NOT in it: back those up by its own means"
    return "\n".join([what, left] if data["spans_left_out"] else [what])


@click.command()
@FOLDER
@at_option
@click.option("--without-shards", is_flag=True, help="Take it as no fault that sealed readings on the shards of ClickHouse are not in it.")
@json_option
@click.pass_context
def verify(context: click.Context, folder: Path, name: str | None, without_shards: bool, as_json: bool) -> None:
    """Read a whole backup: its hashes, its databases, the energy of each meter and day from every reading. Exits 4 for a fault."""
    from joulemark.collector.backups import Backups
    from joulemark.collector.proof import proven

    backups = Backups(folder)
    backup = backups.read(name)
    try:
        with tempfile.TemporaryDirectory(prefix="joulemark-verify") as scratch:
            proof = proven(backups, backup, Path(scratch), without_shards=without_shards)
    except OSError as error:
        raise EnvironmentFailed(f"{error.filename}: {error.strerror}", "a database needs its size in $TMPDIR to be verified") from error
    emit({"backup": backup.name, "version": backup.version, "sound": not proof.faults, **asdict(proof)}, as_json=as_json, text=judged)
    if proof.faults:
        context.exit(InsufficientData.exit_code)


def judged(data: dict[str, Any]) -> str:
    """What was read, and every fault."""
    what = f"{data['files']} files, {data['size']} bytes, {data['databases']} databases, {data['spans']} days of {data['meters']} powers"
    return "\n".join([f"backup {data['backup']} is {'sound' if data['sound'] else 'NOT sound'}: {what}", *data["faults"]])


@click.command()
@FOLDER
@at_option
@click.option("--into", type=click.Path(path_type=Path), help="Folder to be made; collector.data_dir unless set.")
@config_option
@click.option("--without-shards", is_flag=True, help="Leave sealed readings where they lay, on shards of ClickHouse that are still there.")
@json_option
def restore(folder: Path, name: str | None, into: Path | None, config_path: Path | None, without_shards: bool, as_json: bool) -> None:
    """Write the files of a backup where nothing is yet. Nothing is ever written over, and what is damaged is not restored.

    Readings that lay on shards of ClickHouse come back into readings.db.
    """
    from joulemark.collector import snapshot
    from joulemark.collector.backups import Backups

    backups = Backups(folder)
    backup, place = backups.read(name), into or configuration.load(config_path).collector.data_dir
    spans = snapshot.restored(backups, backup, place, from_shards=not without_shards)
    data = {"backup": backup.name, "into": str(place), "files": len(backup.files), "bytes": backup.size, "spans_from_shards": spans}
    emit(data, as_json=as_json, text=lambda d: f"restored {d['files']} files, {d['bytes']} bytes, into {d['into']}")
