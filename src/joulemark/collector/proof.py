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
from joulemark.collector.snapshot import READINGS
from joulemark.collector.store import schema
from joulemark.collector.store.columns import double_integral
from joulemark.collector.store.integral import counted
from joulemark.collector.store.sqlite import SqliteReadings
from joulemark.errors import EnvironmentFailed, InsufficientData, UsageError
from joulemark.readings import Quantity
from joulemark.units import NS_PER_S

DAY_NS: Final = 86_400 * NS_PER_S


@dataclass(slots=True)
class Proof:
    """What was looked at, and what is wrong. `spans`: days of single meters whose energy was made again from every reading."""

    files: int = 0
    size: int = 0
    databases: int = 0
    meters: int = 0
    spans: int = 0
    faults: list[str] = field(default_factory=list)


def proven(backups: Backups, backup: Backup, scratch: Path) -> Proof:
    """Look at every file of a backup; databases are written below the empty folder `scratch` for that. Raises OSError for a full disk."""
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
                proof.faults += [f"{file.name}: {fault}" for fault in database_faults(file.name, place, proof)]
        for part in scratch.iterdir():
            part.unlink()
    return proof


def database_faults(name: str, place: Path, proof: Proof) -> Iterator[str]:
    """What is wrong with a database."""
    proof.databases += 1
    yield from sound(place)
    if name.startswith(READINGS):
        yield from exact(place, proof)


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
