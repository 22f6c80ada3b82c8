"""Who may speak as which agent, and for which devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from joulemark.collector import identity
from joulemark.collector.identity import AlwaysValid, Peer
from joulemark.collector.refusal import Refused
from joulemark.config import LimitsConfig, TlsConfig
from joulemark.pki.authority import Authority, Issued
from joulemark.pki.validity import Validity
from joulemark.proto import convert
from joulemark.proto.messages import Ack, Batch, ClockState, Hello, Loss, Welcome
from joulemark.timebase import SystemClock
from tests import certificates
from tests.certificates import DAY_NS, Shifted
from tests.collector.conftest import Agent
from tests.collector.doorway import Doorway, refusal_of
from tests.waiting import eventually

S = 1_000_000_000
HELLO = Hello("host-a", 7, "boot", "1.0")
TLS = {"transport_security_type": [b"ssl"], "x509_pem_cert": [b"PEM"]}


def named(*names: str) -> Peer:
    return Peer.of("ipv4:10.0.0.9:1", {**TLS, "x509_subject_alternative_name": [name.encode() for name in names]})


def refusal(hello: Hello, peer: Peer) -> Refused:
    with pytest.raises(Refused) as caught:
        identity.check_hello(hello, peer, AlwaysValid())
    return caught.value


def test_the_address_of_a_peer_is_read() -> None:
    """GRPC's forms of IPv4 and IPv6 peers give the bare address."""
    forms = {"ipv4:192.0.2.7:50312": "192.0.2.7", "ipv6:%5B2001:db8::7%5D:1": "2001:db8::7", "ipv6:[::1]:1": "::1", "unix:": ""}
    assert {form: Peer(form).host for form in forms} == forms


@pytest.mark.parametrize(
    ("agent_id", "names", "may"),
    [
        ("host-a", ("joulemark://agent/host-a", "host-b"), True),
        ("host ü?", ("joulemark://agent/host%20%C3%BC%3F",), True),
        ("host-a", ("db.example.org", "host-a"), True),
        ("host-a", ("joulemark://client/host-a", "host-a"), False),
        ("host-a", ("joulemark://collector/host-a", "host-a"), False),
        ("host-a", ("joulemark://agent/host-b", "host-a"), False),
        ("host-a", ("joulemark://agent/host-a/", "joulemark://agent/HOST-A"), False),
        ("host-a", ("*",), False),
        ("a.example.org", ("*.example.org",), False),
        ("host-a", (), False),
    ],
)
def test_the_certificate_names_the_agent(agent_id: str, names: tuple[str, ...], may: bool) -> None:
    """One of ours speaks for its agent URI alone, a foreign one for its plain names; no wildcard, no case, no other role counts."""
    peer = named(*names)
    assert peer.may_be(agent_id) is may
    if not may:
        found = refusal(replace(HELLO, agent_id=agent_id), peer)
        assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "identity")
        assert all(word in found.details for word in (repr(agent_id), *names, "joulemark pki issue"))


def test_without_a_certificate_no_name_is_proved() -> None:
    """In plaintext, and where the collector asks for none, there is no certificate to compare: loopback, or what tls.insecure allows."""
    for context in ({}, {"transport_security_type": [b"insecure"]}, {"transport_security_type": [b"ssl"]}):
        peer = Peer.of("unix:", context)
        assert (peer.names, peer.pem, peer.may_be("anybody")) == (None, b"", True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agent_id": ""}, "empty"),
        ({"agent_id": "a:b"}, "':'"),
        ({"agent_id": "../../etc"}, "'/'"),
        ({"agent_id": "a\nb"}, "cannot be printed"),
        ({"agent_id": "a\x00"}, "cannot be printed"),
        ({"agent_id": "a" * 256}, "256 characters"),
        ({"software_version": "\x1b[31m"}, "software_version"),
        ({"boot_id": "\u202e"}, "boot_id"),
        ({"instance_id": "x" * 300}, "instance_id"),
        ({"epoch_ns": -1}, "epoch -1"),
    ],
)
def test_a_name_that_nobody_can_read_is_refused(change: dict[str, object], words: str) -> None:
    """Names are short, printable, and hold neither of the marks that part a meter's id and a path."""
    found = refusal(replace(HELLO, **change), Peer("p"))  # type: ignore[arg-type]  # a field of each kind
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "hello")
    assert words in found.details


def test_a_device_belongs_to_the_agent_that_reads_it(manual_clock: object) -> None:
    """Readings, descriptions and losses of another host's device are refused; the device of nobody in a loss means any."""
    mine, other = Agent("host-a"), Agent("host-b")
    view = convert.decode(other.batch(0, begin_ns=10**18).body)
    loss = Loss("fake:host-b:0", 1, 0, 1, "r")
    empty = convert.decode(convert.freeze(Batch(1, 0, "", 0, ClockState(), {}, losses=(replace(loss, device_id=""),))).body)
    identity.check_devices("host-b", view)
    identity.check_devices("host-a", empty)
    identity.check_devices("host-a", convert.decode(mine.batch(0, begin_ns=10**18).body))
    for bad in (view, replace(view, blocks=()), replace(view, devices=()), replace(empty, losses=(loss,))):
        with pytest.raises(Refused, match=r"'fake:host-b:0' is not one of agent 'host-a'") as caught:
            identity.check_devices("host-a", bad)
        assert (caught.value.code, caught.value.sha256) == (grpc.StatusCode.PERMISSION_DENIED, b"")


class Encrypted:
    """A doorway that asks for certificates of one authority, and clients of it. The authority's clock is `shift_ns` off."""

    def __init__(self, folder: Path, *, shift_ns: int = 0, limits: LimitsConfig | None = None) -> None:
        self.authority = Authority.create(folder / "ca", Shifted(shift_ns))
        mine = certificates.collector(self.authority, days=9)
        pair = (mine.key_file.read_bytes(), mine.cert_file.read_bytes())
        self.root = self.authority.certificate_file.read_bytes()
        credentials = grpc.ssl_server_credentials([pair], self.root, require_client_auth=True)
        table = TlsConfig(ca_file=self.authority.certificate_file, revoked_file=self.authority.revoked_file)
        self.doorway = Doorway(folder, validity=Validity.of(table, SystemClock()), credentials=credentials, limits=limits)

    def channel(self, issued: Issued) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(self.root, issued.key_file.read_bytes(), issued.cert_file.read_bytes())
        return grpc.secure_channel(self.doorway.address, credentials, (("grpc.use_local_subchannel_pool", 1),))


def test_an_expired_certificate_ends_its_live_stream(tmp_path: Path) -> None:
    """A stream does not outlive the certificate it was opened with."""
    encrypted = Encrypted(tmp_path, shift_ns=4 * S - DAY_NS, limits=LimitsConfig(idle_timeout_s=8.0))
    issued = certificates.agent(encrypted.authority, days=1)
    with encrypted.doorway as doorway, encrypted.channel(issued) as channel:
        code, details, _ = refusal_of(Agent("host-a").open(channel))
        assert (code, "it expired on" in details) == (grpc.StatusCode.PERMISSION_DENIED, True)
        assert doorway.status.refused == {"certificate": 1}


@pytest.fixture
def encrypted(tmp_path: Path) -> Encrypted:
    return Encrypted(tmp_path)


def test_an_agent_with_another_ones_certificate_is_kept_out(encrypted: Encrypted) -> None:
    """Over real TLS: the name of the certificate is served, another name is refused and stores nothing, and the metric counts it."""
    agent, thief = Agent("host a/1".replace("/", ".")), Agent("host-b")
    with encrypted.doorway as doorway, encrypted.channel(certificates.agent(encrypted.authority, agent.agent_id)) as channel:
        call = agent.open(channel, agent.batch(0, begin_ns=agent.epoch_ns))
        answers = [convert.parse_response(next(call)) for _ in range(2)]
        assert (type(answers[0]), answers[1]) == (Welcome, Ack(agent.epoch_ns, 0))
        code, details, _ = refusal_of(thief.open(channel, thief.batch(0, begin_ns=agent.epoch_ns)))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "'host-b'" in details
        assert "joulemark://agent/host%20a.1" in details
        call.cancel()
        assert [stream.agent_id for stream in doorway.store.streams()] == [agent.agent_id]
        assert doorway.status.refused == {"identity": 1}


def test_a_revoked_certificate_ends_its_live_stream(encrypted: Encrypted) -> None:
    """Revoking ends the stream within seconds, and the next one is refused at once; another agent goes on."""
    one, two = Agent("host-a"), Agent("host-b")
    issued = {agent.agent_id: certificates.agent(encrypted.authority, agent.agent_id) for agent in (one, two)}
    with encrypted.doorway as doorway, encrypted.channel(issued["host-a"]) as first, encrypted.channel(issued["host-b"]) as second:
        calls = [agent.open(channel) for agent, channel in ((one, first), (two, second))]
        for call in calls:
            next(call)
        encrypted.authority.revoke("host-a")
        for call in (calls[0], one.open(first)):
            code, details, _ = refusal_of(call)
            assert (code, "was revoked" in details) == (grpc.StatusCode.PERMISSION_DENIED, True)
        eventually(lambda: doorway.status.agent_count == 1, "only the other agent is connected")
        assert calls[1].is_active()
        calls[1].cancel()
        assert doorway.status.refused == {"certificate": 2}
