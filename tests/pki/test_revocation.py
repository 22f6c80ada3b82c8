"""The list of revoked certificates: trusted only when signed, followed while running, never half."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.config import TlsConfig
from joulemark.errors import ConfigError
from joulemark.pki.authority import Authority
from joulemark.pki.revocation import Revoked
from joulemark.timebase import SystemClock
from tests import certificates
from tests.certificates import DAY_NS, Shifted

CLOCK = SystemClock()


@pytest.fixture
def made(tmp_path: Path) -> Authority:
    """An authority with one agent."""
    authority = certificates.authority(tmp_path / "ca")
    certificates.agent(authority)
    return authority


def followed(authority: Authority) -> Revoked:
    return Revoked(authority.revoked_file, authority.certificate_file, CLOCK)


def test_revoked_while_running(made: Authority) -> None:
    """A certificate is refused from the moment its name is on the list, with serial and time; others are not."""
    pem = (made.folder / "host-a.pem").read_bytes()
    other = certificates.agent(made, "host-b").cert_file.read_bytes()
    list_ = followed(made)
    assert list_.refuses(pem) is None
    (serial,) = made.revoke("host-a")
    reason = list_.refuses(pem)
    assert reason is not None
    assert f"{serial:x}" in reason
    assert list_.refuses(other) is None


def test_the_same_serial_of_another_authority_is_not_meant(made: Authority, tmp_path: Path) -> None:
    """A list speaks for its own issuer only: an entry counts together with the issuer's name."""
    other = certificates.authority(tmp_path / "other")
    pem = certificates.agent(other).cert_file.read_bytes()
    other.revoke("host-a")
    both = tmp_path / "both.pem"
    both.write_bytes(made.certificate_file.read_bytes() + other.certificate_file.read_bytes())
    joined = tmp_path / "joined-list.pem"
    joined.write_bytes(made.revoked_file.read_bytes() + other.revoked_file.read_bytes())
    assert Revoked(made.revoked_file, both, CLOCK).refuses(pem) is None
    assert Revoked(joined, both, CLOCK).refuses(pem) is not None


def test_what_cannot_be_read_is_refused(made: Authority) -> None:
    """Bytes that are no certificate get a reason, not an exception."""
    assert followed(made).refuses(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") == "the certificate cannot be read"


def test_start_fails_closed(made: Authority, tmp_path: Path) -> None:
    """A list that is away, no list, of another authority, or expired ends the start with the key to change."""
    stranger = certificates.authority(tmp_path / "stranger")
    old = certificates.authority(tmp_path / "old", days_ago=20, days=10)
    with pytest.raises(ConfigError, match="not signed by an authority"):
        Revoked(stranger.revoked_file, made.certificate_file, CLOCK)
    with pytest.raises(ConfigError, match="expired on"):
        Revoked(old.revoked_file, old.certificate_file, CLOCK)
    with pytest.raises(ConfigError, match="cannot read"):
        Revoked(tmp_path / "absent", made.certificate_file, CLOCK)
    with pytest.raises(ConfigError, match="does not hold whole lists"):
        Revoked(made.certificate_file, made.certificate_file, CLOCK)
    for ca_file in (tmp_path / "absent", made.folder / "ca.key"):
        with pytest.raises(ConfigError, match=r"tls\.ca_file"):
            Revoked(made.revoked_file, ca_file, CLOCK)


def test_the_second_list_of_a_file_is_not_lost(made: Authority, tmp_path: Path) -> None:
    """Of two lists one below the other, each has to be whole: a copy that broke off in the second does not count as the first alone."""
    other = certificates.authority(tmp_path / "other")
    both, joined = tmp_path / "both.pem", tmp_path / "joined.pem"
    both.write_bytes(made.certificate_file.read_bytes() + other.certificate_file.read_bytes())
    joined.write_bytes(made.revoked_file.read_bytes() + other.revoked_file.read_bytes()[:-30])
    with pytest.raises(ConfigError, match="does not hold whole lists"):
        Revoked(joined, both, CLOCK)


def test_a_broken_list_does_not_free_anybody(made: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """While running, a damaged or deleted list is logged once, and whoever was revoked stays so."""
    pem = (made.folder / "host-a.pem").read_bytes()
    made.revoke("host-a")
    list_ = followed(made)
    with caplog.at_level(logging.ERROR):
        made.revoked_file.write_bytes(made.revoked_file.read_bytes()[:200])
        assert all(list_.refuses(pem) for _ in range(3))
        made.revoked_file.unlink()
        assert all(list_.refuses(pem) for _ in range(3))
    assert len(caplog.records) == 2


def test_configuration(made: Authority) -> None:
    """Without a list nobody is refused; a list without the authority that signed it cannot be trusted."""
    assert Revoked.of(TlsConfig(), CLOCK) is None
    assert Revoked.of(TlsConfig(ca_file=made.certificate_file, revoked_file=made.revoked_file), CLOCK) is not None
    with pytest.raises(ConfigError, match=r"tls\.ca_file"):
        Revoked.of(TlsConfig(revoked_file=made.revoked_file), CLOCK)


def test_a_list_holds_as_long_as_its_authority(made: Authority) -> None:
    """A list nobody rewrote for nine years is still good: an old list must not stop a collector."""
    Revoked(made.revoked_file, made.certificate_file, Shifted(9 * 365 * DAY_NS))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=100), place=st.integers(0, 500), cut=st.integers(0, 500))
def test_garbage_is_a_configuration_error(made: Authority, garbage: bytes, place: int, cut: int) -> None:
    """Whatever replaces a part of the list, it is read as it was signed or refused; nothing else is raised."""
    real = made.revoked_file.read_bytes()
    path = made.folder / "garbage.pem"
    path.write_bytes(real[:place] + garbage + real[place + cut :])
    with contextlib.suppress(ConfigError):
        assert Revoked(path, made.certificate_file, CLOCK).refuses(b"") is not None
