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

from tests.conservation.__main__ import execute
from tests.conservation.faults import sequence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]
SEED = 20261121
SPAN_S = 40.0
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
    """Kills, stops, cuts, tears, half-closes, delays and late segments: every reading stored once, and the joules are the wave's."""
    line, complaints = verdict(work)
    assert complaints == ""
    assert line["lost"] == line["counted_lost"] == 0
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
    ],
)
def test_the_oracle_notices(work: Path, tmp_path: Path, broken: str, complaint: str) -> None:
    """A batch taken out of the store, put in twice or exchanged, and a run without a duplicate, each turn the oracle red."""
    copy = tmp_path / "work"
    shutil.copytree(work, copy, ignore=shutil.ignore_patterns("*.log", "*.sock"))
    with closing(sqlite3.connect(copy / "collector" / "readings.db")) as db, db:
        db.execute(broken)
    assert complaint in verdict(copy)[1]


def test_a_seed_is_a_sequence() -> None:
    """The same seed gives the same faults, another seed others."""
    first, again, other = (list(islice(sequence(seed), 50)) for seed in (7, 7, 8))
    assert first == again != other
