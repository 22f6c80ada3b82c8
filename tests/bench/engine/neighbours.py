"""E13: the same readings in our store, in VictoriaMetrics and in Prometheus: what taking them in costs, what they weigh, what comes back.

Four quantities of eight GPUs at 10 Hz, in batches of 5 s. Theirs hold milliseconds, ours nanoseconds with read brackets and the relation of
two clocks beside. Processor time is that of the server until everything lies where it stays: ours includes sealing, theirs the flush.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import struct
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.demo.processes import Daemon, free_port
from joulemark.proto import convert
from tests.bench.engine import server
from tests.bench.engine.density import used_bytes
from tests.bench.engine.footprint import cpu_ns
from tests.bench.engine.goal import Goal, middle
from tests.bench.engine.load import WINDOW, grpc_line
from tests.bench.engine.span import Power, brute
from tests.bench.engine.trace import KINDS, Node, S

ROWS_EACH: Final = 50
WINDOW_S: Final = 70
PLACES: Final = (Path(".venv-peers/debian/usr/bin"), Path("/usr/bin"))

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Held:
    """One store. `values_per_cpu_s`; `value_bytes` on disk; `errors`: relative, of each window's energy; `twice`: what is there more often
    than it was sent after all was sent again; `said`: what the store answered to that.
    """

    values_per_cpu_s: float
    value_bytes: float
    errors: tuple[float, ...]
    twice: int
    said: str


def powers(node: Node) -> list[Power]:
    """What each GPU showed of power, as the collector dates it."""
    return [Power(known.meters[0].meter_id, node.axis_ns(i), node.gpus[i].values[0]) for i, known in enumerate(node.devices)]


def windows(node: Node, count: int, seed: int = 1) -> list[Span]:
    """Spans of WINDOW_S within what the node showed, at whole milliseconds."""
    first, last = int(node.axis_ns(0)[0]), int(node.axis_ns(0)[-1])
    rng = random.Random(seed)
    begins = [rng.randrange(first + S, last - (WINDOW_S + 1) * S) // 1_000_000 * 1_000_000 for _ in range(count)]
    return [(begin_ns, begin_ns + WINDOW_S * S) for begin_ns in begins]


def true_j(node: Node, span: Span) -> float:
    """The integral of the first GPU's power by whole numbers."""
    return float(brute(powers(node)[0], *span)) / 2e12


def errors(node: Node, spans: Sequence[Span], energy_j: Callable[[Span], float]) -> tuple[float, ...]:
    """How far off each answer is."""
    return tuple(abs(energy_j(span) / true_j(node, span) - 1.0) for span in spans)


def ours(node: Node, spans: Sequence[Span]) -> Held:
    """Our collector over gRPC, sealed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "readings.db"
        with server.running("durable", folder) as process:
            before_s = process.cpu_s
            asyncio.run(sent(process.port, node))
            taken_s = process.cpu_s - before_s
            asyncio.run(sent(process.port, node))
        with closing(sqlite3.connect(path)) as db:
            known = "SELECT SUM(sample_count), (SELECT SUM(duplicate_count) FROM stream) FROM stream"
            samples, repeated = db.execute(known).fetchone()
        store, begun_s = SqliteStore(path), time.process_time()
        store.seal(2**62, everything=True)
        taken_s += time.process_time() - begun_s
        store.close()
        readings, meter_id = SqliteReadings(path), node.devices[0].meters[0].meter_id

        def energy_j(span: Span) -> float:
            ((found,),) = readings.integrals([meter_id], [span])
            return float("nan") if found is None else found.energy_j

        off = errors(node, spans, energy_j)
        twice = samples * len(KINDS) - node.values
        return Held(node.values / taken_s, used_bytes(path) / node.values, off, twice, f"{repeated} batches known and acknowledged again")


async def sent(port: int, node: Node) -> None:
    """Every batch of the node, each acknowledged."""
    requests = [convert.request_bytes(batch) for batch in node.frozen(ROWS_EACH)]
    async with grpc_line(port, node) as line:
        acked = -1
        for seq, request in enumerate(requests):
            await line.write(request)
            while seq - acked >= WINDOW:
                acked = max(acked, await line.read())
        while acked < len(requests) - 1:
            acked = max(acked, await line.read())


def batches(node: Node) -> Iterator[list[tuple[dict[str, str], list[int], list[int]]]]:
    """The same readings as labels, times in ms and values, batch by batch."""
    times = [(node.axis_ns(place) // 1_000_000).tolist() for place in range(len(node.gpus))]
    columns = [[column.tolist() for column in gpu.values] for gpu in node.gpus]
    for first in range(0, len(times[0]), ROWS_EACH):
        part = slice(first, first + ROWS_EACH)
        yield [
            ({"__name__": str(quantity), "gpu": str(place)}, times[place][part], columns[place][kind][part])
            for place in range(len(times))
            for kind, (quantity, _) in enumerate(KINDS)
        ]


def asked(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    """The answer of a server; its words where it refuses."""
    with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=60.0) as answer:
        found: bytes = answer.read()
        return found


def queried(url: str, query: str, t_ns: int) -> float:
    """The one number that an instant query gives; NaN for none."""
    answer = json.loads(asked(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query, 'time': f'{t_ns / S:.3f}', 'nocache': 1})}"))
    return float(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else float("nan")


@contextmanager
def running(folder: Path, command: Callable[[int], list[str]]) -> Iterator[tuple[str, psutil.Process]]:
    """A server in its own folder, its address and process; stopped at the end."""
    port = free_port()
    daemon = Daemon(command(port), folder / "server.log")
    daemon.start()
    try:
        daemon.wait_for_port(port)
        assert daemon.process is not None
        yield f"http://127.0.0.1:{port}", psutil.Process(daemon.process.pid)
    finally:
        daemon.stop()


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def victoria(binary: str, node: Node, spans: Sequence[Span]) -> Held:
    """VictoriaMetrics: JSON lines in, `integrate` out."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        flags = [f"-storageDataPath={data}", "-retentionPeriod=100y", "-loggerLevel=ERROR"]
        with running(Path(name), lambda port: [binary, f"-httpListenAddr=127.0.0.1:{port}", *flags]) as (url, process):
            bodies = [
                "\n".join(json.dumps({"metric": labels, "values": values, "timestamps": times}) for labels, times, values in batch).encode()
                for batch in batches(node)
            ]
            before_ns = cpu_ns(process)
            for body in bodies:
                asked(f"{url}/api/v1/import", body)
            asked(f"{url}/internal/force_flush")
            asked(f"{url}/internal/force_merge")
            time.sleep(3.0)
            taken_s = (cpu_ns(process) - before_ns) / S
            size = size_of(data)
            query = f'integrate(power{{gpu="0"}}[{WINDOW_S}s])'
            off = errors(node, spans, lambda span: queried(url, query, span[1]) / 1e3)
            for body in bodies:
                asked(f"{url}/api/v1/import", body)
            asked(f"{url}/internal/force_flush")
            everything = urllib.parse.urlencode({"match[]": '{gpu=~".*"}'})
            lines = asked(f"{url}/api/v1/export?{everything}").splitlines()
            twice = sum(len(json.loads(line)["values"]) for line in lines) - node.values
    return Held(node.values / taken_s, size / node.values, off, twice, f"{twice} values twice")


def prometheus(binary: str, node: Node, spans: Sequence[Span]) -> Held:
    """Prometheus: remote write in; no integral, so the mean times the length."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
        flags = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=100y"]
        flags += ["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--log.level=error"]
        with running(folder, lambda port: [binary, f"--web.listen-address=127.0.0.1:{port}", *flags]) as (url, process):
            wait_until_ready(url)
            bodies = [literal(write_request(batch)) for batch in batches(node)]
            headers = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
            before_ns = cpu_ns(process)
            for body in bodies:
                asked(f"{url}/api/v1/write", body, headers)
            taken_s = (cpu_ns(process) - before_ns) / S
            query = f'avg_over_time(power{{gpu="0"}}[{WINDOW_S}s])'
            off = errors(node, spans, lambda span: queried(url, query, span[1]) * WINDOW_S / 1e3)
            refused = [refusal(f"{url}/api/v1/write", body, headers) for body in bodies]
            end_ns = int(node.axis_ns(0)[-1]) + S
            all_s = round(len(node.gpus[0].mono_ns) / 10) + 60
            counts = [queried(url, f"sum(count_over_time({quantity}[{all_s}s]))", end_ns) for quantity, _ in KINDS]
            snapshot = json.loads(asked(f"{url}/api/v1/admin/tsdb/snapshot", b""))["data"]["name"]
            size = size_of(folder / "data" / "snapshots" / snapshot)
    said = f"{sum(map(bool, refused))} of {len(refused)} requests refused: {next(filter(None, refused), '')}".rstrip(": ")
    return Held(node.values / taken_s, size / node.values, off, round(sum(counts)) - node.values, said)


def wait_until_ready(url: str) -> None:
    """Its port answers before it takes anything. Raises TimeoutError."""
    for _ in range(300):
        try:
            asked(f"{url}/-/ready")
        except urllib.error.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("Prometheus is not ready")


def refusal(url: str, body: bytes, headers: dict[str, str]) -> str:
    """Status and first words of a refusal, empty for none."""
    try:
        asked(url, body, headers)
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode().strip()[:40]}"
    return ""


def write_request(batch: list[tuple[dict[str, str], list[int], list[int]]]) -> bytes:
    """prometheus.WriteRequest (remote write 1.0): time series of labels and samples."""
    out = b""
    for labels, times, values in batch:
        pairs = [field(1, field(1, key.encode()) + field(2, text.encode())) for key, text in sorted(labels.items())]
        samples = [field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(t_ms)) for t_ms, value in zip(times, values, strict=True)]
        out += field(1, b"".join(pairs + samples))
    return out


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    """Base 128, lowest first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def literal(data: bytes) -> bytes:
    """Snappy's format without compression: literals of 64 KiB, which every decoder takes."""
    parts = [data[i : i + 65536] for i in range(0, len(data), 65536)]
    return varint(len(data)) + b"".join(b"\xf4" + struct.pack("<H", len(part) - 1) + part for part in parts)


def binary_of(name: str) -> str | None:
    """Where a server is installed, of Debian's packages."""
    found = next((place / name for place in PLACES if (place / name).exists()), None)
    return str(found) if found else shutil.which(name)


STORES: Final[dict[str, tuple[str, Callable[[str, Node, Sequence[Span]], Held]]]] = {
    "VictoriaMetrics": ("victoria-metrics", victoria),
    "Prometheus": ("prometheus", prometheus),
}


def goals(scale: str) -> list[Goal]:
    """Ours, and each neighbour that is installed."""
    node = Node.of(1_000 if scale == "smoke" else 18_000, gpus=2 if scale == "smoke" else 8)
    spans = windows(node, 2 if scale == "smoke" else 20)
    others: dict[str, Held | str] = {}
    for name, (binary, held) in STORES.items():
        path = None if scale == "smoke" else binary_of(binary)
        others[name] = held(path, node, spans) if path else f"{name} is not here: make bench PEERS=1, or apt-get install {binary}"
    return judged(ours(node, spans), others)


def judged(mine: Held, others: dict[str, Any]) -> list[Goal]:
    """A row each, the neighbours' figures beside ours; a store that is not there leaves its ratios unmeasured."""
    out = []
    for kind, (what, limit, at_least, unit, figure) in enumerate(COMPARED):
        for place, (name, other) in enumerate(others.items()):
            goal_id, told = f"E13{'abcd'[2 * kind + place]}", f"{what}, to {name}"
            if isinstance(other, str):
                out.append(Goal(goal_id, told, limit, 0.0, "x", at_least, not_run=other))
                continue
            a, b = figure(mine), figure(other)
            out.append(Goal(goal_id, told, limit, a / b, "x", at_least, "", f"ours {a:.3g}, {name} {b:.3g} {unit}", a / b))
    there = {name: other for name, other in others.items() if isinstance(other, Held)}
    off = "; ".join(f"{name} {middle(list(other.errors)):.2g}, the worst {max(other.errors):.2g}" for name, other in there.items())
    again = "; ".join(f"{name}: {other.said}" for name, other in {"ours": mine, **there}.items())
    return [
        *out,
        Goal(
            "E13e",
            f"median error of the energy of {len(mine.errors)} windows of {WINDOW_S} s",
            1e-10,
            middle(list(mine.errors)),
            "",
            beside=off,
        ),
        Goal("E13f", "values there twice after all was sent again", 0, mine.twice, "values", beside=again),
    ]


COMPARED: Final = (
    ("values taken in per second of the server's processor", 1.0, True, "M/s", lambda held: held.values_per_cpu_s / 1e6),
    ("bytes of a value on disk", 1.0, False, "B", lambda held: held.value_bytes),
)
