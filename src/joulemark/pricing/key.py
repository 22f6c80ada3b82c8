"""A provider's key: one line in a file of this user, sent in a header and never written anywhere."""

from __future__ import annotations

from pathlib import Path

from joulemark.config import read_secret
from joulemark.errors import ConfigError


def key_of(path: Path, *, kind: str) -> str:
    """The key in `path`; `kind` of the feed is for messages. Raises ConfigError, which does not show it, for what no header can hold."""
    key = read_secret(path, f"{kind} key_file")
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{kind} key_file {path} does not hold one key", "write there the one line that the provider showed")
    return key
