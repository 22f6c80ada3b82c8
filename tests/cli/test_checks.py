"""Each check of `joulemark doctor` finds what is wrong once, and passes once."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from joulemark.agent.homes import home_of
from joulemark.agent.spool import Spool, Stored
from joulemark.cli import checks
from joulemark.cli.findings import Status
from joulemark.config import AgentConfig, CollectorConfig, Config, MeterTable, PricesConfig, SpoolConfig, TlsConfig, load
from joulemark.discipline import Discipline, KernelClock
from joulemark.pricing.price import Price, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from joulemark.pricing.store import PriceStore
from joulemark.proto.messages import FrozenBatch
from joulemark.timebase import SystemClock
from joulemark.units import NS_PER_S
from tests import certificates
from tests.conftest import ManualClock
from tests.standins.ipmi_standin import Bmc


@pytest.fixture
def grpc_server(serve: Callable[[TlsConfig | None], str]) -> str:
    """Address of a real gRPC server in plaintext."""
    return serve(None)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Address of a program that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def healthy_server() -> Iterator[str]:
    """Address of an HTTP server that answers 200."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_python() -> None:
    """Python 3.10 fails and this one passes."""
    assert checks.python((3, 10, 9)).status is Status.FAIL
    assert checks.python().status is Status.OK


def test_sqlite() -> None:
    """A SQLite before the WAL-reset repair is named; a later one passes."""
    assert checks.sqlite((3, 51, 2)).status is Status.WARN
    assert checks.sqlite((3, 51, 3)).status is Status.OK


def test_configuration(tmp_path: Path) -> None:
    """A wrong key fails with the nearest right one, and the other checks go on with the defaults."""
    file = tmp_path / "joulemark.toml"
    file.write_text("[agent]\ninterval = 5\n")
    finding, config = checks.configuration(lambda: load(file))
    assert finding.status is Status.FAIL
    assert "interval_ms" in finding.mend
    assert config == Config()
    file.write_text("[agent]\ninterval_ms = 5\n")
    finding, config = checks.configuration(lambda: load(file))
    assert finding.status is Status.OK
    assert config.agent.interval_ms == 5


def test_nvml(tmp_path: Path) -> None:
    """A library that is none fails where the meter is configured, and only warns where nobody asked for it."""
    library = tmp_path / "libnvidia-ml.so.1"
    library.write_text("no library")
    options = {"library": str(library)}
    finding = checks.meter(MeterTable("nvml", options), Config())
    assert finding.status is Status.FAIL
    assert finding.mend
    assert checks.local_meter("nvml", Config(), options).status is Status.WARN


def test_rapl(tmp_path: Path) -> None:
    """A tree without zones fails with the module to load; one with a readable counter passes."""
    table = MeterTable("rapl", {"root": str(tmp_path)})
    assert "modprobe" in checks.meter(table, Config()).mend
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in (("name", "package-0"), ("energy_uj", "1000"), ("max_energy_range_uj", "262143328850")):
        (zone / name).write_text(text + "\n")
    assert checks.meter(table, Config()).status is Status.OK


def test_ipmi_login(tmp_path: Path) -> None:
    """A BMC that takes the login passes; with a wrong password the check fails and names the trial command."""
    bmc = Bmc(tmp_path / "bmc")
    bmc.start()
    try:
        table = MeterTable("ipmi", {"host": "127.0.0.1", "port": bmc.port, "user": bmc.user, "password_file": str(bmc.password_file)})
        finding = checks.meter(table, Config())
        assert finding.status is Status.OK
        assert finding.name == "meter ipmi 127.0.0.1"
        bmc.password_file.write_text("wrong")
        finding = checks.meter(table, Config())
        assert finding.status is Status.FAIL
        assert "ipmitool" in finding.mend
    finally:
        bmc.stop()


def test_unknown_meter_kind() -> None:
    """A kind that does not exist fails with the nearest one."""
    finding = checks.meter(MeterTable("nvlm"), Config())
    assert finding.status is Status.FAIL
    assert "nvml" in finding.mend


def test_meter_with_the_agent_s_own_keys() -> None:
    """The keys that the agent reads of any meter's table are no fault of the meter."""
    assert checks.meter(MeterTable("fake", {"interval_ms": 20}), Config()).status is Status.OK


def test_a_cord_or_certificate_that_does_not_fit_is_found() -> None:
    """Before the agent runs, doctor says that a channel in `covers` is none of the meter's, and that a certificate is another's."""
    config = Config(agent=AgentConfig(agent_id="node1", cords=("psu1",)))
    assert checks.meter(MeterTable("fake", {"covers": ["psu1"]}), config).status is Status.OK
    finding = checks.meter(MeterTable("fake", {"covers": {"outlet-3": ["psu1"]}}), config)
    assert (finding.status, finding.mend) == (Status.FAIL, "name one of power, energy")
    certificate = {"serial": "X", "date": "2026-03-01", "laboratory": "lab", "u95_rel": 0.001}
    assert "the meter tells 0" in checks.meter(MeterTable("fake", {"certificate": certificate}), config).detail


def test_clock() -> None:
    """Without a source the clock is named; the kernel's word or chrony's is enough."""
    adrift, kept, nobody = KernelClock(False, 16_000_000_000), KernelClock(True, 2_000_000), Discipline()
    assert checks.synchronised(adrift, nobody).status is Status.WARN
    assert "2.000 ms" in checks.synchronised(kept, nobody).detail
    assert "0.120 ms" in checks.synchronised(adrift, Discipline("chrony", 120_000)).detail
    assert checks.clock().name == "clock"


def test_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path below a plain file cannot become the data directory; a path still to be created can, on a disk that is not full."""
    (tmp_path / "file").write_text("")
    finding = checks.directory(tmp_path / "file" / "data")
    assert finding.status is Status.FAIL
    assert finding.mend.startswith("sudo install -d")
    assert checks.directory(tmp_path / "data").status is Status.OK
    assert checks.directory(tmp_path).status is Status.OK
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1024**2))
    finding = checks.directory(tmp_path / "data")
    assert (finding.status, finding.detail) == (Status.FAIL, f"1 MiB are free at {tmp_path}: a collector soon stores nothing")
    assert finding.mend == f"free space on that disk: du -sh {tmp_path}/*"


def test_disk(tmp_path: Path) -> None:
    """Less room than the spool may take fails, little more warns, and real room passes."""
    wanted = 512 * 1024**2
    assert checks.disk(tmp_path, wanted, wanted - 1).status is Status.FAIL
    assert checks.disk(tmp_path, wanted, wanted + 1).status is Status.WARN
    assert checks.disk(tmp_path, 0, 2 * 1024**3).status is Status.OK
    assert checks.disk(tmp_path, 2**62).status is Status.FAIL


def test_certificates(tmp_path: Path) -> None:
    """A missing file and a key that others may read fail with the way to mend it; a good set passes, and so does none."""
    made = certificates.authority(tmp_path)
    certificates.agent(made)
    table = certificates.table(made, "host-a")
    assert table.key_file
    assert [checks.certificates(Config(tls=found)).status for found in (table, TlsConfig())] == [Status.OK, Status.OK]
    elsewhere = AgentConfig(collector="192.0.2.1:7470")
    assert checks.certificates(Config(agent=elsewhere, tls=table)).status is Status.OK
    assert checks.certificates(Config(agent=elsewhere)).status is Status.FAIL
    table.key_file.chmod(0o644)
    assert checks.certificates(Config(tls=table)).mend == f"chmod 600 {table.key_file}"
    table.key_file.unlink()
    assert checks.certificates(Config(tls=table)).status is Status.FAIL


def test_a_collector_with_certificates(tmp_path: Path, serve: Callable[[TlsConfig | None], str]) -> None:
    """The agent's connection is tried as it will be made; the collector's own ports are known by its certificate."""
    made, other = certificates.authority(tmp_path / "ca"), certificates.authority(tmp_path / "other")
    own = certificates.collector(made)
    certificates.agent(made)
    certificates.agent(other)
    collector = certificates.table(made, own.cert_file.stem)
    address = serve(collector)

    def config(settings: TlsConfig) -> Config:
        listening = CollectorConfig(grpc_listen=address, rest_listen=address)
        return Config(agent=AgentConfig(collector=address), collector=listening, tls=settings)

    assert checks.collector(config(certificates.table(made, "host-a"))).status is Status.OK
    assert checks.collector(config(collector)).status is Status.OK
    stranger = checks.collector(config(certificates.table(other, "host-a", trusted=made)))
    assert (stranger.status, "does not accept" in stranger.detail) == (Status.FAIL, True)
    assert [finding.status for finding in checks.ports(config(collector))] == [Status.OK, Status.OK]


def test_collector(grpc_server: str, silent_server: str) -> None:
    """A gRPC server passes; a program that is none is a warning on this machine and a failure on another."""
    assert checks.collector(Config(agent=AgentConfig(collector=grpc_server))).status is Status.OK
    elsewhere = "collector.invalid:7470"
    assert checks.collector(Config(agent=AgentConfig(collector=silent_server))).mend == "joulemark collector run"
    assert checks.collector(Config(agent=AgentConfig(collector=elsewhere))).status is Status.FAIL


def test_ports(
    grpc_server: str, healthy_server: str, silent_server: str, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A free port and a collector's own pass; a port of another program fails with the command that names it."""

    def statuses(grpc_listen: str, rest_listen: str) -> list[Status]:
        config = Config(collector=CollectorConfig(grpc_listen=grpc_listen, rest_listen=rest_listen))
        return [finding.status for finding in checks.ports(config)]

    assert statuses(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}") == [Status.OK, Status.OK]
    assert statuses(grpc_server, healthy_server) == [Status.OK, Status.OK]
    assert statuses(silent_server, silent_server) == [Status.FAIL, Status.FAIL]
    assert statuses("127.0.0.1:none", "203.0.113.1:7471") == [Status.FAIL, Status.FAIL]
    assert "ss -ltnp" in checks.port("collector.grpc_listen", silent_server, lambda _: False).mend


def test_prices(tmp_path: Path) -> None:
    """No prices warn, a file that is none fails, prices a day old pass, and the same prices 31 days later warn."""
    clock, config = ManualClock(), Config(collector=CollectorConfig(data_dir=tmp_path))
    missing = checks.prices(config, clock)
    assert (missing.status, missing.mend) == (Status.WARN, "joulemark price import FILE")
    (tmp_path / "prices.db").write_text("no database" * 100)
    assert checks.prices(config, clock).status is Status.FAIL
    (tmp_path / "prices.db").unlink()
    PriceStore(tmp_path / "prices.db").close()
    assert checks.prices(config, clock).status is Status.WARN
    former = Config(prices=PricesConfig(tmp_path / "mine.toml"))
    assert "price file" in checks.prices(former, clock).detail
    read_ns = clock.utc_ns()
    price = Price(
        provider="aws",
        region="us-east-1",
        instance_type="p5.48xlarge",
        amount=Decimal("55.04"),
        currency="USD",
        unit=Unit.INSTANCE_HOUR,
        effective_from_ns=read_ns,
        fetched_at_ns=read_ns,
        source_url="https://aws.example/prices",
    )
    manual.write(tmp_path / "prices.json", Snapshot((price,)))
    clock.advance(86_400 * NS_PER_S)
    assert checks.prices(config, clock).status is Status.OK
    clock.advance(30 * 86_400 * NS_PER_S)
    assert checks.prices(config, clock).status is Status.WARN


def test_every_collector_of_a_list_is_asked(grpc_server: str, silent_server: str, tmp_path: Path) -> None:
    """One finding for each address, the home of this host marked; how many batches wait is told, and those for an address that is no longer
    listed are a warning.
    """
    settings = SpoolConfig(tmp_path / "spool.db")
    both = Config(agent=AgentConfig(agent_id="host", collectors=(silent_server, grpc_server)), spool=settings)
    found = list(checks.collectors(both))
    assert [finding.status for finding in found] == [Status.WARN, Status.OK]
    home = home_of("host", both.agent.addresses)
    assert [finding.detail.endswith("; the home of this host") for finding in found] == [a == home for a in both.agent.addresses]
    spool = Spool(settings, SystemClock())
    spool.open()
    epoch_ns = spool.new_epoch("gone:7470")
    spool.append(Stored(epoch_ns, 0, FrozenBatch(b"x", hashlib.sha256(b"x").digest())))
    spool.close()
    waiting, left = list(checks.collectors(both))[2:]
    assert (waiting.status, waiting.detail) == (Status.OK, "1 batches wait to be delivered")
    assert (left.status, left.mend.endswith(f"joulemark agent rehome gone:7470 {home}")) == (Status.WARN, True)
    only = list(checks.collectors(Config(agent=AgentConfig(collector=grpc_server), spool=SpoolConfig(tmp_path / "none.db"))))
    assert [finding.detail for finding in only] == [f"{grpc_server} answers"]


def test_ports_of_all_ingest_processes(free_port: Callable[[], int]) -> None:
    """Each port is looked at; ports that the pages have are a failure that says so."""
    port = free_port()
    taken = CollectorConfig(f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}", ingest_processes=2)
    assert next(iter(checks.ports(Config(collector=taken)))).status is Status.FAIL
    apart = CollectorConfig(f"127.0.0.1:{port}", "127.0.0.1:0", ingest_processes=2)
    assert [finding.name for finding in checks.ports(Config(collector=apart))][:2] == [
        f"port 127.0.0.1:{port}",
        f"port 127.0.0.1:{port + 1}",
    ]
