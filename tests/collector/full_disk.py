"""A real collector on a full disk: `python -m tests.collector.full_disk FOLDER WORK HOW WHAT`; prints what was seen as one line of JSON.

WHAT is `filled` or `starts`. FOLDER lies on a small device of its own (HOW `device`), or the system refuses every write of the collector's
processes beyond a size (HOW `limit`). WORK holds the agent's spool and the log, which have room.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from joulemark import timebase
from joulemark.collector.proof import Proof, exact
from joulemark.collector.store import schema
from joulemark.collector.store.pieces import pieces
from joulemark.collector.store.sqlite import SqliteReadings
from tests.agent.agent_process import AgentProcess, seqs
from tests.collector.conftest import Collector
from tests.waiting import eventually

ALL_NS: Final = (0, 2**61)
SHOWN: Final = ("/healthz", "/readyz", "/metrics", "/runs", "/hosts", "/prices", "/board", "/v1/meters", "/v1/runs")
MORE_BATCHES: Final = 30
LOG_ROOM_BYTES: Final = 65_536
ROOMS_BYTES: Final = (16_384, 40_960, 98_304, 131_072, 262_144)
"""From too little for the index of one write-ahead log, which has 32 KiB, to enough for all."""


class Scene:
    """A collector with its data on the device, an agent beside it, and a run that goes on."""

    def __init__(self, folder: Path, work: Path, how: str) -> None:
        self.folder, self.work, self.how = folder, work, how
        self.collector = Collector(work / "collector").start(data_dir=str(folder / "data"), seal_after_s=2.0)
        self.agent = AgentProcess(work, int(self.collector.grpc.rpartition(":")[2]))

    def metric(self, name: str) -> float:
        """A metric of the collector, by its name and labels; 0 where it is absent."""
        lines = httpx.get(f"{self.collector.rest}/metrics", timeout=30).text.splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"joulemark_{name} ")), 0.0)

    def said(self) -> str:
        """The collector's log so far."""
        return (self.work / "collector" / "log").read_text(encoding="utf-8")

    def mark(self) -> httpx.Response:
        """Begin a run."""
        moment = {"utc_ns": time.time_ns(), "mono_ns": time.monotonic_ns(), "boot_id": timebase.boot_id()}
        return httpx.post(f"{self.collector.rest}/v1/runs", json={"benchmark": "kept", "moment": moment}, timeout=30)

    @contextmanager
    def full(self) -> Iterator[None]:
        """No byte more can be written where the collector's data lies."""
        if self.how == "limit":
            with refused(self.collector, (self.work / "collector" / "log").stat().st_size + LOG_ROOM_BYTES):
                yield
            return
        ballast = self.folder / "ballast"
        fill(ballast)
        try:
            yield
        finally:
            ballast.unlink()


def fill(ballast: Path) -> None:
    """Take all that is left of a device, to the last byte."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1_048_576, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@contextmanager
def refused(collector: Collector, limit: int) -> Iterator[None]:
    """Forbid the files of the collector's processes to grow beyond `limit` bytes; the log, which is below it, still may."""
    assert collector.process is not None
    parent = collector.process.pid
    pids = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def while_full(scene: Scene) -> dict[str, Any]:
    """What a collector on a full disk does: seen after it has refused a batch, and again when the spool holds more by MORE_BATCHES."""
    eventually(lambda: scene.metric('ingest_refused_total{reason="disk"}'), "a batch is refused")
    stored, waiting = scene.metric("batches_total"), scene.agent.bodies()
    eventually(lambda: len(scene.agent.bodies()) >= len(waiting) + MORE_BATCHES, "the agent spools")
    later, mark = scene.agent.bodies(), scene.mark()
    headers = {"Accept": "text/html"}
    answers = {path: httpx.get(scene.collector.rest + path, headers=headers, timeout=30).status_code for path in SHOWN}
    return {
        "stored_before": stored,
        "stored_after": scene.metric("batches_total"),
        "let_go": len(set(waiting) - set(later)),
        "spooled": {device: numbers for (_, device), numbers in seqs(later).items()},
        "answers": answers,
        "mark": [mark.status_code, mark.json()["next_step"]],
        "free_bytes": scene.metric("data_dir_free_bytes"),
    }


def found(folder: Path) -> dict[str, Any]:
    """What the files of a collector that has ended hold: numbers of readings of each device in order, and what is wrong with them."""
    store, proof = SqliteReadings(folder / "readings.db"), Proof()
    devices = [one.device.device_id for one in store.devices()]
    with closing(schema.reader(store.path)) as db:
        read = pieces(db, devices, *ALL_NS)
        chunks = db.execute("SELECT COUNT(*) FROM chunk").fetchone()[0]
        sound = [db.execute("PRAGMA integrity_check").fetchone()[0]]
    with closing(sqlite3.connect(folder / "catalog.db")) as db:
        sound.append(db.execute("PRAGMA integrity_check").fetchone()[0])
    return {
        "numbers": {device: [int(n) for piece in read[device] for n in piece.columns.shared["seq"]] for device in devices},
        "missing": sum(one.acked_seq + 1 - one.batch_count for one in store.streams()),
        "duplicates": sum(one.duplicate_count for one in store.streams()),
        "losses": sum(loss.sample_count for _, loss in store.losses(*ALL_NS)),
        "chunks": chunks,
        "sound": sound,
        "wrong_sums": list(exact(store.path, proof)),
        "days": proof.spans,
    }


def filled(folder: Path, work: Path, how: str) -> dict[str, Any]:
    """A disk that fills under a collector which stores and seals, and has room again; what was seen then, and what its files hold."""
    scene = Scene(folder, work, how)
    eventually(lambda: scene.metric("batches_total") >= 10 and "sealed" in scene.said(), "batches arrive and are sealed")
    run = scene.mark().json()["run_id"]
    with scene.full():
        seen = while_full(scene)
        eventually(lambda: "readings cannot be sealed" in scene.said(), "the sealer says so")
        said = scene.said()
    sealed = said.count("sealed ")
    eventually(lambda: not scene.agent.bodies(), "the spool is delivered")
    eventually(lambda: scene.said().count("sealed ") > sealed, "sealing goes on")
    after = scene.mark()
    told, left = scene.agent.end(), len(scene.agent.bodies())
    runs = [one["run_id"] for one in httpx.get(f"{scene.collector.rest}/v1/runs", timeout=30).json()]
    return {
        **seen,
        "log": said.splitlines(),
        "agent_log": told,
        "left": left,
        "mark_after": after.status_code,
        "run_kept": run in runs and after.json()["run_id"] in runs,
        "status": scene.collector.stop(),
        "found": found(folder / "data"),
    }


def starts(folder: Path, work: Path, how: str) -> dict[str, Any]:
    """How a collector starts that was stopped and finds a disk with so much room: `status` 0, or what it ended with and its last words."""
    scene, seen = Scene(folder, work, how), []
    eventually(lambda: scene.metric("batches_total") >= 10, "batches arrive")
    run = scene.mark().json()["run_id"]
    scene.agent.end()
    scene.collector.stop()
    held = found(folder / "data")
    for room in ROOMS_BYTES:
        (work / "collector" / "log").write_text("")
        with little(folder, how, room):
            status, said = tried(scene)
        seen.append({"room_bytes": room, "status": status, "said": said})
    scene.collector.start(data_dir=str(folder / "data"))
    runs = [one["run_id"] for one in httpx.get(f"{scene.collector.rest}/v1/runs", timeout=30).json()]
    scene.collector.stop()
    again = found(folder / "data")
    return {"starts": seen, "kept": again["numbers"] == held["numbers"], "sound": again["sound"], "run_kept": run in runs}


def tried(scene: Scene) -> tuple[int, str]:
    """The status of a start on the data of before, and what it said."""
    with suppress(AssertionError):
        scene.collector.start(data_dir=str(scene.folder / "data"))
    assert scene.collector.process is not None
    started = scene.collector.process.poll() is None and bool(httpx.get(f"{scene.collector.rest}/healthz", timeout=30).json())
    return (scene.collector.stop() if started else scene.collector.close()), scene.said()


@contextmanager
def little(folder: Path, how: str, room: int) -> Iterator[None]:
    """So many bytes are left on the device, or no file may grow beyond so many."""
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return
    kept, ballast = folder / "kept", folder / "ballast"
    kept.write_bytes(bytes(room))
    fill(ballast)
    kept.unlink()
    try:
        yield
    finally:
        ballast.unlink()


def main(folder: Path, work: Path, how: str, what: str) -> None:
    """Play one of the scenes."""
    work.mkdir(exist_ok=True)
    print(json.dumps({"filled": filled, "starts": starts}[what](folder, work, how)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
