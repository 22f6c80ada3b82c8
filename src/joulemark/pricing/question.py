"""A question to a provider: what is asked, and what of it is secret and must stand in no message, log or record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from joulemark.pricing.web import bare

LONGEST_SHOWN = 200


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

    def masked(self, text: str) -> str:
        """`text` without the secrets, should a server or a library repeat them."""
        kept = set(self.kept.partition("?")[2].split("&"))
        pairs = [pair for pair in self.url.partition("#")[0].partition("?")[2].split("&") if pair not in kept]
        secrets = [*self.secret.values(), *(pair.partition("=")[2] for pair in pairs)]
        for secret in sorted({part for value in secrets for part in value.split(" ") if len(part) > 3}, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text
