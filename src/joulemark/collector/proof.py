"""Whether a backup is worth something: every block and file by its hash, every database by SQLite, every energy by its readings.

The exact sums of sealed chunks are held against the readings that they stand for: a day of each power meter, integrated from every
reading, is to the last digit what the sums say.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from joulemark.collector.backups import Backup, Backups, Kept
from joulemark.collector.snapshot import READINGS, put_back
from joulemark.collector.store import schema, segments
from joulemark.collector.store.columns import double_integral
from joulemark.collector.store.integral import counted
from joulemark.collector.store.sqlite import SqliteReadings
from joulemark.errors import EnvironmentFailed, InsufficientData, UsageError
from joulemark.readings import Quantity
from joulemark.units import NS_PER_S

DAY_NS: Final = 86_400 * NS_PER_S


@dataclass(slots=True)
class Proof:
    """What was looked at, and what is wrong. `spans`: days of single meters whose energy was made again from every reading;
    `spans_from_shards`, `spans_left_out`: what of an agent was sealed at once and lay on a shard then, in the backup and not in it.
    """

    files: int = 0
    size: int = 0
    databases: int = 0
    meters: int = 0
    spans: int = 0
    spans_from_shards: int = 0
    spans_left_out: int = 0
    faults: list[str] = field(default_factory=list)


def proven(backups: Backups, backup: Backup, scratch: Path, *, without_shards: bool = False) -> Proof:
    """Look at every file of a backup; databases are written below the empty folder `scratch` for that. What lay on shards and is not in it
    is a fault, unless `without_shards`. Raises OSError for a full disk.
    """
    proof = Proof()
    for file in backup.files:
        proof.files += 1
        proof.size += file.size
        place = scratch / file.name.replace("/", "-") if file.name.endswith(".db") else None
        try:
            write(backups, file, place)
        except InsufficientData as error:
            proof.faults.append(error.what)
        else:
            if place is not None:
                proof.faults += [f"{file.name}: {fault}" for fault in database_faults(backups, backup, file, place, proof, without_shards)]
        for part in scratch.iterdir():
            part.unlink()
    return proof


def database_faults(backups: Backups, backup: Backup, file: Kept, place: Path, proof: Proof, without_shards: bool) -> Iterator[str]:
    """What is wrong with a database of a backup, which was written to `place`."""
    proof.databases += 1
    yield from sound(place)
    if file.name.startswith(READINGS):
        yield from whole(backups, backup, file, place, proof, without_shards)
        yield from exact(place, proof)


def whole(backups: Backups, backup: Backup, file: Kept, place: Path, proof: Proof, without_shards: bool) -> Iterator[str]:
    """Put back what lay on shards; what of it is missing."""
    try:
        proof.spans_from_shards += put_back(backups, backup, file.name, place)
        with closing(sqlite3.connect(place)) as db:
            left = segments.readable(db)
    except InsufficientData as error:
        yield error.what
    except sqlite3.Error as error:
        yield str(error)
    else:
        proof.spans_left_out += sum(left.values())
        if left and not without_shards:
            told = ", ".join(f"{count} on {shard}" for shard, count in left.items())
            yield f"sealed spans that lay on ClickHouse shards are not in this backup: {told}"


def write(backups: Backups, file: Kept, place: Path | None) -> None:
    """Read a file of a backup, and write it to `place` unless that is None. Raises InsufficientData, OSError."""
    if place is None:
        for _ in backups.bytes_of(file):
            pass
        return
    with place.open("wb") as out:
        out.writelines(backups.bytes_of(file))


def sound(path: Path) -> Iterator[str]:
    """What SQLite finds wrong with a database."""
    try:
        with closing(sqlite3.connect(path)) as db:
            for (said,) in db.execute("PRAGMA integrity_check"):
                if said != "ok":
                    yield str(said)
    except sqlite3.Error as error:
        yield str(error)


def exact(path: Path, proof: Proof) -> Iterator[str]:
    """Where the sums of a file of readings are not those of its readings. The file is brought to this version for that."""
    try:
        schema.check(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            schema.prepare(db)
            bounds = "SELECT MIN(t0_ns), MAX(t1_ns) FROM (SELECT t0_ns, t1_ns FROM chunk UNION ALL SELECT t0_ns, t1_ns FROM log)"
            first_ns, last_ns = db.execute(bounds).fetchone()
        if first_ns is None:
            return
        store = SqliteReadings(path)
        meters = [m for d in store.devices() for m in d.device.meters if m.quantity is Quantity.POWER]
        for meter in meters:
            proof.meters += 1
            for begin_ns in range(first_ns - DAY_NS, last_ns + DAY_NS, DAY_NS):
                yield from differs(store, meter.meter_id, begin_ns, proof)
    except (sqlite3.Error, EnvironmentFailed) as error:
        yield str(error)


def differs(store: SqliteReadings, meter_id: str, begin_ns: int, proof: Proof) -> Iterator[str]:
    """Whether the sums of a meter say something else of a day than its readings; nothing where its scale changed on that day, or some of
    its readings were deleted on purpose.
    """
    try:
        found = store.series([meter_id], begin_ns, begin_ns + DAY_NS - 1)
    except InsufficientData:
        return
    good = counted(found[0]) if len(found) == 1 else None
    if good is None or len(good) < 2:
        return
    t0_ns, t1_ns = int(good.t_ns[0]), int(good.t_ns[-1])
    try:
        ((said,),) = store.integrals([meter_id], [(t0_ns, t1_ns)])
    except UsageError:
        return
    proof.spans += 1
    if said is None or said.double != double_integral(good.t_ns, good.value):
        yield f"the sums of {meter_id} from {t0_ns} to {t1_ns} are not those of its readings"
