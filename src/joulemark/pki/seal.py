"""Seals: Ed25519 signatures (RFC 8032) over hashes, by the key of an agent, a collector or an authority for receipts."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from joulemark import foreign
from joulemark.chain import Signature
from joulemark.errors import ConfigError, FormatError

MAX_KEY_BYTES: Final = 4096


def new_key() -> Ed25519PrivateKey:
    """A fresh private key."""
    return Ed25519PrivateKey.generate()


def key_of_seed(seed: bytes) -> Ed25519PrivateKey:
    """The private key of 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed)


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in the PEM file `path`. Raises ConfigError when it holds none of this kind."""
    try:
        key = serialization.load_pem_private_key(foreign.content(path, max_bytes=MAX_KEY_BYTES), password=None)
    except (FormatError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} holds no private key: {error}", "make one: openssl genpkey -algorithm ed25519") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} holds no Ed25519 key", "make one: openssl genpkey -algorithm ed25519")
    return key


def write_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Write `key` as PEM to the new file `path`, for its owner alone."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(pem)


def public_text(key: Ed25519PrivateKey) -> str:
    """The public key that belongs to `key`, base64 of its 32 bytes."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def signed(key: Ed25519PrivateKey, sha256: str) -> str:
    """Base64 of the signature over the bytes of the hexadecimal hash `sha256`."""
    return base64.b64encode(key.sign(bytes.fromhex(sha256))).decode()


def signer(key: Ed25519PrivateKey, *, role: str) -> Callable[[str], Signature]:
    """What signs the head of a chain in `role`."""
    return lambda head_sha256: Signature(role, public_text(key), head_sha256, signed(key, head_sha256))


def over_manifest(key: Ed25519PrivateKey, sha256: str, *, role: str) -> dict[str, str]:
    """What `energy/signature.json` says: who signed the hash of a manifest, in which role."""
    return {"role": role, "public_key": public_text(key), "manifest_sha256": sha256, "signature": signed(key, sha256)}


def holds(public_key: str, sha256: str, signature: str) -> bool:
    """Whether `signature` over the hash was made by the holder of `public_key`; False too for what is no key, hash or signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), bytes.fromhex(sha256))
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
