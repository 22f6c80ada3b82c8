"""The channel to the collector: with certificates, or on this machine, and what a failed handshake means."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from joulemark import tls
from joulemark.agent.dial import channel, explained
from joulemark.config import TlsConfig
from joulemark.errors import ConfigError
from joulemark.pki.authority import Authority
from joulemark.pki.subject import Role, Subject
from tests import certificates

NOTHING = tls.Pem(None, None, None)


def test_plaintext_beyond_loopback_needs_a_word() -> None:
    """Another machine is not dialled in plaintext unless the configuration allows it by name; loopback is."""
    with pytest.raises(ConfigError, match=r"tls\.insecure"):
        channel("10.0.0.1:7470", TlsConfig(), NOTHING)
    for address, table in (("10.0.0.1:7470", TlsConfig(insecure=True)), ("127.0.0.1:7470", TlsConfig()), ("[::1]:7470", TlsConfig())):
        channel(address, table, NOTHING).close()


def test_beyond_loopback_both_sides_show_a_certificate(tmp_path: Path) -> None:
    """An agent with the authority alone, or a certificate alone, would only do on this machine."""
    made = certificates.authority(tmp_path)
    certificates.agent(made)
    pem = tls.read(certificates.table(made, "host-a"))
    for half in (tls.Pem(pem.authority, None, None), tls.Pem(None, pem.cert, pem.key)):
        with pytest.raises(ConfigError, match="certificates of both sides"):
            channel("10.0.0.1:7470", TlsConfig(), half)
    channel("10.0.0.1:7470", TlsConfig(), pem).close()
    channel("127.0.0.1:7470", TlsConfig(), tls.Pem(pem.authority, None, None)).close()


def test_a_wrong_address_is_named() -> None:
    """An address without a port says which key to change."""
    with pytest.raises(ConfigError, match=r"agent\.collector"):
        channel("localhost", TlsConfig(), NOTHING)


@pytest.fixture
def authorities(tmp_path: Path) -> tuple[Authority, Authority]:
    """Two authorities, made twenty days ago, each with an agent."""
    both = certificates.authority(tmp_path / "ours", days_ago=20), certificates.authority(tmp_path / "theirs", days_ago=20)
    for made in both:
        certificates.agent(made)
    return both


def server(own: TlsConfig | None) -> tuple[grpc.Server, int]:
    """A gRPC server with a certificate that wants one too, or in plaintext."""
    started = grpc.server(futures.ThreadPoolExecutor(1))
    pem = tls.read(own) if own else NOTHING
    if pem.pair:
        port = started.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pem.pair], pem.authority, require_client_auth=True))
    else:
        port = started.add_insecure_port("127.0.0.1:0")
    started.start()
    return started, port


def refusal(port: int, own: TlsConfig) -> str:
    """What a call over the channel ends with, as the agent reports it."""
    with channel(f"127.0.0.1:{port}", own, tls.read(own)) as dialled:
        with pytest.raises(grpc.RpcError) as caught:
            dialled.unary_unary("/x/Y")(b"", timeout=10)
        return explained(caught.value.details() or "")  # type: ignore[attr-defined]  # every error of a call is a Call too


@pytest.fixture
def serve() -> Iterator[object]:
    """Starts servers and stops them."""
    started = []

    def start(own: TlsConfig | None) -> int:
        one, port = server(own)
        started.append(one)
        return port

    yield start
    for one in started:
        one.stop(0).wait()


class Relay:
    """Carries one plaintext connection to the server at `port`, and keeps what the client sent."""

    PREFACE, HEAD = 24, 9
    PING, ACK = 6, 1

    def __init__(self, port: int) -> None:
        self.sent = bytearray()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._to = socket.create_connection(("127.0.0.1", port))
        self._listening.settimeout(10)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        client, _ = self._listening.accept()
        back = threading.Thread(target=self._carry, args=(self._to, client, bytearray()), daemon=True)
        with client:
            back.start()
            self._carry(client, self._to, self.sent)
            with suppress(OSError):
                self._to.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                kept += data
                other.sendall(data)

    def frames(self) -> list[tuple[int, int]]:
        """Type and flags of each whole frame that the client sent (RFC 9113, section 4.1)."""
        found, at = [], self.PREFACE
        while at + self.HEAD <= len(self.sent):
            found.append((self.sent[at + 3], self.sent[at + 4]))
            at += self.HEAD + int.from_bytes(self.sent[at : at + 3], "big")
        return found

    def close(self) -> None:
        """Wait for the end of the connection, which the client has ended."""
        self._thread.join(10)
        self._listening.close()
        self._to.close()


def test_no_ping_follows_an_answer() -> None:
    """Each second brings an acknowledgement: to ask after each how fast the next may come would wake both sides for nothing."""
    started = grpc.server(futures.ThreadPoolExecutor(1))
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(lambda requests, _: requests)
    started.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x", {"Y": handler}),))
    relay = Relay(started.add_insecure_port("127.0.0.1:0"))
    started.start()
    try:
        with channel(f"127.0.0.1:{relay.port}", TlsConfig(), NOTHING) as dialled:
            echo: grpc.StreamStreamMultiCallable[bytes, bytes] = dialled.stream_stream("/x/Y")
            assert list(echo(iter([b"a" * 100, b"b" * 100, b"c" * 100]), timeout=10)) == [b"a" * 100, b"b" * 100, b"c" * 100]
        pings = [flags for kind, flags in relay.frames() if kind == Relay.PING and not flags & Relay.ACK]
        assert relay.frames()
        assert pings == []
    finally:
        relay.close()
        started.stop(0).wait()


def test_what_a_failed_handshake_means(authorities: tuple[Authority, Authority], serve: object) -> None:
    """Another address, another authority, an expired or wrong certificate and plaintext are told apart; a refusal names doctor."""
    assert callable(serve)
    ours, theirs = authorities
    ours.issue(Subject("elsewhere", Role.COLLECTOR, dns=("elsewhere.example",)))
    certificates.collector(ours, "expired", days=10)
    for made in authorities:
        certificates.collector(made)
    agent = certificates.table(ours, "host-a")
    said = {
        name: refusal(serve(served), own)
        for name, served, own in (
            ("address", certificates.table(ours, "elsewhere"), agent),
            ("expired", certificates.table(ours, "expired"), agent),
            ("authority", certificates.table(theirs, "collector"), agent),
            ("purpose", certificates.table(ours, "host-a"), agent),
            ("plaintext", None, agent),
            ("no certificate", certificates.table(ours, "collector"), TlsConfig(ca_file=agent.ca_file)),
            ("refused", certificates.table(ours, "collector"), certificates.table(theirs, "host-a", trusted=ours)),
        )
    }
    closed = "closed the connection at once"
    expected = {
        "address": "not made for this address",
        "expired": "has expired",
        "authority": "of another authority",
        "purpose": "not issued --for collector",
        "plaintext": "answers in plaintext",
        "no certificate": closed,
        "refused": closed,
    }
    assert {name: text for name, text in said.items() if expected[name] not in text.partition("[")[0]} == {}
    assert all("joulemark doctor" in text for text in said.values())


def test_other_failures_are_left_as_they_are() -> None:
    """A refused connection is no matter of certificates."""
    assert explained("Connection refused") == "Connection refused"
