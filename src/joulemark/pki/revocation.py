"""Certificates that are revoked: the list an authority signs (RFC 5280, PEM), and how a running collector follows it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from joulemark.config import TlsConfig
from joulemark.errors import ConfigError
from joulemark.pki.certificate import UNREADABLE, moment
from joulemark.timebase import Clock
from joulemark.tls import stamp

log = logging.getLogger("joulemark.pki")

BLOCK: Final = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
BEGIN: Final = b"-----BEGIN X509 CRL-----"
Entries = dict[tuple[bytes, int], datetime]


class Revoked:
    """The certificates that `path` revokes; the file is read again when it changes.

    Raises ConfigError at the start when the file cannot be read, is no list, has expired, or is not signed by an authority of
    `ca_file`. Later such a file is logged, and the last good list stays in force.
    """

    def __init__(self, path: Path, ca_file: Path, clock: Clock) -> None:
        self._path, self._ca_file, self._clock = path, ca_file, clock
        self._seen = stamp(path)
        self._entries = self._read()

    @classmethod
    def of(cls, tls: TlsConfig, clock: Clock) -> Revoked | None:
        """What the configuration names, None when it names no list. Raises ConfigError."""
        if tls.revoked_file is None:
            return None
        if tls.ca_file is None:
            raise ConfigError("tls.revoked_file is given without tls.ca_file", "give the authority that signed the list")
        return cls(tls.revoked_file, tls.ca_file, clock)

    def refuses(self, pem: bytes) -> str | None:
        """Why the certificate `pem` must not be accepted, None when it may. Cheap enough to ask at every batch."""
        self._follow()
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            revoked = self._entries.get((certificate.issuer.public_bytes(), certificate.serial_number))
        except UNREADABLE:
            return "the certificate cannot be read"
        return f"certificate {certificate.serial_number:x} was revoked on {revoked:%Y-%m-%d %H:%M:%S} UTC" if revoked else None

    def _follow(self) -> None:
        now = stamp(self._path)
        if now == self._seen:
            return
        self._seen = now
        try:
            self._entries = self._read()
        except ConfigError as error:
            log.error("the list of revoked certificates is not used, the one before stays in force: %s", error)

    def _read(self) -> Entries:
        return read(self._path, authorities(self._ca_file), self._clock.utc_ns())


def read(path: Path, issuers: Iterable[x509.Certificate], now_ns: int) -> Entries:
    """(issuer, serial) of every certificate that the lists in `path` revoke, with the time. Raises ConfigError as `Revoked`."""
    mend = "write it anew with joulemark pki revoke, or copy revoked.pem there again"
    try:
        data = path.read_bytes()
        lists = [x509.load_pem_x509_crl(block) for block in BLOCK.findall(data)]
        if not lists or len(lists) < data.count(BEGIN):
            raise ConfigError(f"tls.revoked_file {path} does not hold whole lists of revoked certificates in PEM", mend)
        for crl in lists:
            if not any(crl.issuer == issuer.subject and crl.is_signature_valid(issuer.public_key()) for issuer in issuers):  # type: ignore[arg-type]  # a key of another kind raises TypeError
                raise ConfigError(f"tls.revoked_file {path} is not signed by an authority of tls.ca_file", mend)
            if crl.next_update_utc is not None and crl.next_update_utc < moment(now_ns):
                raise ConfigError(f"tls.revoked_file {path} expired on {crl.next_update_utc:%Y-%m-%d}", mend)
        return {(crl.issuer.public_bytes(), entry.serial_number): entry.revocation_date_utc for crl in lists for entry in crl}
    except OSError as error:
        raise ConfigError(f"tls.revoked_file: cannot read {path}: {error.strerror}", mend) from error
    except UNREADABLE as error:
        raise ConfigError(f"tls.revoked_file {path} cannot be read as a list of revoked certificates", mend) from error


def authorities(ca_file: Path) -> list[x509.Certificate]:
    """Every certificate of `ca_file`. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificates(ca_file.read_bytes())
    except OSError as error:
        raise ConfigError(f"tls.ca_file: cannot read {ca_file}: {error.strerror}", "give an existing file this user may read") from error
    except UNREADABLE as error:
        raise ConfigError(f"tls.ca_file {ca_file} holds no certificates in PEM", "copy ca.pem there again") from error
