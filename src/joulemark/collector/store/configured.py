"""The store of readings as the configuration wants it: readings.db alone, or as the log in front of shards of ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from joulemark.collector.store import files, schema
from joulemark.collector.store.base import ReadingStore
from joulemark.collector.store.heir import HeirStore
from joulemark.collector.store.keeping import Keeping
from joulemark.collector.store.sealing import Sealer
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.collector.store.united import UnitedReadings
from joulemark.collector.store.writer import Writer
from joulemark.config import Config
from joulemark.errors import ConfigError, EnvironmentFailed
from joulemark.units import NS_PER_S

if TYPE_CHECKING:
    from joulemark.collector.store.clickhouse.archive import Archive
    from joulemark.collector.store.clickhouse.moving import Moving


@contextmanager
def store(config: Config, number: int = 0, older: Sequence[SqliteStore] = ()) -> Iterator[SqliteStore]:
    """The store that writes the file of ingest process `number`, beside `older` ones of processes that are no more; closed at the end.

    Raises EnvironmentFailed for files or shards of a newer version.
    """
    span_ns, path = round(config.collector.seal_after_s * NS_PER_S), files.path_of(config.collector.data_dir, number)
    keeping = Keeping.of(config.collector)
    if (archive := opened(config)) is None:
        made = HeirStore(path, older, seal_after_ns=span_ns, keeping=keeping)
        check_nothing_away(made)
    else:
        archive.shards.greet()
        made = HeirStore(path, older, seal_after_ns=span_ns, chunks=archive, sealer=into(archive, config), keeping=keeping)
    try:
        yield made
    finally:
        made.close()
        if archive is not None:
            archive.shards.close()


def check_nothing_away(store: SqliteStore) -> None:
    """Close the store and raise EnvironmentFailed where sealed readings lie on shards: without them every answer would have holes."""
    with closing(schema.reader(store.path)) as db:
        found = [name for (name,) in db.execute("SELECT DISTINCT shard FROM archived WHERE raw = 'kept' ORDER BY 1")]
    if found:
        store.close()
        raise EnvironmentFailed(
            f"readings of {store.path.name} lie on the ClickHouse shards {', '.join(found)}, and clickhouse.shards names none",
            "add their addresses again, or restore a backup from before they were used",
        )


def readings(config: Config) -> ReadingStore:
    """The read side of all files of the data folder, also of those of processes that are no more."""
    folder, archive = config.collector.data_dir, opened(config)
    paths = [files.path_of(folder, number) for number in files.numbers(folder)]
    found = [SqliteReadings(path) if archive is None else SqliteReadings(path, chunks=archive) for path in paths]
    return found[0] if len(found) == 1 else UnitedReadings(found)


@contextmanager
def moving(config: Config, path: Path) -> Iterator[Moving]:
    """What moves `path` onto the shards. Raises ConfigError where there is none, or no file."""
    archive = opened(config)
    if archive is None or not path.exists():
        missing = "clickhouse.shards names no shard" if archive is None else f"there is no {path}"
        raise ConfigError(missing, "give the configuration of the collector with --config")
    from joulemark.collector.store.clickhouse.moving import Moving

    made = Moving(path, archive)
    try:
        yield made
    finally:
        made.close()
        archive.shards.close()


def opened(config: Config) -> Archive | None:
    """The shards of the configuration, none of them reached yet; None where it names none. Raises ConfigError, EnvironmentFailed."""
    if not config.clickhouse.shards:
        return None
    try:
        from joulemark.collector.store.clickhouse.archive import Archive
        from joulemark.collector.store.clickhouse.shards import Shards
    except ModuleNotFoundError as error:
        raise EnvironmentFailed(
            "clickhouse.shards is set, and the client of ClickHouse is not installed", "pip install 'joulemark[clickhouse]'"
        ) from error
    return Archive(Shards.of(config))


def into(archive: Archive, config: Config) -> Callable[[Path, Writer], Sealer]:
    """What makes the sealer of a readings.db into an archive."""
    from joulemark.collector.store.clickhouse.retention import Retention
    from joulemark.collector.store.clickhouse.sealer import Sealer as IntoShards

    keeping = Keeping.of(config.collector)

    def made(path: Path, writer: Writer) -> Sealer:
        return IntoShards(path, writer, archive, retention=None if keeping is None else Retention(path, writer, archive, keeping))

    return made
