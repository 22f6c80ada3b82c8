"""What stands in a certificate."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.config import TlsConfig
from joulemark.errors import FormatError, UsageError
from joulemark.pki import certificate
from joulemark.pki.certificate import Role, Subject
from tests import certificates

AGENT_NAMES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=":/"), min_size=1, max_size=15)


@given(name=AGENT_NAMES)
def test_any_agent_id_makes_an_identity_that_reads_back(name: str) -> None:
    """The first name is the identity, percent-encoded, and no two ids share one; a host name or an address stands beside it."""
    first, *others = (n.value for n in Subject(name, Role.AGENT).alternative_names)
    assert first.startswith("joulemark://agent/")
    assert unquote(first.removeprefix("joulemark://agent/")) == name
    assert [str(value) for value in others] in ([], [name])


@pytest.mark.parametrize(
    ("name", "is_host"),
    [
        ("a", True),
        ("node-7.rack2.example", True),
        ("7", True),
        ("-a", False),
        ("a-", False),
        ("a..b", False),
        ("a_b", False),
        ("a b", False),
        ("10.0.0.1", False),
        ("x" * 64, False),
        ("a\n", False),
        ("ä", False),
        (".".join(["x" * 63] * 4), False),
    ],
)
def test_host_names_follow_rfc_1123(name: str, is_host: bool) -> None:
    """Letters, digits and inner hyphens, labels to 63, 253 in all, and no address."""
    assert certificate.is_host_name(name) is is_host


@pytest.mark.parametrize("name", ["", "a:b", "a/b", "a\n", "a\x00b", "x" * 201, "\udcff"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    """Empty, divided, unprintable, too long for a file name, no UTF-8."""
    with pytest.raises(UsageError):
        Subject(name, Role.AGENT)


def test_a_client_cannot_pass_for_an_agent() -> None:
    """Its only name is its own identity, whatever host it is called after."""
    assert [n.value for n in Subject("host-a", Role.CLIENT).alternative_names] == ["joulemark://client/host-a"]
    with pytest.raises(UsageError, match="a client is not reached"):
        Subject("x", Role.CLIENT, dns=("host-a",))


def test_a_collector_needs_a_place() -> None:
    """Its own name when that is a host name or an address, else --dns or --ip; what they say must be of that form."""
    assert [str(n.value) for n in Subject("10.0.0.1", Role.COLLECTOR).alternative_names][1:] == ["10.0.0.1"]
    assert [str(n.value) for n in Subject("x", Role.COLLECTOR, dns=("b.example",)).alternative_names][1:] == ["b.example"]
    with pytest.raises(UsageError, match="--dns or --ip"):
        Subject("my collector", Role.COLLECTOR)
    with pytest.raises(UsageError, match="--dns"):
        Subject("x", Role.COLLECTOR, dns=("10.0.0.1",))
    with pytest.raises(UsageError, match="--ip"):
        Subject("x", Role.COLLECTOR, ip=("b.example",))


@pytest.mark.parametrize(
    ("role", "usage"),
    [
        (Role.AGENT, ExtendedKeyUsageOID.CLIENT_AUTH),
        (Role.CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH),
        (Role.COLLECTOR, ExtendedKeyUsageOID.SERVER_AUTH),
    ],
)
def test_a_certificate_is_good_for_one_thing(tmp_path: Path, role: Role, usage: x509.ObjectIdentifier) -> None:
    """It signs no other certificate, is used at one end of a connection, and verifies against its authority (RFC 5280)."""
    made = certificates.authority(tmp_path)
    issued = made.issue(Subject("h" * 100, role, dns=() if role is Role.CLIENT else ("h.example",)))
    loaded, root = certificate.load(issued.cert_file), certificate.load(made.certificate_file)
    extension = loaded.extensions.get_extension_for_class
    assert extension(x509.BasicConstraints).value == x509.BasicConstraints(ca=False, path_length=None)
    assert list(extension(x509.ExtendedKeyUsage).value) == [usage]
    assert extension(x509.KeyUsage).critical
    loaded.verify_directly_issued_by(root)
    policy = x509.verification.PolicyBuilder().store(x509.verification.Store([root]))
    if role is Role.COLLECTOR:
        policy.build_server_verifier(x509.DNSName("h.example")).verify(loaded, [])
    else:
        policy.build_client_verifier().verify(loaded, [])


def test_an_authority_signs_hosts_and_lists_only(tmp_path: Path) -> None:
    """Its certificate is for itself, has room for no other authority below, and a key identifier."""
    root = certificate.load(certificates.authority(tmp_path).certificate_file)
    extension = root.extensions.get_extension_for_class
    assert extension(x509.BasicConstraints).value == x509.BasicConstraints(ca=True, path_length=0)
    assert extension(x509.BasicConstraints).critical
    assert extension(x509.KeyUsage).value == certificate.key_usage(key_cert_sign=True, crl_sign=True)
    assert extension(x509.SubjectKeyIdentifier)
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    assert root.public_key().curve.name == "secp256r1"


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
