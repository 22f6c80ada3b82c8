"""E10: energy of short phases of one known wave, ours, Zeus's and AIPerf's, all watching the same stand-in at the same time.

Phases of four lengths begin at random moments of one timeline, one after another. Ours goes its whole way: marks over REST, an agent that
reads as it does by itself (1 Hz, and 20 Hz around marks) and one at 20 Hz, collector, energy of the run with its U95. What is true is the
integral of the wave in whole numbers, by arithmetic of this module's own. SEED=n; MUTATE=shift (the truth is that of another wave) and
MUTATE=counter (the driver has no energy counter for us) must turn it red.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joulemark
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from tests.bench.engine.footprint import NO_PEERS, PEERS, PIPES, SCRIPTS, TRIES, killed, peer_env, wait_for_readings
from tests.bench.engine.goal import Goal, middle
from tests.standins.nvml_standin import NvmlWave, library

S: Final = 1_000_000_000
LENGTHS_S: Final = (0.35, 1.3, 3.7, 9.6)
RATES: Final = {"default": 1000, "20 Hz": 50}
"""Our agents: `interval_ms` of each; the first one is what an agent does unless told otherwise."""
STARTS: Final = 40
GAPS_S: Final = (0.3, 1.0)
LEAD_S: Final = 3.0
"""From the plan to the first phase."""
LOW_MW, HIGH_MW, HALF_NS = 100_000, 650_000, 730_000_000
SENSOR: Final = {"INSTANT_NS": 25_000_000, "POWER_STEP_NS": 100_000_000}
"""As an H100's: 25 of 100 ms are looked at (SC24), the average is over 1 s, the counter steps each 100 ms."""
NEAR_NS: Final = 5_000_000

Plan = list[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool says of a phase. `u95_j`: None where it says nothing of how sure it is."""

    name: str
    begin_ns: int
    end_ns: int
    energy_j: float
    u95_j: float | None = None

    @property
    def length(self) -> str:
        """Which of LENGTHS_S."""
        return self.name.partition(" ")[0]

    @property
    def true_j(self) -> float:
        """The integral of the wave between the moments that the tool was given, exact up to the last step."""
        shift_ns = 200_000_000 if os.environ.get("MUTATE") == "shift" else 0
        return true_mw_ns(self.begin_ns + shift_ns, self.end_ns + shift_ns) / 10**12

    @property
    def error(self) -> float:
        """Relative, without its sign."""
        return abs(self.energy_j - self.true_j) / self.true_j

    @property
    def covered(self) -> bool:
        """Whether the truth lies within U95."""
        return self.u95_j is not None and abs(self.energy_j - self.true_j) <= self.u95_j


def true_mw_ns(begin_ns: int, end_ns: int) -> int:
    """Energy of the wave in mW x ns: level by level, as it is drawn on paper."""
    total, at_ns = 0, begin_ns
    while at_ns < end_ns:
        half = at_ns // HALF_NS
        until_ns = min(end_ns, (half + 1) * HALF_NS)
        total += (until_ns - at_ns) * (HIGH_MW if half % 2 else LOW_MW)
        at_ns = until_ns
    return total


def planned(seed: int, starts: int, lengths_s: Sequence[float], begin_ns: int) -> Plan:
    """Every length `starts` times, in random order with random gaps."""
    rng = random.Random(seed)
    names = [(length_s, f"{length_s:g} {place}") for length_s in lengths_s for place in range(starts)]
    rng.shuffle(names)
    plan, at_ns = [], begin_ns
    for length_s, name in names:
        at_ns += round(rng.uniform(*GAPS_S) * S)
        plan.append((name, at_ns, at_ns + round(length_s * S)))
        at_ns = plan[-1][2]
    return plan


def clear(plan: Plan) -> Plan:
    """The plan with each phase moved to where the wave turns over as far from both of its marks as it can, and each as late as the ones
    before it were moved: what nobody can know, a turn inside the refresh in which a mark stands, is left out, also where a mark is late.
    """
    moved, later_ns = [], 0
    for name, begin_ns, end_ns in plan:
        offsets_ns = range(later_ns, later_ns + HALF_NS, S // 100)
        later_ns = max(offsets_ns, key=lambda offset_ns: min(before_turn_ns(at_ns + offset_ns) for at_ns in (begin_ns, end_ns)))
        moved.append((name, begin_ns + later_ns, end_ns + later_ns))
    return moved


def before_turn_ns(at_ns: int) -> int:
    """How long until the wave turns over, or since it did where that is less than two steps of the counter ago."""
    since_ns = at_ns % HALF_NS
    return min(HALF_NS - since_ns, since_ns) if since_ns < 2 * SENSOR["POWER_STEP_NS"] else HALF_NS - since_ns


def wave() -> NvmlWave:
    """One GPU."""
    spoilt = {"UNSUPPORTED": 83} if os.environ.get("MUTATE") == "counter" else {}
    return NvmlWave(1, LOW_MW / 1e3, HIGH_MW / 1e3, HALF_NS, settings={**SENSOR, **spoilt})


@contextmanager
def installation(folder: Path, *, interval_ms: int) -> Iterator[joulemark.Client]:
    """A collector and an agent with nothing but its interval set; the client of the collector."""
    folder.mkdir()
    grpc_port, rest_port = free_port(), free_port()
    (folder / "joulemark.toml").write_text(
        f'[agent]\nagent_id = "bench"\ncollector = "127.0.0.1:{grpc_port}"\ninterval_ms = {interval_ms}\n'
        f'[spool]\npath = "{folder}/spool.db"\n[[meter]]\nkind = "nvml"\nlibrary = "{library()}"\n'
        f'[collector]\ngrpc_listen = "127.0.0.1:{grpc_port}"\nrest_listen = "127.0.0.1:{rest_port}"\ndata_dir = "{folder}/data"\n'
    )
    env = {"JOULEMARK_CONFIG": str(folder / "joulemark.toml")}
    collector = Daemon(command_line("collector", "run"), folder / "collector.log", env)
    agent = Daemon(command_line("agent", "run"), folder / "agent.log", {**env, **wave().env()})
    try:
        collector.start()
        collector.wait_for_port(grpc_port, 60.0)
        collector.wait_for_port(rest_port, 60.0)
        agent.start()
        wait_for_readings(folder / "data")
        yield joulemark.Client(f"http://127.0.0.1:{rest_port}")
    finally:
        agent.stop()
        collector.stop()


def marked(client: joulemark.Client, plan: Plan) -> list[Found]:
    """The plan as one run of ours: each phase is marked when its time has come; what the collector says of it afterwards."""
    noted: dict[str, list[int]] = {}
    run_id = client.start(benchmark="accuracy")
    for name, begin_ns, end_ns in plan:
        time.sleep(max(0.0, (begin_ns - time.time_ns()) / S))
        noted[name] = [time.time_ns()]
        client.begin(run_id, name)
        noted[name].append(time.time_ns())
        time.sleep(max(0.0, (end_ns - time.time_ns()) / S))
        noted[name].append(time.time_ns())
        client.end(run_id, name)
        noted[name].append(time.time_ns())
    client.stop(run_id)
    phases = client.settled_energy(run_id)["phases"]
    found = [Found(one["name"], one["begin_ns"], one["end_ns"], one["energy_j"], one["u95_j"]) for one in phases]
    assert len(found) == len(plan), f"{len(found)} of {len(plan)} phases have an energy"
    for one in found:
        began_ns, begun_ns, ended_ns, over_ns = noted[one.name]
        asked = began_ns - NEAR_NS < one.begin_ns < begun_ns + NEAR_NS and ended_ns - NEAR_NS < one.end_ns < over_ns + NEAR_NS
        assert asked, f"phase {one.name} is dated {one.begin_ns} to {one.end_ns}, its marks were set at {noted[one.name]}"
    return found


@contextmanager
def peer(script: str) -> Iterator[subprocess.Popen[str]]:
    """A tool of .venv-peers that is ready for its plan; asked again where it does not get ready in the time that it gives itself."""
    env = {**peer_env(), **wave().env()}
    for _ in range(TRIES):
        with subprocess.Popen([str(PEERS), str(SCRIPTS / script)], env=env, **PIPES) as process:
            try:
                assert process.stdout is not None
                if process.stdout.readline().strip() == "ready":
                    yield process
                    return
            finally:
                killed(process)
    raise RuntimeError(f"{script} did not start in {TRIES} tries")


def given(process: subprocess.Popen[str], plan: Plan) -> None:
    """Hand the plan over."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(plan) + "\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> Any:
    """What it found, once it has."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def zeus_found(rows: list[dict[str, Any]]) -> dict[str, list[Found]]:
    """Its paths by name."""
    paths = [key for key in rows[0] if key not in ("name", "begin_ns", "end_ns")]
    return {f"Zeus {path}": [Found(row["name"], row["begin_ns"], row["end_ns"], row[path]) for row in rows] for path in paths}


def aiperf_found(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[Found]]:
    """Its two collectors."""
    return {f"AIPerf {rate}": [Found(**row) for row in told] for rate, told in rows.items()}


def seen(plan_of: Callable[[int], Plan], *, rates: Sequence[str], peers: bool) -> dict[str, list[Found]]:
    """Everything over one timeline, by the name of the tool."""
    found: dict[str, list[Found]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clients = {rate: stack.enter_context(installation(folder / rate.replace(" ", ""), interval_ms=RATES[rate])) for rate in rates}
        tools = [stack.enter_context(peer(script)) for script in ("zeus_windows.py", "aiperf_windows.py") if peers]
        plan = plan_of(time.time_ns() + round(LEAD_S * S))
        for tool in tools:
            given(tool, plan)
        threads = [
            threading.Thread(target=lambda rate=rate, client=client: found.update({f"ours {rate}": marked(client, plan)}))
            for rate, client in clients.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == len(clients), "a run of ours has no energy: its reason is printed above"
        if tools:
            found.update(zeus_found(answer(tools[0])))
            found.update(aiperf_found(answer(tools[1])))
    return found


def medians(found: Sequence[Found]) -> dict[str, float]:
    """Median of the relative errors of each length."""
    return {length: middle([one.error for one in found if one.length == length]) for length in dict.fromkeys(one.length for one in found)}


def judged(found: dict[str, list[Found]]) -> list[Goal]:
    """Each length at each rate beside the better of each rival's paths, and how often U95 held."""
    by_tool = {name: medians(phases) for name, phases in found.items()}
    out = []
    for rate in (rate for rate in RATES if f"ours {rate}" in found):
        for length, own in sorted(by_tool[f"ours {rate}"].items(), key=lambda one: float(one[0])):
            rivals = {name: errors[length] for name, errors in by_tool.items() if name == "Zeus window" or name.endswith(rate)}
            rivals.pop(f"ours {rate}", None)
            goal_id = f"E10{'abcdefgh'[len(out)]}"
            what = f"median error of phases of {length} s, {rate}, to the best of Zeus and AIPerf"
            told = ", ".join(f"{name} {error:.3%}" for name, error in rivals.items())
            if not rivals:
                out.append(Goal(goal_id, what, 0.1, 0.0, "x", prototype="~0", not_run=f"{NO_PEERS} (ours {own:.4%})"))
                continue
            ratio = own / min(rivals.values())
            out.append(Goal(goal_id, what, 0.1, ratio, "x", False, "~0", f"ours {own:.4%}, {told}", ratio))
    ours = [one for name, phases in found.items() if name.startswith("ours") for one in phases]
    share, most = sum(one.covered for one in ours) / len(ours), max(one.error for one in ours)
    said = f"{len(ours)} phases, the worst {most:.2%} off; median U95 {middle([(one.u95_j or 0.0) / one.true_j for one in ours]):.2%}"
    worst = max(error for name, errors in by_tool.items() if name.startswith("ours") for error in errors.values())
    out.append(Goal("E10j", "median error of our phases, of the length where it is largest", 0.01, worst * 100, "%", False, "0.01"))
    return [*out, Goal("E10i", "of our phases, the truth within U95", 95.0, share * 100, "%", True, "", said)]


def goals(scale: str) -> list[Goal]:
    """One timeline of a quarter of an hour; a smoke has six phases, clear of turns of the wave, and no rival."""
    seed = int(os.environ.get("SEED") or 1)
    if scale == "smoke":
        return judged(seen(lambda begin_ns: clear(planned(seed, 3, LENGTHS_S[:2], begin_ns)), rates=("20 Hz",), peers=False))
    have_peers = PEERS.exists()
    starts = int(os.environ.get("STARTS") or STARTS)
    found = seen(lambda begin_ns: planned(seed, starts, LENGTHS_S, begin_ns), rates=tuple(RATES), peers=have_peers)
    return judged(found)
