"""The conservation run as a test: a short one for real, then its files broken in copies, each of which must turn the oracle red."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from joulemark.proto.v1 import telemetry_pb2 as pb
from tests.conservation.__main__ import execute
from tests.conservation.faults import COLLECTOR, agent_name, sequence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SEED = 20261121
SPAN_S = 35.0
MIDDLE = "(SELECT id FROM log ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 2 FROM log))"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a whole run leaves."""
    folder = tmp_path_factory.mktemp("conservation")
    asyncio.run(execute(folder, SEED, span_s=SPAN_S))
    return folder


def verdict(work: Path) -> tuple[dict[str, Any], str]:
    """The oracle's line and its complaints, from its own process."""
    done = subprocess.run([sys.executable, "-m", "tests.conservation.oracle", str(work)], capture_output=True, text=True, check=False)
    complaints = "\n".join(line for line in done.stderr.splitlines() if line.startswith("red: "))
    assert (done.returncode == 0) == (complaints == ""), done.stderr
    return json.loads(done.stdout), complaints


def test_nothing_is_lost_and_nothing_invented(work: Path) -> None:
    """Every kind of fault: each reading stored once or counted as lost, where that may be; the joules are the wave's."""
    line, complaints = verdict(work)
    assert complaints == ""
    assert line["lost"] == 0
    assert line["counted_lost"] > 0
    assert line["sent"] == line["acked"] == line["stored"] > 0
    assert line["faults"] >= 20
    assert line["energy_error_rel"] <= 1e-9


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (f"DELETE FROM log WHERE id = {MIDDLE}", "acknowledged batches missing"),
        (
            "INSERT INTO log (agent_id, epoch_ns, batch_seq, rx_ns, t0_ns, t1_ns, body)"
            f" SELECT agent_id, epoch_ns, 1000000000, rx_ns, t0_ns, t1_ns, body FROM log WHERE id = {MIDDLE}",
            "batches that no agent wrote",
        ),
        (f"UPDATE log SET body = (SELECT body FROM log ORDER BY id LIMIT 1) WHERE id = {MIDDLE}", "other bytes than the spool's"),
        ("UPDATE stream SET duplicate_count = 0", "no duplicate was suppressed"),
        ("DELETE FROM loss WHERE id = (SELECT max(id) FROM loss)", "missing or left over after the counted losses"),
        ("UPDATE loss SET sample_count = sample_count + 1 WHERE id = (SELECT min(id) FROM loss)", "missing or left over"),
        ("UPDATE loss SET device_id = 'fake:conserved-1:0' WHERE id = (SELECT min(id) FROM loss)", "losses of the store that differ"),
        (
            "DELETE FROM clock_step WHERE id = (SELECT max(id) FROM clock_step WHERE agent_id != '')",
            "steps of an agent's clock that are no",
        ),
    ],
)
def test_the_oracle_notices(work: Path, tmp_path: Path, broken: str, complaint: str) -> None:
    """A batch taken out of the store, put in twice or exchanged, a loss forgotten, changed or moved: each turns the oracle red."""
    copy = copied(work, tmp_path)
    with closing(sqlite3.connect(copy / "collector" / "readings.db")) as db, db:
        db.execute(broken)
    assert complaint in verdict(copy)[1]


def test_the_oracle_knows_each_value(work: Path, tmp_path: Path) -> None:
    """One counter value that is higher by a millijoule, in the spool's ledger and in the store alike, turns the oracle red."""
    copy = copied(work, tmp_path)
    agent = agent_name(1)
    with (
        closing(sqlite3.connect(copy / "collector" / "readings.db")) as store,
        closing(sqlite3.connect(copy / f"{agent}.ledger")) as ledger,
    ):
        row, epoch_ns, batch_seq, body = store.execute(
            "SELECT id, epoch_ns, batch_seq, body FROM log WHERE agent_id = ? ORDER BY id DESC LIMIT 1 OFFSET 20", (agent,)
        ).fetchone()
        batch = pb.Batch.FromString(body)
        values = bytearray(batch.blocks[0].columns[1].values)
        values[0] ^= 1
        batch.blocks[0].columns[1].values = bytes(values)
        with store, ledger:
            store.execute("UPDATE log SET body = ? WHERE id = ?", (batch.SerializeToString(), row))
            ledger.execute(
                "UPDATE ledger SET body = ? WHERE what = 'appended' AND epoch_ns = ? AND batch_seq = ?",
                (batch.SerializeToString(), epoch_ns, batch_seq),
            )
    assert "1 samples differ from the wave" in verdict(copy)[1]


def test_the_oracle_knows_the_clocks(work: Path, tmp_path: Path) -> None:
    """A step of an agent's clock that the plan does not know leaves samples whose date no clock explains."""
    copy = copied(work, tmp_path)
    plan = json.loads((copy / "plan.json").read_text())
    assert any(step["target"] != COLLECTOR for step in plan["steps"])
    plan["steps"] = [step for step in plan["steps"] if step["target"] == COLLECTOR]
    (copy / "plan.json").write_text(json.dumps(plan))
    assert "samples dated by no clock that the agent had" in verdict(copy)[1]


def test_a_seed_is_a_sequence() -> None:
    """The same seed gives the same faults, another seed others."""
    first, again, other = (list(islice(sequence(seed), 50)) for seed in (7, 7, 8))
    assert first == again != other


def copied(work: Path, tmp_path: Path) -> Path:
    """The files of the run, to be broken."""
    return Path(shutil.copytree(work, tmp_path / "work", ignore=shutil.ignore_patterns("conserved-*.log", "*.sock")))
