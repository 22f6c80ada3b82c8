"""The wire as an operator secures it: real processes, certificates of one's own authority, pages over HTTPS."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from joulemark.pki.authority import Authority
from joulemark.pki.subject import Role, Subject
from joulemark.proto.v1 import runs_pb2 as pb
from tests import certificates
from tests.waiting import eventually

pytestmark = pytest.mark.slow

COLLECTOR = """\
[collector]
grpc_listen = "0.0.0.0:{grpc}"
rest_listen = "0.0.0.0:{rest}"
data_dir = "{folder}/data"

[tls]
ca_file = "{ca}/ca.pem"
cert_file = "{ca}/collector.pem"
key_file = "{ca}/collector.key"
revoked_file = "{ca}/revoked.pem"
"""

AGENT = """\
[agent]
agent_id = "{name}"
collector = "127.0.0.1:{grpc}"
interval_ms = 50
batch_period_ms = 100
clock_probe_period_s = 0.5

[spool]
path = "{folder}/{name}.db"

[client]
url = "https://127.0.0.1:{rest}"
token_file = "{folder}/token"

[tls]
{tls}

[[meter]]
kind = "fake"
"""


@dataclass
class Wire:
    """A collector beyond loopback, its authority, and agents on the same machine."""

    folder: Path
    authority: Authority
    grpc: int = field(default_factory=free_port)
    rest: int = field(default_factory=free_port)
    daemons: list[Daemon] = field(default_factory=list)

    def collector(self) -> None:
        """Start it with a token for its pages."""
        config = self.folder / "collector.toml"
        config.write_text(COLLECTOR.format(grpc=self.grpc, rest=self.rest, folder=self.folder, ca=self.authority.folder))
        token = command_line("token", "create", "test", "--scope", "admin", "--config", str(config), "--out", str(self.folder / "token"))
        subprocess.run(token, check=True, capture_output=True, timeout=60)
        self._start("collector", config, "collector", "run").wait_for_port(self.rest)

    def agent(self, name: str, *, certificate: str | None, trusted: Authority | None = None) -> Daemon:
        """Start an agent `name` that shows the certificate of `certificate`, or none."""
        return self._start(name, self.config(name, certificate=certificate, trusted=trusted), "agent", "run")

    def config(self, name: str, *, certificate: str | None, trusted: Authority | None = None) -> Path:
        ca = self.authority.folder
        lines = [f'ca_file = "{(trusted or self.authority).certificate_file}"']
        if certificate is not None:
            lines += [f'cert_file = "{ca}/{certificate}.pem"', f'key_file = "{ca}/{certificate}.key"']
        config = self.folder / f"{name}.toml"
        config.write_text(AGENT.format(name=name, grpc=self.grpc, rest=self.rest, folder=self.folder, tls="\n".join(lines)))
        return config

    def _start(self, name: str, config: Path, *command: str) -> Daemon:
        daemon = Daemon(command_line(*command), self.folder / f"{name}.log", {"JOULEMARK_CONFIG": str(config)})
        self.daemons.append(daemon)
        daemon.start()
        return daemon

    def get(self, path: str) -> str:
        """An answer of the pages, over HTTPS, with the token."""
        context = ssl.create_default_context(cafile=self.authority.certificate_file)
        headers = {"Authorization": f"Bearer {(self.folder / 'token').read_text().strip()}"}
        request = urllib.request.Request(f"https://127.0.0.1:{self.rest}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            text: str = answer.read().decode()
            return text

    def metric(self, name: str) -> float:
        lines = self.get("/metrics").splitlines()
        return float(next(line.split()[-1] for line in lines if line.startswith(f"joulemark_{name} ")))

    def hosts(self) -> str:
        return self.get("/v1/hosts")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder = tmp_path_factory.mktemp("wire")
    made = Wire(folder, certificates.authority(folder / "ca", days_ago=20))
    certificates.collector(made.authority)
    try:
        made.collector()
        yield made
    finally:
        for daemon in made.daemons:
            daemon.stop()


def said(daemon: Daemon) -> str:
    return daemon.log.read_text(errors="replace")


def test_an_agent_with_its_certificate_delivers(wire: Wire) -> None:
    """Readings are stored over mutual TLS, a run is started over HTTPS, and the metrics say when certificates end."""
    certificates.agent(wire.authority, "good")
    agent = wire.agent("good", certificate="good")
    eventually(lambda: '"good"' in wire.hosts(), "the host is known")
    eventually(lambda: wire.metric("batches_total") >= 3, "batches are stored")
    assert float(wire.metric('certificate_expiry_timestamp_seconds{file="cert"}')) > time.time()
    env = {"JOULEMARK_CONFIG": str(wire.folder / "good.toml"), "PATH": "/usr/bin:/bin"}
    command = command_line("run", "start", "--json", "--name", "over-https")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"].startswith("https://")
    assert "over-https" in wire.get("/v1/runs")
    assert "connected to the collector" in said(agent)
    agent.stop()


def test_without_the_right_certificate_nothing_is_stored(wire: Wire, tmp_path: Path) -> None:
    """No certificate, another authority's, an expired one, and the one of another agent: each is refused, kept in the spool, explained."""
    other = certificates.authority(tmp_path / "other")
    foreign = certificates.agent(other, "foreign")
    assert foreign.key_file
    for file in (foreign.cert_file, foreign.key_file):
        (wire.authority.folder / file.name).write_bytes(file.read_bytes())
        (wire.authority.folder / file.name).chmod(0o600)
    certificates.agent(wire.authority, "expired", days=10)
    certificates.agent(wire.authority, "honest")
    cases = {
        "nobody": (None, "the collector closed the connection at once"),
        "foreign": ("foreign", "the collector closed the connection at once"),
        "expired": ("expired", "the collector closed the connection at once"),
        "thief": ("honest", "joulemark://agent/honest"),
    }
    agents = {name: wire.agent(name, certificate=certificate) for name, (certificate, _) in cases.items()}
    for name, (_, text) in cases.items():
        eventually(lambda name=name, text=text: text in said(agents[name]), f"{name} is told {text}")
    assert "joulemark doctor" in said(agents["nobody"])
    for agent in agents.values():
        agent.stop()
    known = wire.hosts()
    assert [name for name in cases if f'"{name}"' in known] == []


def test_an_impostor_of_the_collector_gets_nothing(wire: Wire, tmp_path: Path) -> None:
    """An agent that trusts another authority does not speak to this collector, and says why."""
    certificates.agent(wire.authority, "careful")
    agent = wire.agent("careful", certificate="careful", trusted=certificates.authority(tmp_path / "other"))
    eventually(lambda: "of another authority than tls.ca_file" in said(agent), "the agent says why")
    agent.stop()
    assert '"careful"' not in wire.hosts()


def test_certificates_are_renewed_under_a_running_wire(wire: Wire) -> None:
    """Collector and agent take new keys and certificates without a restart; the agent connects anew with its own, and goes on."""
    certificates.agent(wire.authority, "lasting")
    agent = wire.agent("lasting", certificate="lasting")
    eventually(lambda: '"lasting"' in wire.hosts(), "the host is known")
    wire.authority.renew("collector", new_key=True)
    renewed = (wire.authority.folder / "collector.pem").read_text().strip()
    assert [ssl.get_server_certificate(("127.0.0.1", port)).strip() for port in (wire.grpc, wire.rest)] == [renewed] * 2
    opened, batches = wire.metric("streams_opened_total"), wire.metric("batches_total")
    wire.authority.renew("lasting", new_key=True)
    eventually(lambda: wire.metric("streams_opened_total") > opened, "the agent opened another stream")
    eventually(lambda: wire.metric("batches_total") > batches + 5, "readings go on")
    log = said(agent)
    assert 1 <= log.count("the files of [tls] changed") <= 2, "once, or once for the key and once for the certificate"
    assert "is away" not in log
    agent.stop()


def test_marks_over_grpc_reach_the_pages_over_https(wire: Wire) -> None:
    """A run started on the gRPC port with a client's certificate and a token stands on the pages; not once that is revoked."""
    wire.authority.issue(Subject("bench", Role.CLIENT))
    ca = wire.authority.folder
    files = [(ca / name).read_bytes() for name in ("ca.pem", "bench.key", "bench.pem")]
    token = (wire.folder / "token").read_text().strip()
    body = pb.StartRunRequest(moment=pb.Moment(utc_ns=time.time_ns()), benchmark="over-grpc").SerializeToString()
    with grpc.secure_channel(f"127.0.0.1:{wire.grpc}", grpc.ssl_channel_credentials(*files)) as channel:
        call = channel.unary_unary("/joulemark.proto.v1.RunService/StartRun")
        call(body, metadata=(("authorization", f"Bearer {token}"),), timeout=20)
        wire.authority.revoke("bench")
        with pytest.raises(grpc.RpcError, match=r"PERMISSION_DENIED[\s\S]*was revoked"):
            call(body, metadata=(("authorization", f"Bearer {token}"),), timeout=20)
    assert "over-grpc" in wire.get("/v1/runs")


def test_a_revoked_agent_is_sent_away(wire: Wire) -> None:
    """Revoking its name ends the agent's live stream within seconds and is told to it; another agent goes on."""
    for name in ("leaving", "staying"):
        certificates.agent(wire.authority, name)
    agents = {name: wire.agent(name, certificate=name) for name in ("leaving", "staying")}
    eventually(lambda: all(f'"{name}"' in wire.hosts() for name in agents), "both are known")
    wire.authority.revoke("leaving")
    eventually(lambda: "was revoked" in said(agents["leaving"]), "the agent is told")
    assert "is away" not in said(agents["staying"])
    assert "issue another with: joulemark pki issue leaving" in said(agents["leaving"])
    for agent in agents.values():
        agent.stop()
