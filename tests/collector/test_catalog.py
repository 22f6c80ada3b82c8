"""The catalogue of runs: what is told twice is kept once, and all of it comes back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.collector.catalog import MAX_SHOWN, OPEN_NS, Catalog, OpenPhase, Sealed, Span
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.errors import EnvironmentFailed
from joulemark.runs import ClockKind, IdleKind, PhaseKind, Run, Tokens, ToolReported

START = Mark(Edge.START, "", PhaseKind.OTHER, 10, 1, "boot", 11)
WINDOW = Mark(
    Edge.WINDOW,
    "decode",
    PhaseKind.MEASURED,
    20,
    2,
    "boot",
    21,
    90,
    5,
    Tokens(output=0, input=1.5, source="server"),
    0,
    3,
    "f.json",
    IdleKind.READY,
    "it broke",
)
STOP = Mark(Edge.STOP, "", PhaseKind.OTHER, 99, 3, "boot", 100)
RUN = Recorded("r", "tool", {"model": "m"}, ("a", "b"), (START,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    catalog = Catalog(path)
    yield catalog
    catalog.close()


def test_a_run_comes_back_as_it_was_told(catalog: Catalog, path: Path) -> None:
    """Labels, agents, every field of every mark and the files' figures survive; marks come by time, whatever came first."""
    told = Run((), clock=ClockKind.LOCAL, tool_reported=(ToolReported("energy", 5.0, "J"),), findings=("No x.",))
    catalog.start(RUN, 11)
    catalog.mark("r", STOP)
    catalog.mark("r", WINDOW)
    catalog.tell("r", told)
    reopened = Catalog(path)
    assert reopened.run("r") == Recorded("r", "tool", {"model": "m"}, ("a", "b"), (START, WINDOW, STOP), (told,))
    reopened.close()


def test_the_first_telling_stands(catalog: Catalog) -> None:
    """A run, a mark, a stop and a file told again, even with other details, change nothing."""
    told = Run((), "tool")
    for received_ns in (11, 500):
        catalog.start(Recorded("r", f"tool{received_ns}", marks=(START,)), received_ns)
        catalog.mark("r", STOP if received_ns == 11 else Mark(Edge.STOP, "", PhaseKind.OTHER, 400, 3, "boot", received_ns))
        catalog.tell("r", told)
    (row,) = catalog.runs()
    assert (row["benchmark"], row["created_ns"], row["stopped_ns"]) == ("tool11", 11, 100)
    run = catalog.run("r")
    assert run is not None
    assert len(run.told) == 1


def test_a_run_that_nobody_started_is_none(catalog: Catalog) -> None:
    """An unknown id has no run, and a mark of it is refused by the file itself."""
    assert catalog.run("r") is None
    with pytest.raises(sqlite3.IntegrityError):
        catalog.mark("r", STOP)


def test_a_mark_is_durable_when_it_is_kept(catalog: Catalog, path: Path) -> None:
    """Another connection sees run, mark and stop while the catalogue is still open."""
    catalog.start(RUN, 11)
    catalog.mark("r", STOP)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT COUNT(*) FROM mark").fetchone() == (2,)
        assert db.execute("SELECT stopped_ns FROM run").fetchone() == (100,)


def test_a_file_of_the_first_version_gains_what_is_missing(catalog: Catalog, path: Path) -> None:
    """A catalogue from before benchmark files were kept is brought up to date at the start, its runs intact."""
    catalog.start(RUN, 11)
    catalog.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE told")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'benchmark_files'")
        db.commit()
    newer = Catalog(path)
    newer.tell("r", Run((), "tool"))
    run = newer.run("r")
    newer.close()
    assert run is not None
    assert (run.marks, len(run.told)) == ((START,), 1)


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    """A catalogue that is damaged keeps the collector from starting, with its path and the way out."""
    (tmp_path / "catalog.db").write_text("not a database, " * 500)
    with pytest.raises(EnvironmentFailed, match=r"catalog\.db"):
        Catalog(tmp_path / "catalog.db")


def test_a_newer_catalogue_is_refused_and_not_touched(path: Path) -> None:
    """The message names what the newer version did and which one this is; not a byte changes."""
    Catalog(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('joulemark.catalog', 'of_tomorrow', '')")
        db.commit()
    before = path.read_bytes()
    with pytest.raises(EnvironmentFailed, match=r"newer joulemark \(of_tomorrow\), this is version"):
        Catalog(path)
    assert path.read_bytes() == before


def test_the_last_document_of_a_name_stands(catalog: Catalog, path: Path) -> None:
    """Documents survive a restart, each by its name; a second one replaces the first and leaves the others alone."""
    catalog.start(RUN, 11)
    catalog.document("r", {"workload": "1", "nodes": "2"}, 20)
    catalog.document("r", {"workload": "3"}, 30)
    reopened = Catalog(path)
    assert reopened.documents("r") == {"workload": "3", "nodes": "2"}
    assert reopened.documents("another") == {}
    reopened.close()


def test_a_sealed_run_takes_nothing_more(catalog: Catalog) -> None:
    """Neither marks nor files nor documents, and a second seal keeps the first one's time; another run is not touched."""
    catalog.start(RUN, 11)
    catalog.start(Recorded("other"), 12)
    assert (catalog.sealed_ns("r"), catalog.seal("r", 50), catalog.seal("r", 60)) == (None, 50, 50)
    for act in (
        lambda: catalog.mark("r", STOP),
        lambda: catalog.tell("r", Run(())),
        lambda: catalog.document("r", {"workload": "1"}, 70),
    ):
        with pytest.raises(Sealed, match="sealed"):
            act()
    catalog.mark("other", STOP)


def test_what_goes_on(path: Path) -> None:
    """Runs of the last day that were not stopped are told with the phases that are open, newest first, and no more than may be shown."""

    def marked(edge: Edge, name: str, utc_ns: int) -> Mark:
        return Mark(edge, name, PhaseKind.WARMUP, utc_ns, 1, "boot", utc_ns)

    with closing(Catalog(path)) as catalog:
        for n, run_id in enumerate(("bare", "busy", "over")):
            catalog.start(Recorded(run_id, "tool"), 10 + n)
        begun = [marked(Edge.BEGIN, name, 20) for name in ("load", "decode")]
        catalog.mark("busy", *begun, marked(Edge.END, "load", 30), marked(Edge.BEGIN, "load", 40), marked(Edge.END, "decode", 50))
        catalog.mark("over", marked(Edge.BEGIN, "load", 20), STOP)
        assert catalog.open_phases(60) == [OpenPhase("busy", "tool", "load", "warmup"), OpenPhase("bare", "tool", "", "")]
        assert catalog.open_phases(OPEN_NS + 11) == []
        catalog.mark("bare", *(marked(Edge.BEGIN, str(n), 20) for n in range(MAX_SHOWN + 1)))
        assert len(catalog.open_phases(60)) == MAX_SHOWN


def test_the_list_tells_agents_seal_and_the_span_of_the_marks(catalog: Catalog) -> None:
    """Of each run who was named, since when it is sealed, when its first and last mark were, a window's end too, and on which boots."""
    catalog.start(RUN, 5)
    catalog.mark("r", WINDOW, replace(STOP, utc_ns=50, boot_id="other"))
    catalog.start(Recorded("s", marks=(replace(START, utc_ns=7, boot_id=""),)), 6)
    catalog.seal("r", 99)
    rows = {row["run_id"]: row for row in catalog.runs()}
    assert (rows["r"]["agents"], rows["r"]["sealed_ns"]) == (["a", "b"], 99)
    assert (rows["s"]["agents"], rows["s"]["sealed_ns"]) == ([], None)
    assert catalog.spans() == {"r": Span(10, 90, frozenset({"boot", "other"})), "s": Span(7, 7, frozenset())}
    assert set(catalog.spans(["s", "none"])) == {"s"}
    assert catalog.spans([]) == {}


def test_another_document_of_a_name_has_another_stamp(catalog: Catalog) -> None:
    """Stamps tell that a document was replaced, and are the same while none is."""
    catalog.start(RUN, 5)
    catalog.document("r", {"a": "1", "b": "2"}, 10)
    first = catalog.stamps("r")
    assert [name for name, _, _ in first] == ["a", "b"]
    assert catalog.stamps("r") == first
    catalog.document("r", {"b": "3"}, 11)
    assert catalog.stamps("r")[0] == first[0]
    assert catalog.stamps("r")[1] != first[1]
    assert catalog.stamps("none") == []
