"""Two boards as two collectors: handed in to A, followed and verified again by B; tampering, withdrawal and lies of A are named."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from joulemark.collector.tokens import Scope, Tokens
from tests.board import archives
from tests.collector.conftest import Collector
from tests.kit.bundles import edited

PATIENCE_S = 300
KIT = "[board]\nkit = true\n"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[tuple[Collector, Collector]]:
    """A, where bundles are handed in, and B, which follows A and is followed by A."""
    ports = free_port(), free_port()
    made = []
    for name, port, other in zip("ab", ports, ports[::-1], strict=True):
        tables = f'{KIT}public = true\nfollow = ["http://127.0.0.1:{other}"]\nfollow_every_s = 1\n'
        one = Collector(tmp_path / name, tables=tables)
        one.folder.mkdir()
        (one.folder / "token").write_text(Tokens(one.folder / "data").create("lab", Scope.SUBMIT, created_ns=0))
        made.append(one.start(rest_listen=f"127.0.0.1:{port}"))
    yield made[0], made[1]
    for one in made:
        one.stop()


def command(*arguments: str, status: int = 0) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "joulemark", "board", *arguments, "--json"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == status, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def board(collector: Collector) -> dict[str, Any]:
    """The first page of a board."""
    found: dict[str, Any] = httpx.get(f"{collector.rest}/v1/board").json()["board"]
    return found


def follows(collector: Collector) -> dict[str, Any]:
    """How the followed board stands there."""
    token = (collector.folder / "token").read_text()
    told = httpx.get(f"{collector.rest}/v1/board/follows", headers={"Authorization": f"Bearer {token}"}).json()["follows"]
    found: dict[str, Any] = told[0] if told else {"findings": [], "refused": [], "entries": 0}
    return found


def until(so: Callable[[], Any]) -> Any:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE_S
    while not (found := so()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_card_travels_and_lies_are_named(boards: tuple[Collector, Collector], tmp_path: Path) -> None:
    """Published at A at its level; a tampered copy refused at A by its rule; the same entry at B, verified there; nothing twice though each
    follows the other; withdrawn at A, withdrawn at B; a figure or a bundle that A changes later is named at B.
    """
    a, b = boards
    for name, archive in (
        ("good", archives.kit("ES1")),
        ("bad", archives.changed("ES1", change=edited)),
        ("second", archives.kit("ES1", seed=2)),
    ):
        (tmp_path / f"{name}.zip").write_bytes(archive)
    told = ("--to", a.rest, "--token-file", str(a.folder / "token"))

    published = command("submit", str(tmp_path / "good.zip"), "--level", "ES1", *told)
    assert (published["state"], published["reached"]) == ("published", "ES1")
    refused = command("submit", str(tmp_path / "bad.zip"), *told, status=3)
    assert (refused["state"], refused["reached"]) == ("refused", "INVALID")
    assert "INT-1" in [reason["rule"] for reason in refused["reasons"]]

    (there,) = until(lambda: board(b)["simulated"])
    (here,) = board(a)["simulated"]
    assert there["entry_id"] == here["entry_id"] == published["entry_id"]
    assert there["joules_per_1k_output_tokens"] == pytest.approx(here["joules_per_1k_output_tokens"], rel=1e-9)
    own = httpx.get(f"{b.rest}/v1/board/entries/{there['entry_id'].rpartition(':')[2]}").json()
    assert own["origin"] == a.rest
    assert httpx.get(f"{b.rest}/v1/board/entries/{there['entry_id'].rpartition(':')[2]}/bundle").content == archives.kit("ES1")

    second = command("submit", str(tmp_path / "second.zip"), "--level", "ES1", *told)
    until(lambda: len(board(b)["simulated"]) == 2)
    until(lambda: follows(a)["entries"] == 2)
    assert (len(board(a)["simulated"]), follows(a)["refused"], follows(b)["findings"]) == (2, [], [])

    withdrawn = command("withdraw", published["entry_id"], "--reason", "the meter was not wired as stated", *told)
    assert withdrawn["status"] == "withdrawn"
    (gone,) = until(lambda: board(b)["withdrawn"])
    assert gone["entry_id"] == published["entry_id"]
    assert "the meter was not wired as stated" in gone["withdrawn_reason"]

    digest = second["bundle_sha256"]
    archive = a.folder / "data/board/archives" / digest[:2] / digest
    archive.write_bytes(archive.read_bytes() + b"x")
    named = until(lambda: [one for one in follows(b)["findings"] if one["kind"] == "bundle"])
    assert named[0]["item_id"] == second["entry_id"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_board_that_lies_is_not_copied(tmp_path: Path) -> None:
    """A figure changed in A's store is served by A and refused at B, by its name; B does not show the entry."""
    a = Collector(tmp_path / "a", tables=KIT)
    a.start()
    (tmp_path / "good.zip").write_bytes(archives.kit("ES1"))
    published = command("submit", str(tmp_path / "good.zip"), "--to", a.rest)
    a.stop()
    with sqlite3.connect(a.folder / "data/board.db") as db:
        db.execute("DROP TRIGGER entry_update")
        ((body,),) = db.execute("SELECT body FROM entry").fetchall()
        lie = json.loads(body)
        lie["figures"]["joules_per_1k_output_tokens"] *= 0.9
        db.execute("UPDATE entry SET body = ?", (json.dumps(lie),))
    db.close()
    a.start()
    config = tmp_path / "b.toml"
    config.write_text(f'[collector]\ndata_dir = "{tmp_path / "b"}"\n{KIT}')
    found = command("follow", a.rest, "--config", str(config), status=3)
    (refused,) = found["submissions"]
    assert (refused["state"], {reason["rule"] for reason in refused["reasons"]}) == ("refused", {"CLAIM"})
    assert [reason["why"].split(":")[0] for reason in refused["reasons"]] == ["joules_per_1k_output_tokens"]
    assert published["entry_id"] not in json.dumps(found["linked"])
    a.stop()
    gone = subprocess.run(
        [sys.executable, "-m", "joulemark", "board", "follow", a.rest, "--config", str(config)], capture_output=True, text=True
    )
    assert gone.returncode == 6
    assert "unreachable" in gone.stdout
