"""catalog.db: runs and their marks. Written by the REST process alone; the only importer of sqlite_utils."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlite_utils import Database, Migrations

from joulemark import __version__
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.collector.unusable import unusable
from joulemark.errors import EnvironmentFailed, UsageError
from joulemark.runs import IdleKind, PhaseKind, Run, Tokens
from joulemark.units import NS_PER_S

MAX_OPEN_RUNS: Final = 1000
"""Runs begun within OPEN_NS and not stopped. Forgotten ones fall out of the count by themselves."""
OPEN_NS: Final = 86_400 * NS_PER_S
MAX_MARKS: Final = 10_000
MAX_TOLD: Final = 16
"""Marks, and files of benchmarks, of one run."""

MAX_SHOWN: Final = 200
"""Open phases that are listed at once."""

migrations: Final = Migrations("joulemark.catalog")


@dataclass(frozen=True, slots=True)
class OpenPhase:
    """A phase of a run that goes on; `name` is empty where no phase is open."""

    run_id: str
    benchmark: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Span:
    """Times of the first and the last mark of a run, on the clients' clocks; `boot_ids`: of the hosts that set them."""

    begin_ns: int
    end_ns: int
    boot_ids: frozenset[str]


@migrations()
def runs_and_marks(db: Database) -> None:
    """First tables."""
    db.table("run").create(
        {"run_id": str, "benchmark": str, "labels": str, "agents": str, "created_ns": int, "stopped_ns": int},
        pk="run_id",
        not_null={"benchmark", "labels", "agents", "created_ns"},
    )
    db.table("mark").create(
        {
            "id": int,
            "run_id": str,
            "edge": str,
            "name": str,
            "kind": str,
            "utc_ns": int,
            "mono_ns": int,
            "boot_id": str,
            "received_ns": int,
            "end_ns": int,
            "unc_ns": int,
            "tokens": str,
            "requests": int,
            "requests_failed": int,
            "source": str,
        },
        pk="id",
        not_null={"run_id", "edge", "name", "kind", "utc_ns", "mono_ns", "boot_id", "received_ns", "unc_ns", "tokens", "source"},
        foreign_keys=[("run_id", "run", "run_id")],
    )
    db.table("mark").create_index(["run_id", "edge", "name", "utc_ns"], unique=True)


@migrations()
def benchmark_files(db: Database) -> None:
    """What benchmarks' files told beside their windows, as `joulemark.run/1`."""
    db.table("told").create(
        {"id": int, "run_id": str, "body": str}, pk="id", not_null={"run_id", "body"}, foreign_keys=[("run_id", "run", "run_id")]
    )
    db.table("told").create_index(["run_id", "body"], unique=True)


@migrations()
def conditions(db: Database) -> None:
    """What the rules of the standard ask about: of a mark, how idle it was and why it does not count; of a run, documents and a seal."""
    db.table("mark").add_column("idle_kind", str)
    db.table("mark").add_column("aborted", str, not_null_default="")
    db.table("run").add_column("sealed_ns", int)
    db.table("document").create(
        {"run_id": str, "name": str, "body": str, "received_ns": int},
        pk=("run_id", "name"),
        not_null={"body", "received_ns"},
        foreign_keys=[("run_id", "run", "run_id")],
    )


def check(path: Path) -> None:
    """Raises EnvironmentFailed for a catalogue that a newer version has changed; nothing is written to it."""
    if not path.exists() or not path.stat().st_size:
        return
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        applied = {migration.name for migration in migrations.applied(Database(db))}
    if later := sorted(applied - known):
        raise EnvironmentFailed(
            f"{path.name} was changed by a newer joulemark ({', '.join(later)}), this is version {__version__}",
            "install that version again, or point collector.data_dir at an empty folder; the file was not touched",
        )


class Full(UsageError):
    """As much of it is kept already as may be."""


class Sealed(UsageError):
    """The run takes nothing more."""


class Catalog:
    """Runs and what was said of them. Used from one thread. Raises sqlite3.OperationalError when the disk is full."""

    def __init__(self, path: Path) -> None:
        """Open or create `path` and bring its tables up to date. Raises EnvironmentFailed when it is damaged, no database, or newer,
        and on a full disk.
        """
        try:
            check(path)
            connection = sqlite3.connect(path)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
            self._db = Database(connection)
            migrations.apply(self._db)
        except sqlite3.Error as error:
            raise unusable(path, error, "restore it from a backup, or move it away to begin anew") from error

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def start(self, run: Recorded, created_ns: int) -> None:
        """Keep a run and its marks. One that exists is left as it is, so that a client may ask twice. Raises Full."""
        if self.run(run.run_id) is None and self.open_runs(created_ns) >= MAX_OPEN_RUNS:
            raise Full(f"{MAX_OPEN_RUNS} runs of the last day are not stopped", "stop those that ended: joulemark run stop ID")
        row = {
            "run_id": run.run_id,
            "benchmark": run.benchmark,
            "labels": json.dumps(dict(run.labels)),
            "agents": json.dumps(run.agents),
            "created_ns": created_ns,
        }
        self._db.table("run").insert(row, ignore=True)
        self.mark(run.run_id, *run.marks)

    def open_runs(self, now_ns: int) -> int:
        """How many runs were begun within the last day and not stopped."""
        query = "SELECT COUNT(*) FROM run WHERE stopped_ns IS NULL AND created_ns > ?"
        return int(self._db.execute(query, (now_ns - OPEN_NS,)).fetchone()[0])

    def open_phases(self, now_ns: int) -> list[OpenPhase]:
        """What goes on now, newest run first: runs begun within the last day and not stopped, with the phases that were not ended."""
        query = """SELECT r.run_id, r.benchmark, m.name, m.kind, m.edge, MAX(m.utc_ns) FROM run r
            LEFT JOIN mark m ON m.run_id = r.run_id AND m.edge IN ('begin', 'end')
            WHERE r.stopped_ns IS NULL AND r.created_ns > ? GROUP BY r.run_id, m.name ORDER BY r.created_ns DESC, m.name"""
        found: dict[str, list[OpenPhase]] = {}
        for run_id, benchmark, name, kind, edge, _ in self._db.execute(query, (now_ns - OPEN_NS,)):
            phases = found.setdefault(run_id, [OpenPhase(run_id, benchmark, "", "")])
            if edge == Edge.BEGIN:
                phases.append(OpenPhase(run_id, benchmark, name, kind))
        return [one for phases in found.values() for one in (phases[1:] or phases)][:MAX_SHOWN]

    def mark(self, run_id: str, *marks: Mark) -> None:
        """Keep marks, all or none; the same mark again changes nothing. A stop also closes the run. Raises Full and Sealed."""
        self._refuse_sealed(run_id)
        if self._count("mark", run_id) + len(marks) > MAX_MARKS:
            raise Full(f"run {run_id!r} would have more than {MAX_MARKS} marks", "begin another run for what follows")
        rows = ({"run_id": run_id, **asdict(mark), "tokens": json.dumps(asdict(mark.tokens))} for mark in marks)
        self._db.table("mark").insert_all(rows, ignore=True, batch_size=MAX_MARKS)
        for mark in marks:
            if mark.edge is Edge.STOP:
                self._db.execute("UPDATE run SET stopped_ns = ? WHERE run_id = ? AND stopped_ns IS NULL", (mark.received_ns, run_id))
                self._db.conn.commit()

    def tell(self, run_id: str, told: Run) -> None:
        """Keep what a benchmark's files said; the same again changes nothing. Raises Full and Sealed."""
        self._refuse_sealed(run_id)
        if self._count("told", run_id) >= MAX_TOLD:
            raise Full(f"run {run_id!r} was told of {MAX_TOLD} files of benchmarks", "begin another run for what follows")
        self._db.table("told").insert({"run_id": run_id, "body": json.dumps(told.to_json(), sort_keys=True)}, ignore=True)

    def document(self, run_id: str, texts: Mapping[str, str], received_ns: int) -> None:
        """Keep documents of a run by name, all or none; one of the same name is replaced. Raises Sealed."""
        self._refuse_sealed(run_id)
        rows = [{"run_id": run_id, "name": name, "body": body, "received_ns": received_ns} for name, body in texts.items()]
        self._db.table("document").insert_all(rows, replace=True)

    def documents(self, run_id: str) -> dict[str, str]:
        """The documents of a run, by name."""
        rows = self._db.query("SELECT name, body FROM document WHERE run_id = ? ORDER BY name", (run_id,))
        return {row["name"]: row["body"] for row in rows}

    def stamps(self, run_id: str) -> list[tuple[str, int, int]]:
        """(name, when it came, its place in the file) of each document of a run: another one of its name has another. No text is read."""
        query = "SELECT name, received_ns, rowid FROM document WHERE run_id = ? ORDER BY name"
        return [(name, received_ns, place) for name, received_ns, place in self._db.execute(query, (run_id,))]

    def seal(self, run_id: str, sealed_ns: int) -> int:
        """Take nothing more for a run; since when that is so. A second time changes nothing."""
        self._db.execute("UPDATE run SET sealed_ns = ? WHERE run_id = ? AND sealed_ns IS NULL", (sealed_ns, run_id))
        self._db.conn.commit()
        return self.sealed_ns(run_id) or sealed_ns

    def sealed_ns(self, run_id: str) -> int | None:
        """Since when the run takes nothing more, None while it does."""
        row = next(self._db.query("SELECT sealed_ns FROM run WHERE run_id = ?", (run_id,)), None)
        return None if row is None else row["sealed_ns"]

    def _refuse_sealed(self, run_id: str) -> None:
        if self.sealed_ns(run_id) is not None:
            raise Sealed(f"run {run_id!r} is sealed: nothing is added to it", "begin another run for what follows")

    def _count(self, table: str, run_id: str) -> int:
        return int(self._db.execute(f"SELECT COUNT(*) FROM {table} WHERE run_id = ?", (run_id,)).fetchone()[0])

    def run(self, run_id: str) -> Recorded | None:
        """A run with its marks, None when there is none of that id."""
        row = next(self._db.query("SELECT benchmark, labels, agents FROM run WHERE run_id = ?", (run_id,)), None)
        if row is None:
            return None
        marks = self._db.query("SELECT * FROM mark WHERE run_id = ? ORDER BY utc_ns, id", (run_id,))
        told = self._db.query("SELECT body FROM told WHERE run_id = ? ORDER BY id", (run_id,))
        return Recorded(
            run_id,
            row["benchmark"],
            json.loads(row["labels"]),
            tuple(json.loads(row["agents"])),
            tuple(map(mark_of, marks)),
            tuple(Run.from_json(json.loads(entry["body"])) for entry in told),
        )

    def runs(self, limit: int = 100, *, begin_ns: int = 0, end_ns: int = 2**63 - 1) -> list[dict[str, Any]]:
        """The newest runs of [begin_ns, end_ns): run_id, benchmark, labels, agents, created_ns, stopped_ns, sealed_ns."""
        columns = "run_id, benchmark, labels, agents, created_ns, stopped_ns, sealed_ns"
        query = f"SELECT {columns} FROM run WHERE created_ns >= ? AND created_ns < ? ORDER BY created_ns DESC, run_id DESC LIMIT ?"
        found = self._db.query(query, (begin_ns, end_ns, limit))
        return [{**row, **{name: json.loads(row[name]) for name in ("labels", "agents")}} for row in found]

    def spans(self, run_ids: Sequence[str] | None = None) -> dict[str, Span]:
        """When the first and the last mark of some runs were, and on which boots; None for all runs."""
        chosen = "" if run_ids is None else f"WHERE run_id IN ({', '.join('?' * len(run_ids))})"
        query = f"""SELECT run_id, MIN(utc_ns), MAX(MAX(utc_ns, COALESCE(end_ns, 0))), GROUP_CONCAT(DISTINCT boot_id)
            FROM mark {chosen} GROUP BY run_id"""
        rows = self._db.execute(query, tuple(run_ids or ()))
        return {run_id: Span(begin_ns, end_ns, frozenset(boots.split(",")) - {""}) for run_id, begin_ns, end_ns, boots in rows}


def mark_of(row: dict[str, Any]) -> Mark:
    """The mark in a row of the table."""
    values = {name: row[name] for name in Mark.__slots__}
    idle_kind = None if row["idle_kind"] is None else IdleKind(row["idle_kind"])
    kinds = {"edge": Edge(row["edge"]), "kind": PhaseKind(row["kind"]), "tokens": Tokens(**json.loads(row["tokens"]))}
    return Mark(**{**values, **kinds, "idle_kind": idle_kind})
