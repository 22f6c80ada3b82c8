"""What an authority signs: its own certificate, those of hosts, and the list of revoked ones. The form follows RFC 5280.

Whom a certificate speaks for is a URI among its subject alternative names; the common name is for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from joulemark.errors import FormatError
from joulemark.pki.certificate import UNREADABLE
from joulemark.pki.subject import Role, Subject

BACKDATED: Final = timedelta(minutes=5)
"""A certificate is valid from a little before it was made, for hosts whose clock is behind."""

COMMON_NAME_BYTES: Final = 64

USAGE: Final = {
    Role.AGENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Role.COLLECTOR: ExtendedKeyUsageOID.SERVER_AUTH,
    Role.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


def authority(key: ec.EllipticCurvePrivateKey, begin: datetime, *, days: int) -> x509.Certificate:
    """An authority's own certificate: its key may sign certificates of hosts and lists of revoked ones, nothing else."""
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Joulemark authority {serial:040x}"[:COMMON_NAME_BYTES])])
    usage = key_usage(key_cert_sign=True, crl_sign=True)
    builder = builder_of(name, name, key.public_key(), serial, begin - BACKDATED, begin + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
    return builder.sign(key, hashes.SHA256())


def leaf(
    subject: Subject,
    public_key: Any,
    *,
    begin: datetime,
    days: int,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A certificate for `subject`, valid from a little before `begin` for `days`, never longer than its issuer."""
    common = subject.name.encode()[:COMMON_NAME_BYTES].decode(errors="ignore")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    end = min(begin + timedelta(days=days), issuer.not_valid_after_utc)
    start = max(begin - BACKDATED, issuer.not_valid_before_utc)
    builder = builder_of(name, issuer.subject, public_key, x509.random_serial_number(), start, end)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([USAGE[subject.role]]), False),
        (x509.SubjectAlternativeName(subject.alternative_names), False),
        (issuer_identifier(issuer), False),
    ]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def builder_of(name: x509.Name, issuer: x509.Name, public_key: Any, serial: int, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    """What every certificate has."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    """What a key may be used for, and nothing else."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def issuer_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Which key of the issuer signed: its subject key identifier. Raises FormatError when the issuer has none."""
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise FormatError(
            "the authority's certificate has no readable subject key identifier", "use one made by joulemark pki init"
        ) from error
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def signed_list(
    serials: Iterable[int],
    before: x509.CertificateRevocationList | None,
    *,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.CertificateRevocationList:
    """The list `before` with `serials` added; it holds until its issuer expires, so that nobody has to renew it by date."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(max(now - BACKDATED, issuer.not_valid_before_utc))
        .next_update(issuer.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number(before) + 1), critical=False)
        .add_extension(issuer_identifier(issuer), critical=False)
    )
    for entry in before or ():
        builder = builder.add_revoked_certificate(entry)
    for serial in serials:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build())
    return builder.sign(issuer_key, hashes.SHA256())


def number(crl: x509.CertificateRevocationList | None) -> int:
    """The number of a list in its series, 0 before the first. Raises FormatError for a list without one."""
    if crl is None:
        return 0
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise FormatError("the list of revoked certificates has no number", "use one made by joulemark pki init") from error
