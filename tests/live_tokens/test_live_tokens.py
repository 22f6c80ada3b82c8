"""The proof of live tokens in its short form, and that a spoiled page turns it red."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live_tokens.bench import Bench
from tests.live_tokens.checker import Wave, distance, judged

S = 1_000_000_000


@dataclass(frozen=True)
class Proof:
    """How a run of the proof ended: its status, its last line, and what it said of what was wrong."""

    status: int
    found: dict[str, Any]
    said: str


@pytest.fixture(scope="module")
def proofs(repository: Path) -> dict[str, Proof]:
    """The proof as it is (""), and with each spoil of the page: all at once, since they wait for time to pass."""
    started = {}
    for mutate in ("", "drop", "double"):
        env = {**os.environ, "SEEDS": "1", "SECONDS_LONG": "9", "MUTATE": mutate, "SEED": "1" if mutate else "7"}
        command = [sys.executable, "-m", "tests.live_tokens"]
        started[mutate] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=repository, start_new_session=True
        )
    ended = {}
    try:
        for mutate, process in started.items():
            told, said = process.communicate(timeout=240)
            assert told, said
            ended[mutate] = Proof(process.returncode, json.loads(told.splitlines()[-1]), said)
    finally:
        for process in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    return ended


@pytest.mark.timeout(260)
def test_joules_per_1k_agree_with_the_record_of_requests(proofs: dict[str, Proof]) -> None:
    """Through real pages, agent and collector every window holds the truth within its bounds, and 95 % of its figures within U95."""
    found = proofs[""].found
    assert (proofs[""].status, found["windows_outside_bounds"], found["ok"]) == (0, 0, True), proofs[""].said
    assert found["worst_j_per_1k_over_u95"] <= 1.0


@pytest.mark.timeout(260)
@pytest.mark.parametrize("mutate", ["drop", "double"])
def test_a_spoiled_page_turns_it_red(proofs: dict[str, Proof], mutate: str) -> None:
    """A page that forgets a tenth of the tokens, or shows a replica twice, is found out."""
    assert proofs[mutate].status == 1
    assert proofs[mutate].found["windows_outside_bounds"] > 0


@pytest.mark.timeout(260)
def test_a_server_and_an_agent_that_are_killed(tmp_path: Path) -> None:
    """A restart of the server leaves a window over it without tokens, and those after it right; an agent that was killed loses none."""
    with Bench(tmp_path, [3], interval_ms=200) as bench:
        [node] = bench.nodes
        bench.wait_until_read(time.time_ns())
        begin_ns = time.time_ns() + S
        time.sleep(3.0)
        assert node.daemon is not None
        node.daemon.kill()
        time.sleep(2.0)
        node.daemon.start()
        bench.wait_until_read(time.time_ns())
        killed_ns = time.time_ns()
        time.sleep(1.0)
        old = {replica.engine: replica.answers for replica in node.service.replicas}
        restart_ns = time.time_ns()
        for replica in node.service.replicas:
            replica.answers = [one for one in replica.answers if one.begin_ns > restart_ns]
        node.service.started_ns = restart_ns
        time.sleep(5.0)
        end_ns = time.time_ns()
        bench.wait_until_read(end_ns + S)

        def over(from_ns: int, to_ns: int) -> dict[str, Any]:
            [service] = bench.ask(f"/v1/serving?begin_ns={from_ns}&end_ns={to_ns}")["services"]
            found: dict[str, Any] = service["slices"][0]
            return found

        after = judged(over(restart_ns + 2 * S, end_ns), node.wave, node.service)
        assert after.right, after
        spanning = over(begin_ns, end_ns)["total"]["tokens"]["output"]
        assert spanning["value"] is None
        assert "began anew" in spanning["reason"]
        for replica in node.service.replicas:
            replica.answers = old[replica.engine]
        before = judged(over(begin_ns, killed_ns), node.wave, node.service)
        assert before.right, before
        assert spanning["low"] > node.service.truth(begin_ns, killed_ns)["output"] * 0.9


def test_the_checker_integrates_a_square_wave() -> None:
    """Whole periods have the mean, half a period the low or the high power."""
    wave, t0 = Wave(100.0, 300.0, 2.0), 1_700_000_000_000_000_000
    assert wave.joules(t0, t0 + 4_000_000_000) == pytest.approx(800)
    assert wave.joules(t0, t0 + 1_000_000_000) == pytest.approx(100)
    assert wave.joules(t0 + 1_000_000_000, t0 + 2_000_000_000) == pytest.approx(300)
    assert wave.joules(t0 + 1_500_000_000, t0 + 2_500_000_000) == pytest.approx(200)
    slow, begun = Wave(100.0, 300.0, 3.0), 3 * 600_000_000 * 1_000_000_000
    assert slow.joules(begun, begun + 1_500_000_000) == pytest.approx(150)
    assert slow.joules(begun + 1_500_000_000, begun + 3_000_000_000) == pytest.approx(450)
    assert distance(2.0, 1.0, 0.5) == 2.0
    assert distance(1.0, 1.0, 0.0) == 0.0
    assert distance(1.0, 2.0, 0.0) == float("inf")
