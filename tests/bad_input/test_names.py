"""Names are data everywhere: in SQL, in pages, in file names of bundles, in spreadsheets."""

from __future__ import annotations

import ast
import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.collector.conftest import Agent, Collector

S = 1_000_000_000
NAMES = (
    "'; DROP TABLE log; --",
    '" OR 1=1; PRAGMA user_version=0; --',
    "{{7*7}}${7*7}<%= 7*7 %>",
    "<img src=x onerror=alert(1)>",
    "=HYPERLINK(1)",
    "..",
    "%2e%2e%2f%s%n",
    "joulemark_ingest_up 0",
)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One collector for all names: each must leave the others as they are."""
    running = Collector(tmp_path_factory.mktemp("names") / "collector").start()
    yield running
    running.kill()


def measured(collector: Collector, name: str) -> str:
    """A run whose host, phase and labels are all called `name`, with readings around its phase; its id."""
    agent = Agent(name)
    now_ns = time.time_ns() // S * S
    agent.send(collector.grpc, *(agent.batch(seq, begin_ns=now_ns + (seq - 3) * S) for seq in range(4)))
    moment = {"utc_ns": now_ns - 2 * S, "boot_id": agent.boot_id}
    body = {"benchmark": name, "labels": {"model": name, "provider": name}, "moment": moment, "agents": [name]}
    run_id: str = httpx.post(f"{collector.rest}/v1/runs", json=body).raise_for_status().json()["run_id"]
    phase = {"name": name, "edge": "window", "moment": moment, "end_ns": now_ns, "source": name}
    httpx.post(f"{collector.rest}/v1/runs/{run_id}/phases", json=phase).raise_for_status()
    httpx.post(f"{collector.rest}/v1/runs/{run_id}/stop", json={"moment": {**moment, "utc_ns": now_ns}}).raise_for_status()
    return run_id


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(collector: Collector, name: str) -> None:
    """Hosts, runs, phases and labels come back letter by letter; store, page, metrics and bundle are as with any other name."""
    run_id = measured(collector, name)
    hosts = {host["agent_id"]: host["batches"] for host in httpx.get(f"{collector.rest}/v1/hosts").json()}
    assert hosts[name] == 4
    run = httpx.get(f"{collector.rest}/v1/runs/{run_id}").json()
    assert (run["benchmark"], run["labels"]["model"], run["phases"][0]["name"]) == (name, name, name)
    energy = httpx.get(f"{collector.rest}/v1/runs/{run_id}/energy").json()
    assert energy["phases"][0]["energy_j"] == pytest.approx(400)
    addresses = ("/hosts", f"/hosts/{quote(name, safe='')}", "/runs", f"/runs/{run_id}", f"/compare?run={run_id}")
    page = "".join(httpx.get(collector.rest + address, headers={"accept": "text/html"}).text for address in addresses)
    assert "<img src" not in page
    assert "{{7*7}}" in page or name != NAMES[2]
    metrics = httpx.get(f"{collector.rest}/metrics").text
    assert [line for line in metrics.splitlines() if line.startswith("joulemark_ingest_up")] == ["joulemark_ingest_up 1"]
    assert card_of(httpx.get(f"{collector.rest}/v1/runs/{run_id}/bundle").raise_for_status().content)["phases"][0]["name"] == name


def card_of(bundle: bytes) -> dict[str, Any]:
    """The card in a bundle whose files all lie in it, and none of whose cells is a formula."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        for path in map(PurePosixPath, archive.namelist()):
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert path.parts[0] in ("energy", "energy_summary.json")
            if path.suffix == ".csv":
                rows = csv.reader(archive.read(str(path)).decode().splitlines())
                assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "@")]
        card: dict[str, Any] = json.loads(archive.read("energy/card.json"))
    return card


def statements(repository: Path) -> list[tuple[str, str]]:
    """(place, expression) of every expression inside an f-string that is given to a database."""
    found = []
    for path in sorted((repository / "src" / "joulemark").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant)).lstrip().upper()
                starts = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "DROP ", "ALTER ")
                if text.startswith(starts) or (text.startswith("WITH ") and " AS (" in text):
                    parts = [ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
                    found += [(path.name, part) for part in parts]
    return found


OWN = {"marks", "len", "table", "column", "columns", "device_ids", "agents", "chunks", "numbers", "rows", "wanted", "key", "kind"}
"""What may stand in a statement besides constants: `marks` makes as many question marks as there are values."""

CONDITIONS = {
    "chosen",
    "counts",
    "lists",
    "named",
    "only",
    "where",
    "dated",
    "fits",
    "seen",
    "part",
    "checked",
    "group",
    "point",
    "asked",
    "change",
    "row",
}
"""Parts of statements of the catalogue, prices and board: names of our own tables and columns, each value a question mark beside them."""


def test_no_value_stands_in_a_statement(repository: Path) -> None:
    """The text of every SQL statement is made of constants, names of our own tables and question marks: values travel beside it."""
    found = statements(repository)
    assert found
    for place, part in found:
        used = {node.id for node in ast.walk(ast.parse(part)) if isinstance(node, ast.Name)}
        assert {name for name in used - OWN - CONDITIONS if not name.isupper()} == set(), f"{place}: {part}"
