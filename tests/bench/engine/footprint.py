"""E7: what an agent costs the machine that it measures, 8 GPUs at 10 Hz, beside Zeus and AIPerf on the same stand-in of the driver.

Ours is the whole of it: the process of `joulemark agent run`, that keeps each reading on disk until a collector over gRPC has it. The
others only collect. Each has its turns, one after another; processor time is that of all threads, in nanoseconds as the kernel counts it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from joulemark.agent.sampler import REALTIME_PRIORITY
from joulemark.proto.v1 import telemetry_pb2 as pb
from tests.bench.engine import server
from tests.bench.engine.goal import Goal, middle
from tests.bench.engine.lateness import real_time
from tests.standins.nvml_standin import NvmlWave, library

PEERS: Final = Path(".venv-peers/bin/python")
NO_PEERS: Final = "the other collectors are not installed: make bench PEERS=1"
SCRIPTS: Final = Path(__file__).parent.parent / "peers"
GPUS: Final = 8
TRIES: Final = 3
"""Zeus waits ten seconds for its processes, which a busy machine may not give it."""
PIPES: Final[dict[str, Any]] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
WARM_S: Final = 4.0
"""From the first read on: connecting, the first look at the host, imports of what is needed now and then."""

FOUR: Final = NvmlWave(gpus=GPUS, settings={"WITNESSES": 2})
"""Instant and average power, energy and temperature: the four quantities."""
ALL: Final = NvmlWave(gpus=GPUS, settings={"WITNESSES": 1})
"""For the others, who ask for more, everything is told: an error would cost them more than an answer."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Share of a core and memory of a collector with all its processes; `sweeps_ns`: when it read, by any clock."""

    core: float
    rss_bytes: int
    sweeps_ns: tuple[int, ...] = ()


def cpu_ns(tree: psutil.Process) -> int:
    """Processor time of all threads of a process and of those it started."""
    taken = 0
    for process in [tree, *tree.children(recursive=True)]:
        for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # a thread that ended meanwhile
                taken += int(path.read_text().split()[0])
    return taken


def rss_bytes(tree: psutil.Process) -> int:
    """Resident memory of a process and of those it started."""
    return sum(process.memory_info().rss for process in [tree, *tree.children(recursive=True)])


def watched(tree: psutil.Process, seconds: float) -> Cost:
    """What a running collector costs from now on."""
    begun_ns, before_ns = time.monotonic_ns(), cpu_ns(tree)
    time.sleep(seconds)
    return Cost((cpu_ns(tree) - before_ns) / (time.monotonic_ns() - begun_ns), rss_bytes(tree))


def ours(seconds: float, *, hz: int, wave: NvmlWave = FOUR, witness_s: float | None = None, warm_s: float = WARM_S) -> Cost:
    """Our agent with a collector. `witness_s`: how often the temperature is read, as often as the rest unless told."""
    with tempfile.TemporaryDirectory() as name, server.running("durable", Path(name) / "collector") as collector:
        folder = Path(name)
        with agent(folder, wave, collector.port, hz=hz, witness_s=1 / hz if witness_s is None else witness_s) as process:
            wait_for_readings(folder / "collector")
            time.sleep(warm_s)
            cost = watched(psutil.Process(process.pid), seconds)
        return Cost(cost.core, cost.rss_bytes, stored_sweeps_ns(folder / "collector" / "readings.db"))


@contextmanager
def agent(folder: Path, wave: NvmlWave, port: int, *, hz: int, witness_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """`joulemark agent run` at `hz`, ended in order."""
    (folder / "agent.toml").write_text(
        f'[agent]\nagent_id = "bench"\ncollector = "127.0.0.1:{port}"\ninterval_ms = {1000 // hz}\n[spool]\npath = "{folder}/spool.db"\n'
        f'[[meter]]\nkind = "nvml"\nlibrary = "{library()}"\nwitness_interval_s = {witness_s}\n'
    )
    command = [*starter(), "agent", "run", "--log-level", "error", "--config", str(folder / "agent.toml")]
    with subprocess.Popen(command, env={**os.environ, **wave.env()}) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def starter() -> list[str]:
    """What starts `joulemark`, its reading thread with the right to be before others, as the unit gives it, where that is allowed."""
    limited = ["prlimit", f"--rtprio={REALTIME_PRIORITY}"]
    if shutil.which("prlimit") and subprocess.run([*limited, "true"], capture_output=True, check=False).returncode == 0:
        return [*limited, sys.executable, "-m", "joulemark"]
    with real_time() as may:
        return [sys.executable, "-m", "tests.bench.engine.realtime" if may else "joulemark"]


def wait_for_readings(folder: Path, *, limit_s: float = 60.0) -> None:
    """Until the collector has stored a batch. Raises TimeoutError."""
    give_up_s = time.monotonic() + limit_s
    while time.monotonic() < give_up_s:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{folder}/readings.db?mode=ro", uri=True)) as db:
            if db.execute("SELECT COUNT(*) FROM log").fetchone()[0]:
                return
        time.sleep(0.1)
    raise TimeoutError("the collector has no reading of the agent")


def stored_sweeps_ns(path: Path) -> tuple[int, ...]:
    """When the first GPU was read, of every batch that the collector stored, by nothing but the messages as they were sent."""
    times = []
    with closing(sqlite3.connect(path)) as db:
        for (body,) in db.execute("SELECT body FROM log ORDER BY id"):
            blocks = [block for block in pb.Batch.FromString(body).blocks if not block.device_id.endswith("-conditions")]
            first = min((block.device_id for block in blocks), default="")
            for block in (block for block in blocks if block.device_id == first):
                times += [block.base_mono_ns + delta_ns for (delta_ns,) in struct.iter_unpack("<q", block.mono_delta_ns)]
    return tuple(sorted(times))


def missed(sweeps_ns: tuple[int, ...], period_ns: int) -> int:
    """Deadlines of a grid of `period_ns` without a read between the first and the last one."""
    return max(0, round((sweeps_ns[-1] - sweeps_ns[0]) / period_ns) + 1 - len(sweeps_ns)) if sweeps_ns else 1


def peer(script: str, seconds: float, *, hz: int, warm_s: float = WARM_S) -> Cost:
    """A collector of .venv-peers, whose script says `ready`; asked again where it does not get ready in the time that it gives itself."""
    for _ in range(TRIES):
        with subprocess.Popen(command_of(script, hz), **PIPES, env=peer_env()) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            try:
                if process.stdout.readline().strip() != "ready":
                    continue
                time.sleep(warm_s)
                cost = watched(psutil.Process(process.pid), seconds)
                process.stdin.close()
                said = json.loads(process.stdout.readline())
            finally:
                killed(process)
        return Cost(cost.core, cost.rss_bytes, tuple(said) if isinstance(said, list) else ())
    raise RuntimeError(f"{script} did not start in {TRIES} tries")


def killed(process: subprocess.Popen[str]) -> None:
    """A tool and the processes that it started, which may not end by themselves."""
    tree = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in tree:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def command_of(script: str, hz: int) -> list[str]:
    """Its process."""
    return [str(PEERS), str(SCRIPTS / script), str(1 / hz)]


def peer_env() -> dict[str, str]:
    """The stand-in by the loader's path, which their own children inherit."""
    return {**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **ALL.env(), "LD_LIBRARY_PATH": str(library().parent)}


def middle_of(costs: list[Cost]) -> Cost:
    """The median of turns, and the sweeps of the first."""
    return Cost(middle([one.core for one in costs]), round(middle([float(one.rss_bytes) for one in costs])), costs[0].sweeps_ns)


def goals(scale: str) -> list[Goal]:
    """Ours alone, and beside the others where they are installed."""
    turns, seconds, fast_s, warm_s = (1, 1.0, 1.0, 0.5) if scale == "smoke" else (3, 10.0, 30.0, WARM_S)
    have_peers = PEERS.exists() and scale != "smoke"
    seen: dict[str, list[Cost]] = {"ours": [], "default": [], "zeus": [], "aiperf": []}
    for _ in range(turns):
        seen["ours"].append(ours(seconds, hz=10, warm_s=warm_s))
        if scale != "smoke":
            seen["default"].append(ours(seconds, hz=10, wave=ALL, witness_s=10.0, warm_s=warm_s))
        if have_peers:
            seen["zeus"].append(peer("zeus_power.py", seconds, hz=10))
            seen["aiperf"].append(peer("aiperf_telemetry.py", seconds, hz=10))
    fast = ours(fast_s, hz=100, witness_s=10.0, wave=ALL, warm_s=warm_s)
    fast_aiperf = peer("aiperf_telemetry.py", fast_s, hz=100) if have_peers else None
    return judged({name: middle_of(costs) for name, costs in seen.items() if costs}, fast, fast_aiperf)


def percent(cost: Cost) -> float:
    """Of a core."""
    return cost.core * 100


def megabytes(cost: Cost) -> float:
    """Of memory."""
    return cost.rss_bytes / 1e6


RATIOS: Final = (
    ("E7c", "processor time, to Zeus's PowerMonitor", 1 / 2, "zeus", "1/2.4", percent, "%"),
    ("E7d", "processor time, to AIPerf's collector", 1 / 3, "aiperf", "1/3.1", percent, "%"),
    ("E7e", "memory, to Zeus's PowerMonitor and its processes", 1 / 10, "zeus", "1/15", megabytes, "MB"),
    ("E7f", "memory, to AIPerf's collector", 1 / 2, "aiperf", "0.44", megabytes, "MB"),
)


def judged(seen: dict[str, Cost], fast: Cost, fast_aiperf: Cost | None) -> list[Goal]:
    """The goals of what was `seen`; those that need others are left out where they are not."""
    mine = seen["ours"]
    default = seen.get("default")
    beside = "" if default is None else f"temperature, utilization and throttling every 10 s, as is the default: {default.core * 100:.2f} %"
    lost = missed(fast.sweeps_ns, 10_000_000)
    theirs = "" if fast_aiperf is None else f"AIPerf {missed(fast_aiperf.sweeps_ns, 10_000_000)} of {round(span(fast_aiperf) / 1e7)}; "
    out = [
        Goal("E7a", "agent, 8 GPUs x 4 quantities at 10 Hz, share of a core", 0.5, mine.core * 100, "%", False, "0.49", beside),
        Goal("E7b", "its memory, with gRPC", 45.0, mine.rss_bytes / 1e6, "MB", False, "43"),
    ]
    for name, what, limit, whose, prototype, figure, unit in RATIOS:
        if whose not in seen:
            out.append(Goal(name, what, limit, 0.0, "x", prototype=prototype, not_run=NO_PEERS))
            continue
        own, other = figure(mine), figure(seen[whose])
        out.append(Goal(name, what, limit, own / other, "x", False, prototype, f"{own:.3g} and {other:.3g} {unit}", own / other))
    said = f"{theirs}ours of {round(span(fast) / 1e7)}, at {fast.core * 100:.1f} % of a core"
    out.append(Goal("E7g", "missed ticks at 100 Hz, by what the collector stored", 0, lost, "ticks", False, "0", said))
    return out


def span(cost: Cost) -> int:
    """From the first sweep to the last, ns."""
    return cost.sweeps_ns[-1] - cost.sweeps_ns[0] if cost.sweeps_ns else 0
