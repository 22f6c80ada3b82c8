"""Whose keys count: the verifier's own list, and the published key of the conformance kit, which proves nothing but that."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

from joulemark import document, foreign
from joulemark.errors import FormatError

KIT: Final = "kit"
ROLES: Final = ("agent", "collector", "board", "submitter", KIT)


@dataclass(frozen=True, slots=True)
class Key:
    """A public key (base64 of 32 bytes), what it may do (`agent`, `collector`, `board`, `submitter` or `kit`) and whose it is."""

    public_key: str
    role: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys a verifier knows."""

    keys: tuple[Key, ...] = ()

    def key(self, public_key: str) -> Key | None:
        """What is known of a key, None for a stranger's."""
        return next((key for key in self.keys if key.public_key == public_key), None)

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """The key of the kit, and those of the TOML file `path`: `[[key]]` with `public_key`, `role`, `owner`. Raises FormatError."""
        own = resources.files("joulemark.standard").joinpath("trust.toml").read_text(encoding="utf-8")
        given = "" if path is None else foreign.text(path, max_bytes=foreign.MAX_DOCUMENT_BYTES, errors="strict")
        return cls((*_keys(own, where="trust.toml"), *_keys(given, where=str(path))))


def _keys(content: str, *, where: str) -> tuple[Key, ...]:
    try:
        data: Mapping[str, Any] = tomllib.loads(content)
    except ValueError as error:
        raise FormatError(f"{where} is not valid TOML: {error}", "mend the line it names") from error
    entries = data.get("key", [])
    if not isinstance(entries, list) or set(data) - {"key"}:
        raise FormatError(f"{where} is no list of keys", "write [[key]] tables with public_key, role and owner")
    keys = tuple(document.record(Key, entry, where=f"{where}: key") for entry in entries)
    for key in keys:
        if key.role not in ROLES:
            raise FormatError(f"{where}: role {document.shown(key.role)} is none of {', '.join(ROLES)}", "say what the key may do")
    return keys
