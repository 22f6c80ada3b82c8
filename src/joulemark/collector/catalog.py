"""catalog.db: runs and their marks. Written by the REST process alone; the only importer of sqlite_utils."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database, Migrations

from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.runs import PhaseKind, Run, Tokens

migrations: Final = Migrations("joulemark.catalog")


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


class Catalog:
    """Runs and what was said of them. Used from one thread."""

    def __init__(self, path: Path) -> None:
        """Open or create `path` and bring its tables up to date."""
        connection = sqlite3.connect(path)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        self._db = Database(connection)
        migrations.apply(self._db)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def start(self, run: Recorded, created_ns: int) -> None:
        """Keep a run and its marks. One that exists is left as it is, so that a client may ask twice."""
        row = {
            "run_id": run.run_id,
            "benchmark": run.benchmark,
            "labels": json.dumps(dict(run.labels)),
            "agents": json.dumps(run.agents),
            "created_ns": created_ns,
        }
        self._db.table("run").insert(row, ignore=True)
        for mark in run.marks:
            self.mark(run.run_id, mark)

    def mark(self, run_id: str, mark: Mark) -> None:
        """Keep a mark; the same mark again changes nothing. A stop also closes the run."""
        self._db.table("mark").insert({"run_id": run_id, **asdict(mark), "tokens": json.dumps(asdict(mark.tokens))}, ignore=True)
        if mark.edge is Edge.STOP:
            self._db.execute("UPDATE run SET stopped_ns = ? WHERE run_id = ? AND stopped_ns IS NULL", (mark.received_ns, run_id))
            self._db.conn.commit()

    def tell(self, run_id: str, told: Run) -> None:
        """Keep what a benchmark's files said; the same again changes nothing."""
        self._db.table("told").insert({"run_id": run_id, "body": json.dumps(told.to_json(), sort_keys=True)}, ignore=True)

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

    def runs(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest runs: run_id, benchmark, labels, created_ns, stopped_ns."""
        query = "SELECT run_id, benchmark, labels, created_ns, stopped_ns FROM run ORDER BY created_ns DESC LIMIT ?"
        return [{**row, "labels": json.loads(row["labels"])} for row in self._db.query(query, (limit,))]


def mark_of(row: dict[str, Any]) -> Mark:
    """The mark in a row of the table."""
    values = {name: row[name] for name in Mark.__slots__}
    kinds = {"edge": Edge(row["edge"]), "kind": PhaseKind(row["kind"]), "tokens": Tokens(**json.loads(row["tokens"]))}
    return Mark(**{**values, **kinds})
