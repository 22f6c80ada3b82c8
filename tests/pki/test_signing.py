"""What an authority signs."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from joulemark.pki import certificate, signing
from joulemark.pki.subject import Role, Subject
from joulemark.timebase import SystemClock
from tests import certificates


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
    assert extension(x509.KeyUsage).value == signing.key_usage(key_cert_sign=True, crl_sign=True)
    assert extension(x509.SubjectKeyIdentifier)
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    assert root.public_key().curve.name == "secp256r1"


def test_a_list_grows_and_counts(tmp_path: Path) -> None:
    """Each list holds what the one before held, has the next number, and verifies until its authority ends (RFC 5280)."""
    made = certificates.authority(tmp_path)
    for name in ("a", "b"):
        certificates.agent(made, name)
    before = x509.load_pem_x509_crl(made.revoked_file.read_bytes())
    serials = made.revoke("a") + made.revoke("b")
    after = x509.load_pem_x509_crl(made.revoked_file.read_bytes())
    assert (signing.number(None), signing.number(before), signing.number(after)) == (0, 1, 3)
    assert {entry.serial_number for entry in after} == set(serials)
    root = certificate.load(made.certificate_file)
    assert after.next_update_utc == root.not_valid_after_utc
    public_key = root.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert after.is_signature_valid(public_key)
    assert after.last_update_utc < certificate.moment(SystemClock().utc_ns())
