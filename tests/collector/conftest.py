"""A real collector, started by its command, and the stream an agent speaks."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from joulemark import timebase
from joulemark.proto import convert
from joulemark.proto.messages import STREAM_METHOD, Ack, Batch, ClockState, FrozenBatch, Hello, Loss, MeterCost, Overhead
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample

S = 1_000_000_000
POWER_W = 200


@dataclass
class Collector:
    """A collector process; `restart` after `kill` uses the same folder and new ports."""

    folder: Path
    process: subprocess.Popen[str] | None = None
    grpc: str = ""
    ingest: list[str] = field(default_factory=list)
    rest: str = ""
    tables: str = ""
    """Other tables of its configuration."""

    def start(self, **settings: Any) -> Collector:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "collector.toml"
        lines = {"grpc_listen": "127.0.0.1:0", "rest_listen": "127.0.0.1:0", "data_dir": str(self.folder / "data"), **settings}
        config.write_text(
            "[collector]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items()) + f"\n{self.tables}\n"
        )
        command = [sys.executable, "-m", "joulemark", "collector", "run", "--config", str(config), "--json"]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "log").read_text()
        addresses = json.loads(line)
        self.grpc, self.ingest, self.rest = addresses["grpc"], addresses["ingest"], addresses["rest"]
        return self

    def kill(self) -> None:
        """SIGKILL to every process of it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.close()

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.close()

    def close(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        status = self.process.wait(60)
        self.process.stdout.close()
        return status


def overhead_after(batch_seq: int, rows: int) -> Overhead:
    """What the hand-made agent says of itself: a hundredth of a core, 2 ms a read, a fifth of the reads in bursts, and one of 9 ms."""
    count = rows * batch_seq
    cost = MeterCost("fake", count, 0, count * 2_000_000, count // 5, 2_000_000, 9_000_000)
    return Overhead(batch_seq * S // 100, 40_000_000, 2, (cost,))


@dataclass
class Agent:
    """What an agent says on its stream, by hand: one 200 W device at 10 Hz that counts its energy; with `tells_cost` its cost too."""

    agent_id: str = "host-a"
    epoch_ns: int = field(default_factory=time.time_ns)
    boot_id: str = field(default_factory=timebase.boot_id)
    instance_id: str = ""
    tells_cost: bool = False

    @property
    def device(self) -> DeviceInfo:
        name = f"fake:{self.agent_id}:0"
        return DeviceInfo(
            name,
            (
                MeterInfo(f"{name}:power", "fake", Quantity.POWER, -3, Boundary.GPU, update_period_s=0.1, simulated=True),
                MeterInfo(f"{name}:energy", "fake", Quantity.ENERGY_COUNTER, -6, Boundary.GPU, update_period_s=0.1, simulated=True),
            ),
        )

    def batch(self, batch_seq: int, *, begin_ns: int, rows: int = 10, described: bool = True, losses: tuple[Loss, ...] = ()) -> FrozenBatch:
        """`rows` reads from `begin_ns` (UTC) on, a tenth of a second apart."""
        clock = timebase.SystemClock()
        offset = timebase.utc_minus_mono_ns(clock)
        samples = []
        for row in range(rows):
            mono = begin_ns + row * S // 10 - offset
            counter = (begin_ns + row * S // 10 - self.epoch_ns) * POWER_W // 1000 + 10**12
            samples.append(
                Sample(
                    self.device.device_id,
                    mono - 10_000,
                    mono + 10_000,
                    offset,
                    (POWER_W * 1000, counter),
                    (None, None),
                    (Quality.OK, Quality.OK),
                    ("", ""),
                    seq=batch_seq * rows + row,
                )
            )
        return convert.freeze(
            Batch(
                self.epoch_ns,
                batch_seq,
                self.boot_id,
                begin_ns + rows * S // 10,
                ClockState(offset_known=True, probe_count=8),
                {self.device.device_id: tuple(samples)},
                devices=(self.device,) if described else (),
                losses=losses,
                overhead=overhead_after(batch_seq, rows) if self.tells_cost else Overhead(),
            )
        )

    def description(self, batch_seq: int, device: DeviceInfo) -> FrozenBatch:
        """A batch that brings no sample and describes `device`."""
        return convert.freeze(Batch(self.epoch_ns, batch_seq, self.boot_id, self.epoch_ns, ClockState(), {}, devices=(device,)))

    def hello(self) -> Hello:
        return Hello(self.agent_id, self.epoch_ns, self.boot_id, "test", instance_id=self.instance_id)

    def open(self, channel: grpc.Channel, *messages: Any) -> Any:
        """A stream that said Hello and `messages` and stays open until it is cancelled."""
        call, sending = self.speak(channel)
        for message in messages:
            sending.put(message)
        return call

    def speak(self, channel: grpc.Channel) -> tuple[Any, queue.SimpleQueue[Any]]:
        """A stream that said Hello, and where to put what it says next; it stays open until it is cancelled."""
        sending: queue.SimpleQueue[Any] = queue.SimpleQueue()
        sending.put(self.hello())

        def requests() -> Iterator[bytes]:
            while (message := sending.get()) is not None:
                yield convert.request_bytes(message)

        call = channel.stream_stream(STREAM_METHOD)(requests())
        call.add_callback(lambda: sending.put(None))
        return call, sending

    def converse(self, address: str, messages: list[Any], *, answers: int) -> list[Any]:
        """Hello and `messages`, and the first `answers` answers. Raises grpc.RpcError when the stream is refused."""
        with grpc.insecure_channel(address) as channel:
            call = self.open(channel, *messages)
            try:
                return [convert.parse_response(next(call)) for _ in range(answers)]
            finally:
                call.cancel()

    def send(self, address: str, *batches: FrozenBatch) -> None:
        """Send batches and wait until the last one is acknowledged."""
        wanted = Ack(self.epoch_ns, convert.decode(batches[-1].body).batch_seq)
        with grpc.insecure_channel(address) as channel:
            call = self.open(channel, *batches)
            next(call)
            while convert.parse_response(next(call)) != wanted:
                pass
            call.cancel()


@pytest.fixture
def start_collector(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    """Start a collector in a fresh folder; it is stopped at the end."""
    started: list[Collector] = []

    def start(**settings: Any) -> Collector:
        started.append(Collector(tmp_path / f"collector{len(started)}").start(**settings))
        return started[-1]

    yield start
    for collector in started:
        if collector.process is not None and collector.process.poll() is None:
            collector.kill()


@pytest.fixture
def collector(start_collector: Callable[..., Collector]) -> Collector:
    return start_collector()


@pytest.fixture(scope="module")
def lasting_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One collector for a file of tests that bring runs and devices of their own and leave it running."""
    collector = Collector(tmp_path_factory.mktemp("collector") / "collector").start()
    yield collector
    collector.kill()


@pytest.fixture
def http(collector: Collector) -> Iterator[httpx.Client]:
    """A client of the collector's REST API."""
    with httpx.Client(base_url=collector.rest, timeout=60) as client:
        yield client
