"""A smoke of each benchmark of the engine: that it measures what it says and sees what is wrong, never how fast anything is."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from joulemark.collector.store import columns
from joulemark.collector.store.codec import packed
from joulemark.collector.store.sqlite import SqliteReadings
from joulemark.energy.series import Int64
from joulemark.proto import convert
from joulemark.proto.messages import FrozenBatch
from tests.bench import __main__ as bench
from tests.bench.engine import density, front, gorilla, ingest, kills, lateness, offline, page, routes, sealing, server, span
from tests.bench.engine.goal import Goal
from tests.bench.engine.load import Agent, flood, grpc_line, tcp_line
from tests.bench.engine.trace import Node, S

MET = Goal("E0a", "a thing", 2.0, 1.5, "x", beside="rival 3")
LOST = Goal("E0b", "another", 2.0, 1.5, "M/s", at_least=True)


def test_a_goal_has_a_side() -> None:
    """At most or at least; a figure that is no number meets neither."""
    assert MET.met
    assert not LOST.met
    assert not replace(MET, figure=float("nan")).met
    assert not replace(LOST, figure=float("nan")).met


def test_a_run_writes_its_page_and_ends_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal beside figure in build/, the count in the last line, status 1 for a miss that nobody knows of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(density, "goals", lambda scale: [MET, LOST])
    monkeypatch.setenv("ONLY", "E4")
    assert bench.main() == 1
    assert json.loads(capsys.readouterr().out) == {"goals": 2, "met": 1, "missed": ["E0b"]}
    assert [one["met"] for one in json.loads((tmp_path / "build/bench.json").read_text())["goals"]] == [True, False]
    assert "| E0b | another | ≥ 2 M/s | 1.5 M/s | - | - | **no** |" in (tmp_path / "build/bench.md").read_text()
    monkeypatch.setitem(bench.MISSED, "E0b", "as is known")
    assert bench.main() == 0
    assert "- E0b: as is known" in (tmp_path / "build/bench.md").read_text()
    monkeypatch.setenv("ONLY", "E99")
    assert bench.main() == 2


def test_every_known_miss_is_of_a_benchmark() -> None:
    """Nothing stands in the list that no benchmark brings."""
    assert {name.rstrip("abcdefghij") for name in bench.MISSED} <= bench.BENCHMARKS.keys()
    assert page.shown(0.0251) == "0.0251"


def test_what_is_sealed_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value, time and bracket; a codec that rounds is seen."""
    node = Node.of(100, gpus=1)
    assert density.stored(node, rows_each=50).lossless

    def rounding(column: Int64, *, order: int) -> bytes:
        return packed(column // 2 * 2, order=order)

    monkeypatch.setattr(columns, "packed", rounding)
    assert not density.stored(node, rows_each=50).lossless


def test_the_rival_codec_comes_back() -> None:
    """Gorilla's codec of a recorded shape: repeats, small and large steps of value and time."""
    rng = np.random.default_rng(1)
    t_ms = np.cumsum(rng.choice([984, 1000, 1000, 1016, 1776, 5000, 60_000], 300)).tolist()
    t_ms[1] = t_ms[0] + 1000
    t_ms.sort()
    values = np.round(rng.choice([170.05, 170.05, 2406.5, 0.0, -3.25], 300) + rng.integers(0, 3, 300) / 10, 1).tolist()
    data = gorilla.encoded(t_ms, values)
    assert gorilla.decoded(data) == (t_ms, values)
    assert len(data) < 16 * len(t_ms)


def test_analysers_are_recorded_in_the_corpus(corpus: Path) -> None:
    """Four of them, and ours takes less than Gorilla's."""
    series = density.mlperf(corpus)
    assert [len(one) for one in series] == [758, 697, 678, 3634]
    assert density.packed_bytes(series[0]) < density.gorilla_bytes(series[0])


def test_every_value_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of storing count what they hold; a batch that gets lost ends the run."""
    node = Node.of(100, gpus=1)
    assert sealing.ours_ns(node) > 0.0
    assert sealing.rival_ns(node) > 0.0
    batches = node.received(sealing.ROWS_EACH)
    monkeypatch.setattr(Node, "received", lambda *_: batches[:1])
    with pytest.raises(AssertionError, match="200 of 400 values"):
        sealing.ours_ns(node)


def test_energies_are_those_of_the_brute_force(tmp_path: Path) -> None:
    """Of a long span and of many short ones, bit for bit; a wrong sum is seen."""
    path = tmp_path / "readings.db"
    (power,) = span.filled(path, gpus=1, count=20_000)
    spans = [(int(power.t_ns[0]) + 3 * S, int(power.t_ns[-1]) - 5), *span.phases(power, 3)]
    wanted = [[span.brute(power, *one) for one in spans]]
    assert span.ours(SqliteReadings(path), [power.meter_id], spans) == wanted
    assert span.row_sql_s(power)[1] == pytest.approx(float(wanted[0][0]) / 2e12, rel=1e-2)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE chunk_sum SET double_integral = double_integral + 1 WHERE meter_id = ?", (power.meter_id,))
    assert span.ours(SqliteReadings(path), [power.meter_id], spans[:1]) != [wanted[0][:1]]


def test_batches_are_acknowledged_and_stored(tmp_path: Path) -> None:
    """Over gRPC into the store, all of them once; what is missing there is seen."""
    agent = Agent(Node.of(10, gpus=1), 10)

    async def send() -> None:
        async with server.durable(tmp_path) as port, grpc_line(port, agent.node) as line:
            await flood(line, agent, 20)

    asyncio.run(send())
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        (stored,) = db.execute("SELECT COUNT(*) FROM log").fetchone()
    seen = ingest.Taken(agent.sent, agent.acked, stored, 0, 800, 1, 1.0, 1.0)
    assert seen.conserved
    assert stored == 20
    assert not replace(seen, stored=19).conserved
    assert not replace(seen, duplicates=1).conserved


def test_the_front_end_and_its_rival_do_the_same(tmp_path: Path) -> None:
    """Both acknowledge every batch; a batch that was altered on its way is refused by the rival too."""
    agents = [Agent(front.node(place), front.ROWS) for place in range(2)]

    async def send() -> None:
        async with server.front(tmp_path) as port, grpc_line(port, agents[0].node) as line:
            await flood(line, agents[0], 20)
        async with server.tcp(tmp_path) as port, tcp_line(port, agents[1].node) as line:
            await flood(line, agents[1], 20)

    asyncio.run(send())
    assert [(one.sent, one.acked) for one in agents] == [(20, 20), (20, 20)]
    message = convert.parse_request(agents[0].next())
    assert isinstance(message, FrozenBatch)
    assert server.checked(convert.request_bytes(message)) == 20
    with pytest.raises(AssertionError, match="does not match its hash"):
        server.checked(convert.request_bytes(replace(message, sha256=bytes(32))))


def test_what_was_not_run_is_not_met() -> None:
    """A goal without its rival is neither met nor missed, and has no figure."""
    alone = replace(MET, id="E0c", not_run="no rival")
    rows = [{**goal.to_json(), "load_before": 0.0} for goal in (MET, alone)]
    assert bench.summary(rows) == {"goals": 1, "met": 1, "missed": [], "not_run": ["E0c"]}
    assert rows[1]["figure"] is None
    assert "| - | - | no rival | not run |" in page.row(rows[1])
    assert page.line(rows[1]) == "E0c  not run: no rival: a thing"


def test_lateness_is_that_of_a_grid() -> None:
    """From its begin on; a deadline that was passed over is as late as the poll after it. Sampler's thread and coroutine keep it."""
    assert lateness.late_us(1_000, [5_000, 10_001_500, 20_001_000, 30_003_000]) == [0.5, 0.0, 2.0]
    assert lateness.late_us(0, [0, 10_001_000, 40_000_000]) == [1.0, 20_000.0, 10_000.0, 0.0]
    assert len(lateness.ours(0.1)) >= 3
    assert len(lateness.rival(0.1)) >= 3
    assert lateness.quantile([3.0, 1.0, 2.0], 0.99) == 3.0


def test_routes_are_compared_at_their_worst() -> None:
    """By the 99th percentile of each, to that of the null route."""
    taken = {routes.NULL: [1.0] * 100, "/a": [2.0] * 98 + [9.0, 9.0]}
    assert routes.ratios(taken) == {"/a": 9.0}


def test_kills_are_judged_by_all_but_the_other_faults() -> None:
    """That no clock was stepped says nothing of kills; a batch that is missing does."""
    assert kills.expected("red: no clock was stepped")
    assert not kills.expected("red: 1 acknowledged batches missing in the store")


def test_an_outage_is_balanced_and_what_is_missing_is_seen(tmp_path: Path) -> None:
    """Four minutes of four GPUs fill the smallest spool: it is thinned, counted and delivered; a value that was changed, a sample that is
    stored twice, and one that is gone and was never told are seen.
    """
    day = offline.Day(240, 4)
    (tmp_path / "work").mkdir()
    found = offline.run(tmp_path / "work", day, max_bytes=2**20, patience_s=60.0)
    assert found["read"] == 240 * 4 * 10 == found["stored"] + found["lost"]
    assert found["lost"] > 0
    assert found["most_bytes"] <= 2**20
    stored = offline.Stored()
    for place, rows in enumerate(next(day.hours())[1]):
        stored.seqs[f"fake:bench:{place}"] = [np.arange(2400)]
        stored.values[f"fake:bench:{place}"] = [np.array(rows.values)]
    assert offline.balanced(stored, day)["lost"] == 0
    stored.values["fake:bench:1"][0][1, 7] += 1
    with pytest.raises(AssertionError, match="GPU 1: a stored value is not what was read"):
        offline.balanced(stored, day)
    stored.seqs["fake:bench:0"][0][3] = 4
    with pytest.raises(AssertionError, match="stored twice"):
        offline.balanced(stored, day)
    stored.seqs["fake:bench:0"] = [np.arange(1, 2400)]
    with pytest.raises(AssertionError, match="2400 samples were read, 2399 are stored and 0 told as lost"):
        offline.balanced(stored, day)
