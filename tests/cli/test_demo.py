"""`joulemark demo`: one line that is the card's, a bundle that anyone can recompute, and nothing left running."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from joulemark.cards import bundle
from joulemark.meters.replay import DEMO_TRACE


@dataclass(frozen=True)
class Demonstration:
    """What a demonstration left: its folder, its JSON line, its card."""

    folder: Path
    line: dict[str, Any]
    card: dict[str, Any]

    @property
    def bundle(self) -> Path:
        return Path(self.line["card"]).parent.parent


def joulemark(*args: str, **environment: str) -> str:
    """The command's standard output; it must end well."""
    command = [sys.executable, "-m", "joulemark", *args]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def demonstrate(folder: Path, *, scale: str) -> Demonstration:
    """One demonstration on the packaged trace, whatever meters this machine has."""
    (text,) = joulemark("demo", "--once", "--json", "--output", str(folder), DEMO_SCALE=scale).splitlines()
    line = json.loads(text)
    return Demonstration(folder, line, json.loads(Path(line["card"]).read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demonstration, Demonstration]:
    """The demonstration, and one of a trace that is 1 % stronger, side by side: they wait for time to pass."""
    with ThreadPoolExecutor(2) as pool:
        plain, stronger = (pool.submit(demonstrate, tmp_path_factory.mktemp("demo"), scale=scale) for scale in ("1", "1.01"))
        return plain.result(), stronger.result()


@pytest.fixture(scope="module")
def shown(both: tuple[Demonstration, Demonstration]) -> Demonstration:
    return both[0]


def running_in(folder: Path) -> list[list[str]]:
    """Command lines of the processes that name `folder` or were given its configuration."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
            if any(str(folder) in word for word in words):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_the_line_is_the_cards(shown: Demonstration) -> None:
    """Each figure of the JSON line is that of the card's one measured phase, and the card says that it is simulated."""
    (phase,) = [p for p in shown.card["phases"] if p["kind"] == "measured"]
    line = shown.line
    assert line["joules_per_1k_output_tokens"] == phase["joules_per_1k_output_tokens"]
    assert line["joules_per_1k_output_tokens"] == pytest.approx(phase["energy_j"] / phase["tokens"]["output"] * 1000, rel=1e-12)
    assert line["u95_rel"] * line["joules_per_1k_output_tokens"] == pytest.approx(phase["joules_per_1k_output_tokens_u95"], rel=1e-12)
    assert line["usd_per_1k_output_tokens"] == phase["cost"]["market"]["per_1k_output_tokens"]
    assert float(line["usd_per_1k_output_tokens"]) == pytest.approx(2.95 * phase["duration_s"] / 3.6 / phase["tokens"]["output"], rel=1e-9)
    assert line["meters"] == [meter["meter_id"] for meter in shown.card["meters"]]
    assert (line["coverage"], phase["tokens"]["output"], phase["requests"]) == (
        pytest.approx(1.0, abs=0.1),
        24 * 48,
        24,
    )  # a busy machine skips reads
    assert shown.card["simulated"] is True


@pytest.mark.slow
def test_the_bundle_recomputes_to_the_card(shown: Demonstration) -> None:
    """The bundle verifies, and `joulemark compute` on its readings gives the card's energies to 1e-6."""
    assert bundle.verify(shown.bundle) == []
    power = [word for path in sorted((shown.bundle / "energy" / "readings").glob("*.csv")) for word in ("--power", str(path))]
    again = json.loads(joulemark("compute", *power, "--benchmark", str(shown.bundle), "--json"))
    assert len(again["phases"]) == len(shown.card["phases"])
    for ours, theirs in zip(shown.card["phases"], again["phases"], strict=True):
        for name in ("energy_j", "u95_j", "joules_per_1k_output_tokens", "joules_per_request"):
            assert theirs[name] == pytest.approx(ours[name], rel=1e-6), name


@pytest.mark.slow
def test_nothing_is_left_running(shown: Demonstration) -> None:
    """When the command has ended no process works in its folder or under its configuration; one that did would be found."""
    assert running_in(shown.folder) == []
    control = subprocess.Popen(["sleep", "30"], env={**os.environ, "JOULEMARK_CONFIG": str(shown.folder / "joulemark.toml")})
    try:
        assert running_in(shown.folder) == [["sleep", "30"]]
    finally:
        control.kill()
        control.wait(10)


def played_j(shown: Demonstration, gain: float) -> float:
    """The energy that the packaged trace, `gain` times as strong, has between the marks of the measured phase: found by where in the trace
    the readings of the bundle stand, each of which must be one of its rows.
    """
    rows = np.loadtxt(DEMO_TRACE, delimiter=",", skiprows=1)
    (path,) = (shown.bundle / "energy" / "readings").glob("*power.csv")
    read = [
        (int(row["t_device_ns"]), int(row["power_milliwatt"]))
        for row in csv.DictReader(path.read_text().splitlines())
        if row["power_milliwatt"]
    ]
    steps = np.array([t_ns - read[0][0] for t_ns, _ in read])
    for first_ns in rows[:, 0]:
        place = np.searchsorted(rows[:, 0], first_ns + steps - 1_000)
        if place[-1] < len(rows) and np.all(np.abs(rows[place, 1] * gain - [power for _, power in read]) <= 1.0):
            break
    else:
        raise AssertionError(f"the readings are nowhere in the trace, {gain} times as strong")
    (phase,) = [p for p in shown.card["phases"] if p["kind"] == "measured"]
    edges = np.array([phase["begin_ns"], phase["end_ns"]]) - read[0][0] + first_ns
    at_ns = np.unique(np.concatenate((edges, rows[(rows[:, 0] > edges[0]) & (rows[:, 0] < edges[1]), 0])))
    power_w = np.interp(at_ns, rows[:, 0], rows[:, 1]) * gain / 1e3
    return float(np.sum((power_w[1:] + power_w[:-1]) / 2 * np.diff(at_ns)) / 1e9)


@pytest.mark.slow
def test_a_trace_one_per_cent_stronger_is_seen(both: tuple[Demonstration, Demonstration]) -> None:
    """The joules per token are those of the trace between the marks, and with DEMO_SCALE=1.01 those of one that is 1 % stronger: the figure
    is measured, not printed.
    """
    for demonstration, gain in zip(both, (1.0, 1.01), strict=True):
        expected = played_j(demonstration, gain) / (24 * 48) * 1000
        assert demonstration.line["joules_per_1k_output_tokens"] == pytest.approx(expected, rel=0.002)


@pytest.mark.slow
def test_impatient_interrupts_leave_nothing_running(tmp_path: Path) -> None:
    """Two interrupts, the second while the first still stops the daemons: exit 130, and every daemon is gone."""
    command = [sys.executable, "-m", "joulemark", "demo", "--once", "--output", str(tmp_path / "demo")]
    demo = subprocess.Popen(
        command,
        env={**os.environ, "DEMO_SCALE": "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests started in the background inherit it ignored
    )
    log = tmp_path / "demo" / "agent.log"
    while not (log.exists() and "connected" in log.read_text()):
        assert demo.poll() is None
        time.sleep(0.1)
    for _ in range(3):
        demo.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert "what was measured is kept" in demo.communicate(timeout=60)[1]
    assert demo.returncode == 130
    assert running_in(tmp_path) == []
