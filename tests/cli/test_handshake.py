"""Why a TLS connection to a collector fails."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from joulemark.cli.handshake import refusal, shows_own_certificate
from joulemark.config import TlsConfig
from joulemark.pki.authority import Authority
from joulemark.pki.subject import Role, Subject
from tests import certificates


@pytest.fixture
def made(tmp_path: Path) -> Authority:
    """An authority with an agent and a collector."""
    authority = certificates.authority(tmp_path / "ca", days_ago=20)
    certificates.agent(authority)
    certificates.collector(authority)
    return authority


def test_each_way_to_fail_is_named(made: Authority, serve: Callable[[TlsConfig | None], str], tmp_path: Path) -> None:
    """Wrong address, another authority, an expired certificate on either side, plaintext and nobody: each in words."""
    other = certificates.authority(tmp_path / "other")
    certificates.agent(other)
    certificates.collector(other)
    certificates.agent(made, "expired", days=10)
    certificates.collector(made, "late", days=10)
    made.issue(Subject("elsewhere", Role.COLLECTOR, dns=("elsewhere.example",)))
    agent, collector = certificates.table(made, "host-a"), serve(certificates.table(made, "collector"))
    assert refusal(collector, agent) is None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
    cases = [
        ("does not accept this host's certificate", collector, certificates.table(made, "expired")),
        ("does not accept this host's certificate", collector, certificates.table(made, "collector")),
        ("does not accept this host's certificate", collector, certificates.table(other, "host-a", trusted=made)),
        ("does not accept this host's certificate", collector, TlsConfig(ca_file=made.certificate_file)),
        ("IP address mismatch", serve(certificates.table(made, "elsewhere")), agent),
        ("certificate has expired", serve(certificates.table(made, "late")), agent),
        ("unable to get local issuer", serve(certificates.table(other, "collector")), agent),
        ("no TLS: wrong version number", serve(None), agent),
        ("no connection: Connection refused", nobody, agent),
        ("agent.collector", "nowhere", agent),
        ("are not a certificate and its key", collector, TlsConfig(agent.ca_file, agent.cert_file, made.folder / "ca.key")),
    ]
    for expected, address, table in cases:
        assert expected in (refusal(address, table) or ""), (expected, refusal(address, table))


def test_a_port_is_known_by_its_certificate(made: Authority, serve: Callable[[TlsConfig | None], str]) -> None:
    """Only a listener that shows the configured certificate is one's own."""
    certificates.collector(made, "second")
    own = certificates.table(made, "collector")
    address = serve(own)
    assert shows_own_certificate(address, own)
    assert not shows_own_certificate(address, certificates.table(made, "second"))
    assert not shows_own_certificate(serve(None), own)
    assert not shows_own_certificate(address, TlsConfig())
