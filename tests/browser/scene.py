"""What the pages are looked at with: a collector fed by a real agent, one that holds nothing yet, and one whose ingest process is gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from joulemark import request_log, timebase
from joulemark.board.store import BoardStore
from joulemark.calibration.rounds import Evaluation, Round
from joulemark.cards.contents import alignment_files
from joulemark.client import Client
from joulemark.collector import rings
from joulemark.config import load
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from joulemark.pricing import kept
from joulemark.pricing.intake import Intake
from joulemark.request_log import Request, Status
from joulemark.runs import ClockKind, PhaseKind, Run, Tokens, ToolReported, Window, new_run_id
from joulemark.timebase import SystemClock
from joulemark.workload import Workload
from tests.bench.board.cards import cards
from tests.board import archives
from tests.browser.traces import GPUS, Load, written
from tests.kit import alignment
from tests.waiting import eventually

HOST: Final = "node-1"
ENTRIES: Final = 12
ALIGNMENT: Final = "kit-1"
LABORATORIES: Final = {"A": 250.0, "B": 251.0, "C": 249.0, "D": 250.5, "E": 249.5, "F": 262.0}
"""Of the ring test, by what they measured in W; one of them is off."""
CONFIG: Final = """\
[agent]
agent_id = "{host}"
collector = "127.0.0.1:{grpc_port}"
batch_period_ms = 250

[spool]
path = "{folder}/spool.db"

[collector]
grpc_listen = "127.0.0.1:{grpc_port}"
rest_listen = "127.0.0.1:{rest_port}"
data_dir = "{folder}/data"

[board]
kit = true
"""
LABELS: Final = {"provider": "example", "region": "demo", "instance_type": "1x-gpu-demo", "price_model": "custom", "tariff_zone": "demo"}
PLAN: Final = {
    "llama-3-8b, fp8": (("idle", 0.03, 0.16), ("warmup", 0.24, 0.32), ("measured", 0.33, 0.58)),
    "llama-3-8b, bf16": (("idle", 0.04, 0.17), ("warmup", 0.25, 0.45), ("measured", 0.46, 0.86)),
}
"""Of each run, its phases as parts of one round of the load; in the second one a GPU falls silent."""
KINDS: Final = {"idle": PhaseKind.IDLE_BEFORE, "warmup": PhaseKind.WARMUP, "measured": PhaseKind.MEASURED}
TOKENS_PER_S: Final = {"llama-3-8b, fp8": 5200, "llama-3-8b, bf16": 3100}
REQUESTS_PER_S: Final = 12


class Place:
    """A collector in a folder of its own; its agent, where it has one, shares its configuration."""

    def __init__(self, folder: Path, *, tables: str = "") -> None:
        (folder / "data").mkdir(parents=True)
        self.folder, self.rest_port, self.grpc_port = folder, free_port(), free_port()
        self.config = folder / "joulemark.toml"
        self.config.write_text(
            CONFIG.format(host=HOST, folder=folder, rest_port=self.rest_port, grpc_port=self.grpc_port) + tables, encoding="utf-8"
        )
        self.url = f"http://127.0.0.1:{self.rest_port}"

    def daemon(self, name: str, command: list[str]) -> Daemon:
        """A process that reads this configuration and logs to `NAME.log`."""
        return Daemon(command, self.folder / f"{name}.log", {"JOULEMARK_CONFIG": str(self.config), "JOULEMARK_URL": self.url})


class Scene:
    """Context manager: everything runs inside of it, and nothing after it. `length_s`: how long one round of the load takes.

    `thorough`: also hand in a bundle of the conformance kit, which is judged before it stands on the board.
    """

    def __init__(self, folder: Path, *, length_s: float, thorough: bool = False) -> None:
        self.folder, self.load, self.thorough = folder, Load(length_s), thorough
        self.runs: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        start_ns = time.time_ns()
        (self.folder / "traces").mkdir(parents=True)
        tables = written(self.folder / "traces", self.load, start_ns=start_ns)
        text = "".join("\n[[meter]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items()) for one in tables)
        self.full = Place(self.folder / "full", tables=text)
        self.empty, self.failing = (Place(self.folder / name) for name in ("empty", "failing"))
        try:
            self.collector = self._started(self.full, "collector")
            self._prices()
            self.collector.wait_for_port(self.full.grpc_port)
            self.agent = self._started(self.full, "agent")
            self.collector.wait_for_port(self.full.rest_port)
            self.full_client = Client(self.full.url)
            eventually(self._everything_arrives, "readings of every meter")
            self._board_and_calibration()
            rounds = (time.time_ns() - start_ns) // round(self.load.length_s * 1e9) + 1
            self._run(start_ns + round(rounds * self.load.length_s * 1e9))
            self._went_away()
            others = [sys.executable, "-m", "tests.browser.beside", str(self.empty.config), str(self.failing.config)]
            beside = self._started(self.failing, "collector", others)
            for place in (self.empty, self.failing):
                beside.wait_for_port(place.rest_port)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _started(self, place: Place, name: str, command: list[str] | None = None) -> Daemon:
        daemon = place.daemon(name, command or command_line(name, "run"))
        self._stack.callback(daemon.stop)
        daemon.start()
        return daemon

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No process of the fed collector does anything inside the block, as if the machine hung."""
        assert self.collector.process is not None
        os.killpg(self.collector.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.collector.process.pid, signal.SIGCONT)

    def _everything_arrives(self) -> bool:
        return len(self.full_client.meters()) == len(list((self.folder / "traces").iterdir()))

    def _prices(self) -> None:
        """The example prices of the demonstration."""
        clock, settings = SystemClock(), load(self.full.config)
        with resources.as_file(resources.files("joulemark.demo") / "prices.toml") as file, kept.opened(settings, clock) as store:
            Intake.read(file, clock=clock).commit(store)

    def _board_and_calibration(self) -> None:
        with BoardStore(self.full.folder / "data" / "board.db") as store:
            made = list(cards(ENTRIES, seed=1))
            store.publish_all(made)
        self.entry_id = made[0][0].entry_id.rpartition(":")[2]
        aligned = alignment.made(1, before_ns=time.time_ns())
        self.full_client.calibrate({path: data.decode() for path, data in alignment_files((aligned,)).items()})
        self._ring()
        if self.thorough:
            path = self.folder / "kit.zip"
            path.write_bytes(archives.kit("ES1"))
            told = self.full_client.hand_in(path, "application/zip", level="ES1")
            where = f"/v1/board/submissions/{told['submission_id']}"
            eventually(lambda: self.full_client.call("GET", where)["state"] not in ("received", "validating"), "a judged bundle")

    def _ring(self) -> None:
        """The evaluation of a ring test, put where the collector looks for it."""
        laboratories = [{"name": name, "value": value, "u95": 3.0} for name, value in LABORATORIES.items()]
        data = {"round": "2026-1", "artefact": "travelling", "workload_sha256": "ab" * 32, "date": "2026-08-01", "laboratory": laboratories}
        folder = self.full.folder / "data" / rings.FOLDER
        folder.mkdir(exist_ok=True)
        (folder / "2026-1.json").write_bytes(Evaluation.of(Round.from_json(data, where="the scene")).text)

    def _run(self, begin_ns: int) -> None:
        """Two runs in the round of the load that begins then, told when it is over, and one that goes on."""
        end_ns = begin_ns + round(self.load.length_s * 1e9)
        time.sleep(max(0.0, (end_ns - time.time_ns()) / 1e9))
        for name in PLAN:
            self.runs[name] = self._told(name, begin_ns, end_ns)
        for run_id in self.runs.values():
            eventually(lambda run_id=run_id: self.full_client.energy(run_id)["settled"], "all readings of a run")
        self.runs["open"] = self.full_client.start(benchmark="vllm bench serve", labels={"model": "llama-3-8b"})
        self.full_client.begin(self.runs["open"], "measured")

    def _told(self, name: str, begin_ns: int, end_ns: int) -> str:
        """Hand in one run that is over; its id."""
        model, precision = name.split(", ")
        at = [(phase, *(begin_ns + round(part * (end_ns - begin_ns)) for part in edges)) for phase, *edges in PLAN[name]]
        requests = answered(*at[-1][1:], tokens_per_s=TOKENS_PER_S[name])
        counts = Tokens(input=640 * len(requests), output=sum(one.output_tokens or 0 for one in requests), source="server_usage")
        produced: dict[str, dict[str, Any]] = {"measured": {"tokens": counts, "requests": len(requests), "requests_failed": 0}}
        windows = tuple(Window(phase, KINDS[phase], a, b, **produced.get(phase, {})) for phase, a, b in at)
        clock, client = SystemClock(), self.full_client
        run_id = new_run_id(clock)
        labels = {**LABELS, "model": model, "precision": precision}
        client.call("POST", "/v1/runs", {"run_id": run_id, "benchmark": "vllm bench serve", "labels": labels, "moment": moment(begin_ns)})
        reported = tuple(
            ToolReported(figure, value, "ms", "measured")
            for figure, value in (("mean_ttft_ms", 41.5), ("p99_ttft_ms", 96.0), ("mean_itl_ms", 9.7), ("p99_itl_ms", 21.0))
        )
        told = Run(windows, benchmark="vllm bench serve", run_id=run_id, clock=ClockKind.UTC, tool_reported=reported, labels=labels)
        client.benchmark(run_id, told, source="result.json")
        engine: dict[str, Any] = {"engine": "vllm", "engine_version": "0.11.0", "concurrency": 64, "gpu_type": "H100", "gpu_count": GPUS}
        workload = Workload(model=model, precision=precision, **engine)
        client.evidence(run_id, {"workload": workload.to_json(), "requests": request_log.to_csv(requests)})
        client.call("POST", f"/v1/runs/{run_id}/stop", {"moment": moment(end_ns)})
        return run_id

    def _went_away(self) -> None:
        """What was stored, taken over by the collector without an ingest process."""
        source, target = self.full.folder / "data", self.failing.folder / "data"
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.db", "*.db-*", "*.sock", "*.lock"))
        for path in source.glob("*.db"):
            with closing(sqlite3.connect(path)) as taken, closing(sqlite3.connect(target / path.name)) as copy:
                taken.backup(copy)


def moment(utc_ns: int) -> dict[str, Any]:
    """A moment of this host as its clients tell it."""
    clock = SystemClock()
    return {"utc_ns": utc_ns, "mono_ns": utc_ns - timebase.utc_minus_mono_ns(clock), "boot_id": timebase.boot_id()}


def answered(begin_ns: int, end_ns: int, *, tokens_per_s: int) -> tuple[Request, ...]:
    """Requests that fill the time from one edge of the measured phase to the other."""
    count = max(4, round((end_ns - begin_ns) / 1e9 * REQUESTS_PER_S))
    each, step_ns = round(tokens_per_s / REQUESTS_PER_S), (end_ns - begin_ns) // (count + 2)
    return tuple(
        Request(n, "measured", begin_ns + n * step_ns, begin_ns + (n + 2) * step_ns, Status.COMPLETED, 640, 0, each - n % 7, 0)
        for n in range(count)
    )
