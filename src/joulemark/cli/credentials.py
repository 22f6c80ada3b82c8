"""Files that systemd shows to a running service alone, found where it takes them from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from joulemark.config import Config

SHOWN: Final = Path("/run/credentials")
STORE: Final = Path("/etc/credstore")
FILES: Final = ("ca_file", "cert_file", "key_file", "revoked_file")


def lying(config: Config, *, shown: Path = SHOWN, store: Path = STORE) -> Config:
    """The configuration with each file of `[tls]` named where it lies in `store`, when its service, which is shown it below `shown`, does
    not run; any other file stays.
    """
    named = {name: file for name in FILES if (file := getattr(config.tls, name)) is not None and file.parent.parent == shown}
    moved = {name: store / file.name for name, file in named.items() if not file.exists() and (store / file.name).exists()}
    return replace(config, tls=replace(config.tls, **moved))
