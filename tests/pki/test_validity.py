"""A certificate that was good in the handshake, and is not any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.config import TlsConfig
from joulemark.errors import ConfigError
from joulemark.pki.validity import Validity
from joulemark.timebase import SystemClock
from tests import certificates
from tests.certificates import DAY_NS, Shifted


def test_expired_and_revoked_are_told_apart(tmp_path: Path) -> None:
    """A certificate is good until its last day, or until it is on the list; each refusal says which and when."""
    authority = certificates.authority(tmp_path / "ca")
    pem = certificates.agent(authority, days=3).cert_file.read_bytes()
    table = TlsConfig(ca_file=authority.certificate_file, revoked_file=authority.revoked_file)
    now, later = Validity.of(table, SystemClock()), Validity.of(TlsConfig(), Shifted(3 * DAY_NS + 1))
    assert now.refuses(pem) is None
    assert (later.refuses(pem) or "").startswith("it expired on 2")
    assert now.refuses(b"x") == "the certificate cannot be read"
    authority.revoke("host-a")
    assert "was revoked on" in (now.refuses(pem) or "")


def test_a_list_without_its_authority_is_an_error(tmp_path: Path) -> None:
    """What nobody vouches for is not believed."""
    with pytest.raises(ConfigError, match=r"tls\.ca_file"):
        Validity.of(TlsConfig(revoked_file=tmp_path / "revoked.pem"), SystemClock())
