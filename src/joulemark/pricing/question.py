"""A question to a provider: what is asked, and what of it is secret and must stand in no message, log or record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from joulemark.addresses import is_loopback
from joulemark.pricing.web import bare

LONGEST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked, and what of it is secret."""

    method: str
    url: str = field(repr=False)
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_keys: tuple[str, ...] = ()
    body: bytes | None = field(default=None, repr=False)
    to_file: bool = False

    @property
    def kept(self) -> str:
        """The address that may be written down."""
        return bare(self.url, self.secret_keys)

    @property
    def shown(self) -> str:
        """The address for a message."""
        return self.kept if len(self.kept) <= LONGEST_SHOWN else f"{self.kept[: LONGEST_SHOWN - 3]}..."

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that nobody may read, of headers and of the query."""
        kept = self.kept.partition("?")[2].split("&")
        pairs = self.url.partition("#")[0].partition("?")[2].split("&")
        return (*self.secret.values(), *(pair.partition("=")[2] for pair in pairs if pair not in kept))

    @property
    def exposed(self) -> bool:
        """Whether a secret would leave this machine in plain text."""
        parts = urlsplit(self.url)
        return any(self.secrets) and parts.scheme == "http" and not is_loopback(parts.hostname or "")

    def masked(self, text: str) -> str:
        """`text` without the secrets, should a server or a library repeat them."""
        for secret in sorted({part for value in self.secrets for part in value.split(" ") if len(part) > 3}, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text
