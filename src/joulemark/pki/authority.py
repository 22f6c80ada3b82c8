"""An authority of one's own: a folder that holds its key, its certificate, what it issued and what it revoked.

| file | what |
|---|---|
| `ca.pem`, `ca.key` | the authority: the first goes to every host, the second stays here |
| `NAME.pem`, `NAME.key` | the newest certificate of NAME and its key |
| `revoked.pem` | the signed list of revoked certificates, for the collector |
| `issued/NAME/SERIAL.pem` | every certificate ever issued, so that revoking a name reaches them all |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote as shell_word
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from joulemark import nearest, timebase
from joulemark.errors import EnvironmentFailed, FormatError, UsageError
from joulemark.pki import certificate, folder, signing
from joulemark.pki.certificate import UNREADABLE, Certificate, moment
from joulemark.pki.subject import Subject, stem
from joulemark.timebase import Clock
from joulemark.tls import check_private

AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 365
RESERVED: Final = ("ca", "revoked")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was just written. `key_file` is None when it belongs to the key that its host has already."""

    certificate: Certificate
    cert_file: Path
    key_file: Path | None


class Authority:
    """The authority in `folder`. One command changes it at a time.

    Raises UsageError when there is none, FormatError when its files are damaged, EnvironmentFailed when it has expired.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock
        if not self.certificate_file.exists():
            raise UsageError(f"there is no authority in {folder}", f"make one: joulemark pki init {shell_word(str(folder))}")
        self._certificate = certificate.load(self.certificate_file)
        self._key = load_key(folder / "ca.key")
        if self._key.public_key() != self._certificate.public_key():
            raise FormatError(f"{folder}/ca.key is not the key of ca.pem", "restore both from the same backup")
        end_ns = self.certificate.not_after_ns
        if end_ns <= clock.utc_ns():
            raise EnvironmentFailed(
                f"the authority in {folder} expired on {timebase.iso_utc(end_ns)[:10]}",
                "make another in another folder: joulemark pki init",
            )

    @classmethod
    def create(cls, place: Path, clock: Clock, *, days: int = AUTHORITY_DAYS) -> Authority:
        """Make an authority in the folder `place`, with an empty list of revoked certificates. Raises UsageError when one is there."""
        with folder.locked(place):
            for name in ("ca.pem", "ca.key"):
                if (place / name).exists():
                    raise UsageError(f"{place} holds an authority already: {name}", "issue certificates with it, or give another folder")
            key = ec.generate_private_key(ec.SECP256R1())
            now = moment(clock.utc_ns())
            own = signing.authority(key, now, days=days)
            empty = signing.signed_list((), None, issuer=own, issuer_key=key, now=now)
            folder.replace(place / "ca.key", key_pem(key), mode=folder.SECRET)
            folder.replace(place / "revoked.pem", pem(empty))
            folder.replace(place / "ca.pem", pem(own))
        return cls(place, clock)

    @property
    def certificate(self) -> Certificate:
        """What its own certificate says."""
        return Certificate.of(self._certificate)

    @property
    def certificate_file(self) -> Path:
        """What every host needs, to know the others by."""
        return self.folder / "ca.pem"

    @property
    def revoked_file(self) -> Path:
        """What the collector needs, to refuse the revoked."""
        return self.folder / "revoked.pem"

    def issue(self, subject: Subject, *, days: int = LEAF_DAYS) -> Issued:
        """A key and a certificate for `subject`. Raises UsageError for a name that has a certificate which is not revoked."""
        with folder.locked(self.folder):
            if subject.stem in RESERVED:
                raise UsageError(f"{subject.name!r} is the name of a file of the authority", "use another name")
            path = self._path(subject.stem)
            if path.exists() and not self._is_revoked(certificate.read(path).serial):
                raise UsageError(
                    f"{subject.name!r} has a certificate, {path}", f"joulemark pki renew {shell_word(subject.name)}, or revoke it first"
                )
            key = ec.generate_private_key(ec.SECP256R1())
            return self._write(subject, key.public_key(), key, days)

    def renew(self, name: str, *, days: int = LEAF_DAYS, new_key: bool = False) -> Issued:
        """Another certificate for the same names and the same key, or with a `new_key`; the one before stays valid until it expires.

        Raises UsageError for a name that has none, or whose certificate is revoked.
        """
        with folder.locked(self.folder):
            path = self._known(name)
            before = certificate.load(path)
            subject = subject_of(before, path)
            if self._is_revoked(before.serial_number):
                raise UsageError(f"the certificate of {name!r} is revoked", f"joulemark pki issue {shell_word(name)} --for {subject.role}")
            key = ec.generate_private_key(ec.SECP256R1()) if new_key else None
            return self._write(subject, key.public_key() if key else before.public_key(), key, days)

    def revoke(self, name: str) -> list[int]:
        """Revoke every certificate of `name` that is still valid; their serial numbers. Raises UsageError for an unknown name."""
        with folder.locked(self.folder):
            path, now_ns = self._known(name), self._clock.utc_ns()
            known = [certificate.read(file) for file in (path, *self._archive(path.stem).glob("*.pem"))]
            serials = sorted({c.serial for c in known if c.not_after_ns > now_ns and not self._is_revoked(c.serial)})
            added = signing.signed_list(serials, self._revoked(), issuer=self._certificate, issuer_key=self._key, now=moment(now_ns))
            folder.replace(self.revoked_file, pem(added))
            return serials

    def _write(self, subject: Subject, public_key: Any, key: ec.EllipticCurvePrivateKey | None, days: int) -> Issued:
        """Sign a certificate; archive it before it is given out. A new key comes first: until its certificate is there, neither is used."""
        begin = moment(self._clock.utc_ns())
        made = signing.leaf(subject, public_key, begin=begin, days=days, issuer=self._certificate, issuer_key=self._key)
        path, key_file = self._path(subject.stem), self.folder / f"{subject.stem}.key"
        archive = self._archive(subject.stem)
        with folder.locked(archive):
            folder.replace(archive / f"{made.serial_number:x}.pem", pem(made))
        if key is not None:
            folder.replace(key_file, key_pem(key), mode=folder.SECRET)
        folder.replace(path, pem(made))
        return Issued(Certificate.of(made), path, key_file if key is not None else None)

    def _path(self, stem: str) -> Path:
        return self.folder / f"{stem}.pem"

    def _archive(self, stem: str) -> Path:
        return self.folder / "issued" / stem

    def _known(self, name: str) -> Path:
        """The certificate file of a name. Raises UsageError, with the nearest name, when there is none."""
        path = self._path(stem(name))
        if path.stem not in RESERVED and path.exists():
            return path
        names = [p.stem for p in self.folder.glob("*.pem") if p.stem not in RESERVED]
        hint = nearest.hint(path.stem, names, otherwise="issue one: joulemark pki issue NAME --for agent")
        raise UsageError(f"no certificate was issued for {name!r} in {self.folder}", hint)

    def _is_revoked(self, serial: int) -> bool:
        return self._revoked().get_revoked_certificate_by_serial_number(serial) is not None

    def _revoked(self) -> x509.CertificateRevocationList:
        """The list as it stands. Raises FormatError when it is damaged or not this authority's: the command then changes nothing."""
        try:
            found = x509.load_pem_x509_crl(self.revoked_file.read_bytes())
            genuine = found.is_signature_valid(self._key.public_key())
        except (OSError, *UNREADABLE) as error:
            raise FormatError(f"{self.revoked_file} cannot be read: {error}", "restore it from a backup, or from a collector") from error
        if not genuine:
            raise FormatError(f"{self.revoked_file} is not signed by this authority", "restore it from a backup, or from a collector")
        return found


def subject_of(before: x509.Certificate, path: Path) -> Subject:
    """Whom a certificate was made for, so that the next one says the same. Raises FormatError for one of another origin."""
    found = Certificate.of(before)
    if found.role is None or found.name is None:
        raise FormatError(f"{path} was not issued by Joulemark", "renew it where it was issued")
    names = certificate.alternative_names(before)
    return Subject(
        found.name,
        found.role,
        dns=tuple(n.value for n in names if isinstance(n, x509.DNSName)),
        ip=tuple(str(n.value) for n in names if isinstance(n, x509.IPAddress)),
    )


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The authority's key. Raises FormatError, and ConfigError when others may read it."""
    check_private(path, "the authority's key")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}", "run it as the owner of the folder") from error
    except UNREADABLE as error:
        raise FormatError(f"{path} holds no private key in PEM", "restore it from a backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise FormatError(f"{path} is no key on an elliptic curve", "use an authority made by joulemark pki init")
    return key


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key in PEM, not encrypted: it lies in a file that only its owner reads."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pem(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """A certificate or a list in PEM."""
    return signed.public_bytes(serialization.Encoding.PEM)
