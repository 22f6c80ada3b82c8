"""Configuration: one TOML file, frozen dataclasses, an unknown key is an error that names the nearest valid one.

Precedence: command-line flag, then environment (`JOULEMARK_CONFIG` names the file), then the file, then the default.
Tables: `[agent] [collector] [client] [spool] [tls] [limits] [prices] [board] [clickhouse]` and any number of `[[meter]]` and `[[feed]]`,
each with its `kind`; the driver or the source of that kind owns the other keys. Secrets are given as paths of files, never as text. The
text below a field explains its key: `joulemark config default` prints it.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from joulemark import foreign
from joulemark.errors import ConfigError, FormatError
from joulemark.tables import INT64_END as INT64_END
from joulemark.tables import build as build
from joulemark.tables import convert as convert
from joulemark.tables import unknown as unknown

GRPC_PORT: Final = 7470
REST_PORT: Final = 7471
MAX_BYTES: Final = 1 << 20
"""Longest configuration or secret that is read."""

MOST_PROCESSES: Final = 64
"""More ingest processes than one machine has use for: every question is asked of the file of each."""

LARGEST_BATCH_BYTES: Final = 4 * 1024 * 1024 - 65_536
"""What the protocol allows: gRPC's customary 4 MiB less room for the envelope."""


def data_dir() -> Path:
    """Where data lives: `/var/lib/joulemark` for root and services, else `~/.local/share/joulemark`."""
    if (state := os.environ.get("STATE_DIRECTORY")) is not None:
        return Path(state.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/joulemark")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "joulemark"


MOST_HZ: Final = 100.0
LONGEST_BURST_S: Final = 60.0
"""A burst that is denser, or longer, would be no burst around a mark but a load on the driver."""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """`[agent]`: who this host is and where its readings go."""

    agent_id: str = field(default_factory=socket.gethostname)
    """Name of this host in every meter id; the host name unless set."""
    collector: str = f"127.0.0.1:{GRPC_PORT}"
    """Address HOST:PORT of the collector that takes the readings."""
    collectors: tuple[str, ...] = ()
    """Addresses of several collectors, and of each of their ingest processes, before collector where set. This host keeps to the one that
    its agent_id hashes to; every host has the same list, written alike, in any order."""
    interval_ms: int = 1000
    """Milliseconds between two reads of each meter."""
    burst_hz: float = 20.0
    """Reads per second of a meter around a phase mark, where its driver allows that (nvml, amd, rapl); 0 turns bursts off."""
    burst_s: float = 2.0
    """Seconds after a phase mark for which such a meter is read that often; 0 turns bursts off."""
    batch_period_ms: int = 1000
    """Longest time in milliseconds that a reading waits in an open batch before it is sent."""
    window_batches: int = 64
    """Largest number of batches that may be on their way without an acknowledgement."""
    clock_probe_period_s: float = 10.0
    """Seconds between two bursts of clock probes to the collector."""
    cords: tuple[str, ...] = ()
    """Names of all power cords of this host, as ["psu1", "psu2"]; HOST/NAME for those of another one. Meters of single cords add up
    to the energy of the server only when every cord has one; empty where nobody knows."""

    node_file: Path | None = None
    """TOML file that states what no program can find out of this host: [node] with its psus, cooling and fans, [settings], components."""
    benchmark_processes: tuple[str, ...] = ()
    """Names of the benchmark's processes, as ["vllm"]; every other one that takes a core's tenth or a GPU is told as a stranger."""

    def __post_init__(self) -> None:
        at_least("agent.interval_ms", self.interval_ms, 1)
        if not 0.0 <= self.burst_hz <= MOST_HZ:
            raise ConfigError(f"agent.burst_hz = {self.burst_hz} is not between 0 and {MOST_HZ:g}", "set it to 20, or to 0 for no bursts")
        if not 0.0 <= self.burst_s <= LONGEST_BURST_S:
            raise ConfigError(
                f"agent.burst_s = {self.burst_s} is not between 0 and {LONGEST_BURST_S:g}", "set it to 2, or to 0 for no bursts"
            )
        at_least("agent.batch_period_ms", self.batch_period_ms, 10)
        at_least("agent.window_batches", self.window_batches, 1)
        if len(set(self.collectors)) < len(self.collectors) or "" in self.collectors:
            raise ConfigError(
                "agent.collectors names an address twice or not at all", 'write each once, as ["10.0.0.5:7470", "10.0.0.6:7470"]'
            )
        at_least("agent.clock_probe_period_s", self.clock_probe_period_s, 0.1)
        if not self.agent_id.isprintable() or not self.agent_id or ":" in self.agent_id or "/" in self.agent_id:
            raise ConfigError(
                f"agent.agent_id {self.agent_id!r} is empty or holds ':', '/' or what cannot be printed",
                "use letters, digits, '.', '_' and '-'",
            )
        if len(set(self.cords)) < len(self.cords) or any(not name.strip("/").isprintable() or not name.strip("/") for name in self.cords):
            raise ConfigError("agent.cords names a cord twice or not at all", 'give each cord one name, as ["psu1", "psu2"]')

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where collectors may take the readings."""
        return self.collectors or (self.collector,)


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """`[spool]`: the agent's disk buffer."""

    path: Path = field(default_factory=lambda: data_dir() / "spool.db")
    """File that keeps readings until the collector has acknowledged them."""
    max_bytes: int = 512 * 1024 * 1024
    """Largest size of the spool in bytes; when it is full, the oldest readings are thinned, then dropped, and counted."""

    def __post_init__(self) -> None:
        at_least("spool.max_bytes", self.max_bytes, 1024 * 1024)


@dataclass(frozen=True, slots=True)
class CollectorConfig:
    """`[collector]`: where the collector listens and keeps its data. Loopback unless told otherwise."""

    grpc_listen: str = f"127.0.0.1:{GRPC_PORT}"
    """Address HOST:PORT on which agents are served."""
    rest_listen: str = f"127.0.0.1:{REST_PORT}"
    """Address HOST:PORT on which the REST interface and the pages are served."""
    data_dir: Path = field(default_factory=data_dir)
    """Folder that holds readings.db and one such file for each further process, catalog.db, prices.db, board.db with its archives,
    tokens.json and the audit log."""
    seal_after_s: float = 600.0
    """Seconds after which the readings of a device are sealed into a compressed chunk."""
    seal_key: Path | None = None
    """Private key (Ed25519, PEM) that signs bundles; make one with: joulemark pki seal-key FILE."""
    ingest_processes: int = 1
    """Number of processes that take readings, at most 64; they listen on the port of grpc_listen and those behind it. One for each core
    that agents keep busy; agents list the address of each in their collectors."""
    keep_raw_days: float = 0.0
    """Days after which readings outside of runs are deleted, here and from [clickhouse], at least 1; their exact sums stay. 0 keeps all."""
    keep_margin_s: float = 3600.0
    """Seconds before and after each run whose readings are kept with it."""

    def __post_init__(self) -> None:
        at_least("collector.keep_raw_days", self.keep_raw_days, 1.0 if self.keep_raw_days else 0.0)
        at_least("collector.keep_margin_s", self.keep_margin_s, 600.0)
        at_least("collector.seal_after_s", self.seal_after_s, 1.0)
        at_least("collector.ingest_processes", self.ingest_processes, 1)
        if self.ingest_processes > MOST_PROCESSES:
            what = f"collector.ingest_processes = {self.ingest_processes} is above {MOST_PROCESSES}"
            raise ConfigError(what, "use several machines, each with a collector of its own")


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """`[client]`: how commands and benchmarks of this machine reach a collector's REST interface."""

    url: str = f"http://127.0.0.1:{REST_PORT}"
    """Address of the collector's pages; the variable JOULEMARK_URL wins."""
    token_file: Path | None = None
    """File that holds the token to show there; the variable JOULEMARK_TOKEN_FILE wins."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """`[tls]`: certificate files. Without them only loopback addresses are served or dialled, unless `insecure` is true."""

    ca_file: Path | None = None
    """Certificate of the authority that signed the other side, in PEM."""
    cert_file: Path | None = None
    """Certificate of this side, in PEM."""
    key_file: Path | None = None
    """Private key of this side, in PEM, readable by this user only."""
    revoked_file: Path | None = None
    """List of revoked certificates (CRL), in PEM, signed by the authority in ca_file; the collector refuses who is on it."""
    insecure: bool = False
    """Whether plain text is allowed on addresses other than loopback."""


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """`[limits]`: what a collector takes from one agent and from all together."""

    max_agents: int = 4096
    """Largest number of agents connected at one time."""
    hello_timeout_s: float = 10.0
    """Seconds within which a connection has to say who it is; it is closed after them."""
    idle_timeout_s: float = 300.0
    """Seconds after which the stream of an agent that says nothing is closed; longer than the agents' clock_probe_period_s."""
    max_batch_bytes: int = LARGEST_BATCH_BYTES
    """Largest batch in bytes; the protocol allows no more than the default."""
    max_samples_per_batch: int = 100_000
    """Largest number of samples in one batch."""
    batches_per_s: float = 500.0
    """Batches and clock probes per second that one agent may send on average; a faster one is made to wait."""
    bytes_per_s: float = 33_554_432.0
    """Bytes per second that one agent may send on average; a faster one is made to wait."""
    burst_s: float = 10.0
    """Seconds for which an agent that was silent may send faster than its average."""
    pending_bytes_per_agent: int = 16_777_216
    """Bytes of one agent that may wait for the disk; the collector reads on when they are durable."""
    pending_bytes: int = 268_435_456
    """Bytes of all agents together that may wait for the disk; one batch of each stream may stand above it."""
    meters_per_agent: int = 4096
    """Largest number of meters of one agent."""
    stored_bytes_per_agent: int = 68_719_476_736
    """Bytes of one agent that the collector stores; beyond them the agent keeps its readings in its spool."""

    def __post_init__(self) -> None:
        for name in ("max_agents", "max_samples_per_batch", "meters_per_agent"):
            at_least(f"limits.{name}", getattr(self, name), 1)
        for name in ("hello_timeout_s", "idle_timeout_s", "burst_s", "batches_per_s"):
            at_least(f"limits.{name}", getattr(self, name), 0.1)
        for name in ("max_batch_bytes", "pending_bytes_per_agent", "pending_bytes", "stored_bytes_per_agent"):
            at_least(f"limits.{name}", getattr(self, name), 65_536)
        at_least("limits.bytes_per_s", self.bytes_per_s, 262_144)  # the largest batch is paid within the agent's patience of 30 s
        if self.max_batch_bytes > LARGEST_BATCH_BYTES:
            raise ConfigError(
                f"limits.max_batch_bytes = {self.max_batch_bytes} is above what the protocol allows", f"set at most {LARGEST_BATCH_BYTES}"
            )


@dataclass(frozen=True, slots=True)
class PricesConfig:
    """`[prices]`: the store of the prices that costs are computed from."""

    file: Path | None = None
    """File of all known prices (a database, written by joulemark price); prices.db in the data folder unless set."""


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """`[board]`: the energy-only board of this collector, and the boards that it follows."""

    public: bool = False
    """Whether everybody may read the board without a token; what hands in, withdraws or follows asks for one all the same."""
    title: str = "Energy board"
    """What the board is called in its feed and its data set."""
    url: str = ""
    """Address under which others reach this collector, as https://board.example; that of rest_listen unless set."""
    license_url: str = ""
    """Address of the licence under which the board's figures are published; none is named unless set."""
    trust_file: Path | None = None
    """TOML list of the public keys whose signatures count when a bundle is judged, for the board or for the page of a run, as for
    joulemark validate --trust."""
    kit: bool = False
    """Whether bundles of the conformance kit and other simulated ones are taken, for trials; a board for real figures refuses them."""
    max_bundle_bytes: int = 67_108_864
    """Largest archive in bytes that may be handed in, or is fetched from a board that is followed."""
    max_bytes: int = 17_179_869_184
    """Bytes of all archives together that are kept; beyond them nothing is taken."""
    judge_s: float = 600.0
    """Seconds within which a bundle has to be judged; the process that judges it is ended after them."""
    judge_bytes: int = 4_294_967_296
    """Memory in bytes that the process may take that judges a bundle."""
    follow: tuple[str, ...] = ()
    """Addresses of other boards, as ["https://board.example"]; their cards are verified here again before they are shown."""
    follow_every_s: int = 3600
    """Seconds between two looks at each board that is followed."""
    follow_tokens: Mapping[str, Path] = field(default_factory=dict)
    """Address of a followed board to the file that holds the token to show there; public boards need none."""

    def __post_init__(self) -> None:
        at_least("board.max_bundle_bytes", self.max_bundle_bytes, 65_536)
        at_least("board.max_bytes", self.max_bytes, self.max_bundle_bytes)
        at_least("board.judge_s", self.judge_s, 1)
        at_least("board.judge_bytes", self.judge_bytes, 536_870_912)
        at_least("board.follow_every_s", self.follow_every_s, 1)


@dataclass(frozen=True, slots=True)
class ClickhouseConfig:
    """`[clickhouse]`: databases of ClickHouse that take sealed readings, which otherwise stay in readings.db; it remains the log."""

    shards: tuple[str, ...] = ()
    """Addresses as ["https://joulemark@ch-a.example:8443/joulemark"], without passwords. All readings of a host go to one of them."""
    password_file: Path | None = None
    """File that holds the password of that user, the same on all shards."""
    ca_file: Path | None = None
    """Certificate of the authority that signed theirs, in PEM; those that the system trusts unless set."""

    def __post_init__(self) -> None:
        if len(set(self.shards)) < len(self.shards):
            raise ConfigError("clickhouse.shards names a shard twice", "name each once")


@dataclass(frozen=True, slots=True)
class MeterTable:
    """One `[[meter]]`: the driver's kind, and the keys that its own Config class reads."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedTable:
    """One `[[feed]]`: the kind of a source of prices, and the keys that the collector or its own Config class reads."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    agent: AgentConfig = field(default_factory=AgentConfig)
    collector: CollectorConfig = field(default_factory=CollectorConfig)
    client: ClientConfig = field(default_factory=ClientConfig)
    spool: SpoolConfig = field(default_factory=SpoolConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    prices: PricesConfig = field(default_factory=PricesConfig)
    board: BoardConfig = field(default_factory=BoardConfig)
    clickhouse: ClickhouseConfig = field(default_factory=ClickhouseConfig)
    meters: tuple[MeterTable, ...] = ()
    feeds: tuple[FeedTable, ...] = ()
    path: Path | None = None


def at_least(key: str, value: float, minimum: float) -> None:
    """Raise ConfigError when `value` is below `minimum`."""
    if value < minimum:
        raise ConfigError(f"{key} = {value} is below the smallest allowed value {minimum}", f"set {key} to {minimum} or more")


def load(path: Path | None = None) -> Config:
    """The configuration of `path`, else of `$JOULEMARK_CONFIG`, else the defaults.

    Raises ConfigError when the file is missing, is not TOML, or holds an unknown table or key or a value of another type.
    """
    if path is None and (named := os.environ.get("JOULEMARK_CONFIG")):
        path = Path(named)
    if path is None:
        return Config()
    try:
        data = tomllib.loads(foreign.text(path, max_bytes=MAX_BYTES, errors="strict"))
    except FormatError as error:
        raise ConfigError(error.what, "give an existing TOML file with --config") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "mend the line it names") from error
    return parse(data, path)


def parse(data: Mapping[str, Any], path: Path | None = None) -> Config:
    """The configuration that the TOML document `data` describes; `path` is for messages."""
    where = str(path) if path else "configuration"
    tables: dict[str, type[Any]] = {
        "agent": AgentConfig,
        "collector": CollectorConfig,
        "client": ClientConfig,
        "spool": SpoolConfig,
        "tls": TlsConfig,
        "limits": LimitsConfig,
        "prices": PricesConfig,
        "board": BoardConfig,
        "clickhouse": ClickhouseConfig,
    }
    unknown(data, [*tables, "meter", "feed"], where)
    built = {name: build(cls, table(data, name, where), f"{where} [{name}]") for name, cls in tables.items() if name in data}
    meters = tuple(MeterTable(kind, options) for kind, options in kinds(data, "meter", where, example="nvml"))
    feeds = tuple(FeedTable(kind, options) for kind, options in kinds(data, "feed", where, example="azure_retail"))
    return Config(**built, meters=meters, feeds=feeds, path=path)


def kinds(data: Mapping[str, Any], name: str, where: str, *, example: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and other keys of each `[[name]]` table. Raises ConfigError for what is no list of tables, and for one without a kind."""
    entries = data.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ConfigError(f"{where}: {name} is not a list of tables", f"write each as [[{name}]] with its kind and keys below it")
    for entry in entries:
        options = dict(entry)
        kind = options.pop("kind", None)
        if not isinstance(kind, str):
            raise ConfigError(f"{where}: a [[{name}]] table has no kind", f'add for example kind = "{example}"')
        yield kind, options


def table(data: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """The table `name` of `data`. Raises ConfigError when it is not a table."""
    value = data[name]
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: {name} is not a table", f"write it as [{name}] with keys below it")
    return value


def read_secret(path: Path, where: str) -> str:
    """The text of a secret file without the final newline. Raises ConfigError when it cannot be read."""
    try:
        return foreign.text(path, max_bytes=MAX_BYTES, errors="strict").rstrip("\r\n")
    except FormatError as error:
        raise ConfigError(f"{where}: {error.what}", "create it, readable by this user only (chmod 600)") from error
