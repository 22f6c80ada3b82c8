"""tokens.json: who may use the REST interface, and for what. Written by `joulemark token`, read by a running collector.

Only SHA-256 hashes are kept. A slow password hash would add nothing: a token is 256 random bits, which nobody guesses at any
speed, while every request would pay for it.
"""

from __future__ import annotations

import enum
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from joulemark import document
from joulemark.errors import ConfigError, FormatError, UsageError

SCHEMA: Final = "joulemark.tokens/1"
PREFIX: Final = "joulemark_"
"""Begin of every token, so that scanners for leaked secrets know one."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Scope(enum.StrEnum):
    """What a token opens; each opens what the ones before it do."""

    READ = "read"
    SUBMIT = "submit"
    """Hand in bundles to the board, and withdraw its own."""
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: Scope) -> bool:
        """Whether a token of this scope may do what `needed` asks for."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. `expires_ns`: UTC, None for never."""

    name: str
    scope: Scope
    sha256: str
    created_ns: int
    expires_ns: int | None = None

    def valid(self, now_ns: int) -> bool:
        """Whether it has not expired."""
        return self.expires_ns is None or now_ns < self.expires_ns


class Tokens:
    """The tokens of a collector's data folder. The file is read again whenever it has changed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self._seen: tuple[int, int, int] | None = None
        self._entries: tuple[Token, ...] = ()
        self._asked = False

    @property
    def configured(self) -> bool:
        """Whether tokens are asked for at all. A door does not open by revoking the last one, nor to who runs when the file goes away."""
        self._asked = self._asked or os.path.lexists(self.path)
        return self._asked

    def entries(self) -> tuple[Token, ...]:
        """All of them, in the order they were made; none when there is no file. Raises ConfigError for a file that cannot be used."""
        try:
            state = self.path.stat()
            if (seen := (state.st_ino, state.st_mtime_ns, state.st_size)) != self._seen:
                self._entries, self._seen = parsed(document.load(self.path)), seen
        except FileNotFoundError:
            self._entries, self._seen = (), None
        except (OSError, FormatError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{self.path} cannot be used: {error}", "restore it, or delete it and make the tokens anew") from error
        return self._entries

    def holder(self, secret: str, now_ns: int) -> Token | None:
        """The valid token that `secret` is, else None. Takes as long for a wrong one as for a right one. Raises ConfigError."""
        digest = hashed(secret)
        found = [token for token in self.entries() if hmac.compare_digest(digest, token.sha256)]
        return found[0] if found and found[0].valid(now_ns) else None

    def create(self, name: str, scope: Scope, *, created_ns: int, expires_ns: int | None = None) -> str:
        """Make a token and return its secret, which is kept nowhere. Raises UsageError for a bad or taken name, ConfigError."""
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a token", "use up to 64 letters, digits, '.', '_' and '-', a letter or digit first")
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._changed() as entries:
            if any(token.name == name for token in entries):
                raise UsageError(f"there is a token {name!r} already", f"choose another name, or first: joulemark token revoke {name}")
            entries.append(Token(name, scope, hashed(secret), created_ns, expires_ns))
        return secret

    def revoke(self, name: str) -> None:
        """Forget a token; a running collector refuses it from its next request on. Raises UsageError when there is none."""
        with self._changed() as entries:
            kept = [token for token in entries if token.name != name]
            if len(kept) == len(entries):
                raise UsageError(f"there is no token {name!r}", "see their names with: joulemark token list")
            entries[:] = kept

    @contextmanager
    def _changed(self) -> Iterator[list[Token]]:
        """The entries, to be changed; written when the block ends well. One writer at a time. Raises ConfigError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                entries = list(self.entries())
                yield entries
                replace(self.path, {"schema": SCHEMA, "tokens": [asdict(token) for token in entries]})
            finally:
                os.close(folder)
        except OSError as error:
            hint = "run the command as the user of the collector, or name its file with --config"
            raise ConfigError(f"cannot write {self.path}: {error.strerror}", hint) from error


def hashed(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def parsed(data: Any) -> tuple[Token, ...]:
    """The entries of the file. Raises ValueError, KeyError or TypeError for another shape."""
    if data["schema"] != SCHEMA:
        raise ValueError(f"its schema is {data['schema']!r}, not {SCHEMA!r}")
    return tuple(Token(**{**entry, "scope": Scope(entry["scope"])}) for entry in data["tokens"])


def replace(path: Path, data: dict[str, Any]) -> None:
    """Write `data` in one step, readable by the owner of the folder alone, also when root runs the command for a service."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(handle, folder.st_uid, folder.st_gid)
        out.write(json.dumps(data, indent=1) + "\n")
        out.flush()
        os.fsync(handle)
    fresh.replace(path)
