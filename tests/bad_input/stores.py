"""Bad stores, spools and certificates, met when a daemon starts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.bad_input.case import Case, Content, command, write

COLLECTOR = '[collector]\ngrpc_listen = "127.0.0.1:0"\nrest_listen = "127.0.0.1:0"\ndata_dir = "data"\n'
AGENT = '[agent]\nagent_id = "h"\ncollector = "127.0.0.1:9"\n[spool]\npath = "data/spool.db"\n[[meter]]\nkind = "fake"\n'
STARTS = {"collector": (COLLECTOR, ["collector", "run"]), "agent": (AGENT, ["agent", "run", "--once"])}
BEYOND = ("exit 2", "exit 5")


def newer(path: Path) -> None:
    """A database of a schema that is not yet written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE of_the_future (x)")
        db.execute("PRAGMA user_version = 9999")
        db.commit()


def start(daemon: str, title: str, names: str, *, more: str = "", file: str = "", content: Content | None = b"") -> Case:
    """A collector or an agent that must not start; `content` None makes `file` a database of a newer version."""
    table, arguments = STARTS[daemon]

    def build(folder: Path) -> list[str]:
        (folder / "data").mkdir()
        write(folder / "joulemark.toml", table + more)
        if file and content is None:
            newer(folder / file)
        elif file:
            write(folder / file, content or b"")
        return [*arguments, "--config", "joulemark.toml"]

    return command(f"{daemon}'s start", title, build, names, BEYOND)


def data_is_a_file(folder: Path) -> list[str]:
    """A file where the collector's folder should be."""
    write(folder / "data", "x")
    write(folder / "joulemark.toml", COLLECTOR)
    return ["collector", "run", "--config", "joulemark.toml"]


def cases() -> list[Case]:
    """All of them."""
    collector, agent = partial(start, "collector"), partial(start, "agent")
    ca = '[tls]\nca_file = "ca.pem"\ncert_file = "cert.pem"\nkey_file = "key.pem"\n'
    return [
        collector("a store that is no database", r"readings\.db", file="data/readings.db", content="not a database, " * 500),
        collector("a store of a newer version", r"readings\.db", file="data/readings.db", content=None),
        collector("a catalogue that is no database", r"catalog\.db", file="data/catalog.db", content="not a database, " * 500),
        command("collector's start", "a file where its folder should be", data_is_a_file, "data", BEYOND),
        collector("certificates that are not there", r"pem", more=ca),
        collector(
            "a certificate that is none",
            r"pem",
            more='[tls]\ncert_file = "cert.pem"\nkey_file = "cert.pem"\n',
            file="cert.pem",
            content="x" * 100,
        ),
        agent("a spool of a newer version", r"spool", file="data/spool.db", content=None),
        agent("an authority that is not there", r"ca\.pem", more='[tls]\nca_file = "ca.pem"\n'),
        agent("an authority that is none", r"ca\.pem", more='[tls]\nca_file = "ca.pem"\n', file="ca.pem", content="x" * 100),
    ]
