"""What is read of a certificate."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.config import TlsConfig
from joulemark.errors import FormatError
from joulemark.pki import certificate
from tests import certificates


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    """A missing file and bytes that are no PEM are errors about that file."""
    (tmp_path / "x.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    for name in ("absent.pem", "x.pem"):
        with pytest.raises(FormatError, match=name):
            certificate.read(tmp_path / name)


def test_expiry_follows_the_files(tmp_path: Path) -> None:
    """The end of the first authority to go and of one's own certificate, in seconds; a file that cannot be read has none."""
    made, short = certificates.authority(tmp_path / "ca"), certificates.authority(tmp_path / "short", days=100)
    issued = certificates.collector(made, days=10).certificate
    table = certificates.table(made, "collector")
    assert certificate.expiries_s(table) == {
        "ca": made.certificate.not_after_ns // 1_000_000_000,
        "cert": issued.not_after_ns // 1_000_000_000,
    }
    made.renew("collector", days=20)
    assert certificate.expiries_s(table)["cert"] > issued.not_after_ns // 1_000_000_000
    made.certificate_file.write_bytes(made.certificate_file.read_bytes() + short.certificate_file.read_bytes())
    assert certificate.expiries_s(table)["ca"] == short.certificate.not_after_ns // 1_000_000_000
    made.certificate_file.write_bytes(b"")
    assert list(certificate.expiries_s(table)) == ["cert"]
    assert certificate.expiries_s(TlsConfig()) == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 600), value=st.integers(0, 255), cut=st.integers(0, 600))
def test_a_damaged_certificate_is_read_or_refused(tmp_path: Path, place: int, value: int, cut: int) -> None:
    """Whatever byte of its inside is changed or left out, reading it gives a certificate or a FormatError, and nothing else."""
    path = tmp_path / "host-a.pem"
    if not path.exists():
        certificates.agent(certificates.authority(tmp_path))
        (tmp_path / "good.der").write_bytes(ssl.PEM_cert_to_DER_cert(path.read_text()))
    der = bytearray((tmp_path / "good.der").read_bytes())
    der[place % len(der)] = value
    path.write_text(ssl.DER_cert_to_PEM_cert(bytes(der[: cut % len(der)] if cut % 5 == 0 else der)))
    with contextlib.suppress(FormatError):
        certificate.read(path)
    with contextlib.suppress(FormatError):
        certificate.read_all(path)
