"""What Joulemark reads of X.509 certificates."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from joulemark.config import TlsConfig
from joulemark.errors import FormatError
from joulemark.pki.subject import Role
from joulemark.units import NS_PER_S

UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What `cryptography` raises for bytes that are not what they should be."""

ROLE_URI: Final = re.compile(r"joulemark://(agent|collector|client)/([^/]+)\Z")


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


def alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """The subject alternative names; none when there is no such extension."""
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def moment(t_ns: int) -> datetime:
    """UTC nanoseconds as certificates date: to the second."""
    return datetime.fromtimestamp(t_ns // NS_PER_S, tz=UTC)


def moment_ns(moment: datetime) -> int:
    """The nanoseconds of a date in a certificate."""
    return round(moment.timestamp()) * NS_PER_S
