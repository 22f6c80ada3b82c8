from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.agent.dial import channel
from joulemark.config import TlsConfig
from joulemark.errors import ConfigError


def test_plaintext_beyond_loopback_needs_a_word() -> None:
    """Another machine is not dialled in plaintext unless the configuration allows it by name; loopback is."""
    with pytest.raises(ConfigError, match=r"tls\.insecure"):
        channel("10.0.0.1:7470", TlsConfig())
    for address, tls in (("10.0.0.1:7470", TlsConfig(insecure=True)), ("127.0.0.1:7470", TlsConfig()), ("[::1]:7470", TlsConfig())):
        channel(address, tls).close()


def test_wrong_address_and_missing_certificate_are_named(tmp_path: Path) -> None:
    """An address without a port and a certificate that is not there say which key to change."""
    with pytest.raises(ConfigError, match=r"agent\.collector"):
        channel("localhost", TlsConfig())
    with pytest.raises(ConfigError, match=r"tls\.ca_file"):
        channel("example.org:7470", TlsConfig(ca_file=tmp_path / "absent.pem"))
