"""Whether a certificate that was accepted in a handshake still is: neither expired nor revoked since."""

from __future__ import annotations

from cryptography import x509

from joulemark.config import TlsConfig
from joulemark.pki.certificate import UNREADABLE, moment_ns
from joulemark.pki.revocation import Revoked
from joulemark.timebase import Clock


class Validity:
    """Asks the clock and, where one is given, the list of revoked certificates."""

    def __init__(self, revoked: Revoked | None, clock: Clock) -> None:
        self._revoked, self._clock = revoked, clock

    @classmethod
    def of(cls, tls: TlsConfig, clock: Clock) -> Validity:
        """With the list that the configuration names, if it names one. Raises ConfigError."""
        return cls(Revoked.of(tls, clock), clock)

    def refuses(self, pem: bytes) -> str | None:
        """Why the certificate `pem` must not be accepted, None when it may. Cheap enough to ask every few seconds."""
        try:
            end = x509.load_pem_x509_certificate(pem).not_valid_after_utc
        except UNREADABLE:
            return "the certificate cannot be read"
        if moment_ns(end) <= self._clock.utc_ns():
            return f"it expired on {end:%Y-%m-%d %H:%M:%S} UTC"
        return self._revoked.refuses(pem) if self._revoked else None
