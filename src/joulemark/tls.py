"""The certificate files of `[tls]`: read whole, checked as a set, read again when they change.

Light enough for the agent: the standard library says whether a key belongs to its certificate; what stands inside a certificate
is read in `joulemark.pki`.
"""

from __future__ import annotations

import logging
import shlex
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from joulemark.config import TlsConfig
from joulemark.errors import ConfigError

log = logging.getLogger("joulemark.tls")

LARGEST_BYTES: Final = 1024 * 1024
"""No file of certificates is larger."""

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Pem:
    """What the files hold, each in PEM; None for a file that is not configured."""

    authority: bytes | None
    cert: bytes | None
    key: bytes | None = field(repr=False)

    @property
    def pair(self) -> tuple[bytes, bytes] | None:
        """(key, certificate), the order in which gRPC wants them; None without a certificate."""
        return (self.key, self.cert) if self.key is not None and self.cert is not None else None


def identity_uri(role: str, name: str) -> str:
    """Who a certificate speaks for, as it stands among its subject alternative names: `joulemark://agent/host%20a`."""
    return f"joulemark://{role}/{quote(name, safe='')}"


def read(tls: TlsConfig) -> Pem:
    """The content of the files that `tls` names, which belong together.

    Raises ConfigError for a file that cannot be read or is not PEM, a key that others may read or that is not the certificate's,
    one of certificate and key without the other, and files that change meanwhile.
    """
    if (tls.cert_file is None) != (tls.key_file is None):
        raise ConfigError("tls.cert_file and tls.key_file are not both given", "give both, or neither")
    before = stamps(tls)
    pem = Pem(
        authority=content(tls.ca_file, "tls.ca_file"),
        cert=content(tls.cert_file, "tls.cert_file"),
        key=content(tls.key_file, "tls.key_file"),
    )
    check_authority(tls, pem)
    if tls.cert_file and tls.key_file:
        check_private(tls.key_file, "tls.key_file")
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls.cert_file, tls.key_file)
    if stamps(tls) != before:
        raise ConfigError("the files of [tls] changed while they were read", "try again")
    return pem


def content(path: Path | None, key: str) -> bytes | None:
    """The bytes of the file that the configuration `key` names, None for none. Raises ConfigError."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path}: {error.strerror}", "give an existing file this user may read") from error
    if len(data) > LARGEST_BYTES:
        raise ConfigError(f"{key}: {path} is larger than {LARGEST_BYTES} bytes", "give a file of certificates in PEM")
    return data


def check_authority(tls: TlsConfig, pem: Pem) -> None:
    """Raise ConfigError when `ca_file` holds no certificate of an authority."""
    if pem.authority is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem.authority.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"tls.ca_file {tls.ca_file} holds no certificates in PEM: {reason(error)}", "copy ca.pem there again") from error


def check_private(key_file: Path, name: str) -> None:
    """Raise ConfigError when others may read a key: its group too, unless root owns the file, as in a mounted secret.

    `name`: what the message calls it.
    """
    try:
        status = key_file.stat()
    except OSError as error:
        raise ConfigError(f"{name}: cannot read {key_file}: {error.strerror}", "give an existing file this user may read") from error
    if status.st_mode & (0o037 if status.st_uid == 0 else 0o077):
        raise ConfigError(
            f"{name} {key_file} may be read by others (mode {status.st_mode & 0o777:04o})", f"chmod 600 {shlex.quote(str(key_file))}"
        )


def load_pair(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    """Give `context` a certificate and its key. Raises ConfigError when they are no PEM, or not a pair; asks no passphrase."""
    try:
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigError(
            f"tls.cert_file {cert_file} and tls.key_file {key_file} are not a certificate and its key, without a passphrase, in PEM: "
            f"{reason(error)}",
            "copy both from the same joulemark pki issue",
        ) from error


def reason(error: Exception) -> str:
    """What OpenSSL says, in words."""
    return (getattr(error, "reason", None) or str(error).partition(" (_")[0]).replace("_", " ").lower()


def stamps(tls: TlsConfig) -> tuple[Stamp, ...]:
    """What changes when one of the files does."""
    return tuple(stamp(path) for path in (tls.ca_file, tls.cert_file, tls.key_file))


def stamp(path: Path | None) -> Stamp:
    """(modified, size, inode) of a file; None for none, or one that is away."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None


class Watch:
    """The files of `[tls]` in a running process: `pem` is the last good content. Raises ConfigError at the start."""

    def __init__(self, tls: TlsConfig) -> None:
        self._tls = tls
        self._seen = stamps(tls)
        self.pem = read(tls)

    def renewed(self) -> Pem | None:
        """The new content, once, when the files changed into another good set; None otherwise.

        Half a file, or a certificate beside the key of another, is logged, and what was in use stays in use.
        """
        now = stamps(self._tls)
        if now == self._seen:
            return None
        self._seen = now
        try:
            fresh = read(self._tls)
        except ConfigError as error:
            log.warning("the changed files of [tls] are not used, the ones before stay in use: %s", error)
            return None
        if fresh == self.pem:
            return None
        self.pem = fresh
        log.info("the files of [tls] changed: new connections use them")
        return fresh
