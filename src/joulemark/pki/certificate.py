"""X.509 certificates: the form that Joulemark issues, and what it reads of one.

The form follows RFC 5280. Whom a certificate speaks for is a URI among its subject alternative names; the common name is for people.
"""

from __future__ import annotations

import contextlib
import enum
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from joulemark.config import TlsConfig
from joulemark.errors import FormatError, UsageError
from joulemark.tls import identity_uri
from joulemark.units import NS_PER_S

UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What `cryptography` raises for bytes that are not what they should be."""

BACKDATED: Final = timedelta(minutes=5)
"""A certificate is valid from a little before it was made, for hosts whose clock is behind."""

LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*\Z", re.IGNORECASE | re.ASCII)
COMMON_NAME_BYTES: Final = 64
STEM_LENGTH: Final = 200
ROLE_URI: Final = re.compile(r"joulemark://(agent|collector|client)/([^/]+)\Z")


class Role(enum.StrEnum):
    """What a certificate is for."""

    AGENT = "agent"
    COLLECTOR = "collector"
    CLIENT = "client"


USAGE: Final = {
    Role.AGENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Role.COLLECTOR: ExtendedKeyUsageOID.SERVER_AUTH,
    Role.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is made for. `dns` and `ip`: where it is reached. Raises UsageError for what cannot be one."""

    name: str
    role: Role
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not self.name or {":", "/"} & set(self.name):
            raise UsageError(
                f"the name {self.name!r} is empty or holds ':', '/' or a control character", "use the agent_id, or a host name"
            )
        if len(self.stem) > STEM_LENGTH:
            raise UsageError(f"the name {self.name[:20]}... is longer than {STEM_LENGTH} characters", "use a shorter one")
        for name in self.dns:
            if not is_host_name(name):
                raise UsageError(f"--dns {name!r} is not a host name", "give an address with --ip")
        for address in self.ip:
            if not is_address(address):
                raise UsageError(f"--ip {address!r} is not an IP address", "give a host name with --dns")
        if self.role is Role.CLIENT and (self.dns or self.ip):
            raise UsageError("a client is not reached, it has no --dns and no --ip", "leave them out")
        if self.role is Role.COLLECTOR and not self.alternative_names[1:]:
            raise UsageError(f"{self.name!r} is no host name at which agents reach the collector", "name it with --dns or --ip")

    @property
    def stem(self) -> str:
        """The name as the first part of a file name."""
        return stem(self.name)

    @property
    def alternative_names(self) -> list[x509.GeneralName]:
        """The identity, then the host names and addresses; those of the name itself when none are given.

        A client has none: a name that may stand for a host would let it pass for that host's agent.
        """
        dns, ip = self.dns, self.ip
        if not (dns or ip or self.role is Role.CLIENT):
            dns = (self.name,) if is_host_name(self.name) else ()
            ip = (self.name,) if is_address(self.name) else ()
        return [
            x509.UniformResourceIdentifier(identity_uri(self.role, self.name)),
            *(x509.DNSName(name) for name in dns),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in ip),
        ]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What Joulemark reads of a certificate. `role` and `name` are None in one that it did not issue."""

    serial: int
    role: Role | None
    name: str | None
    names: tuple[str, ...]
    not_before_ns: int
    not_after_ns: int

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Certificate:
        """Raises FormatError for extensions that cannot be read."""
        try:
            names = tuple(str(name.value) for name in alternative_names(certificate))
        except UNREADABLE as error:
            raise FormatError(f"the names of a certificate cannot be read: {error}", "issue it again") from error
        known = next((found for found in map(ROLE_URI.match, names) if found), None)
        return cls(
            certificate.serial_number,
            Role(known[1]) if known else None,
            unquote(known[2]) if known else None,
            names,
            moment_ns(certificate.not_valid_before_utc),
            moment_ns(certificate.not_valid_after_utc),
        )


def read(path: Path) -> Certificate:
    """What the first certificate of a PEM file says. Raises FormatError."""
    return Certificate.of(load(path))


def read_all(path: Path) -> list[Certificate]:
    """What each certificate of a PEM file says. Raises FormatError."""
    try:
        return [Certificate.of(one) for one in x509.load_pem_x509_certificates(content_of(path))]
    except UNREADABLE as error:
        raise FormatError(f"{path} holds no certificates in PEM", "copy it there again") from error


def expiries_s(settings: TlsConfig) -> dict[str, int]:
    """When the certificates of `settings` expire, in seconds since 1970: `ca`, the first of the authorities to go, and `cert`.

    One that cannot be read is left out: what is in use was read before.
    """
    found = {}
    for name, file in (("ca", settings.ca_file), ("cert", settings.cert_file)):
        with contextlib.suppress(FormatError):
            if file is not None:
                known = read_all(file) if name == "ca" else [read(file)]
                found[name] = min(one.not_after_ns for one in known) // NS_PER_S
    return found


def load(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file. Raises FormatError when it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(content_of(path))
    except UNREADABLE as error:
        raise FormatError(f"{path} holds no certificate in PEM", "copy it there again") from error


def content_of(path: Path) -> bytes:
    """The bytes of `path`. Raises FormatError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}", "give an existing file this user may read") from error


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


def alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """The subject alternative names; none when there is no such extension."""
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def stem(name: str) -> str:
    """`name` as the first part of a file name, never a hidden one or `..`. Raises UsageError for text that is no UTF-8."""
    try:
        encoded = quote(name, safe="")
        return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded
    except UnicodeEncodeError as error:
        raise UsageError(f"the name {name!r} is not UTF-8", "use the agent_id, or a host name") from error


def is_host_name(text: str) -> bool:
    """Whether `text` has the form of a host name (RFC 1123), and is no address."""
    return bool(HOST_NAME.match(text)) and not is_address(text)


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def moment(t_ns: int) -> datetime:
    """UTC nanoseconds as certificates date: to the second."""
    return datetime.fromtimestamp(t_ns // NS_PER_S, tz=UTC)


def moment_ns(moment: datetime) -> int:
    """The nanoseconds of a date in a certificate."""
    return round(moment.timestamp()) * NS_PER_S
