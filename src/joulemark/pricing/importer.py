"""An importer: one format of files that hold prices, recognised by what stands in them and parsed without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from joulemark.pricing.fetch import Harvest


@dataclass(frozen=True, slots=True)
class Options:
    """What the person who imports a file says of it, where the file itself does not: empty where nothing is said."""

    provider: str = ""
    region: str = ""


class Parse(Protocol):
    """Text of a file to records. `name`: of the file, for messages and `source_url`; `fetched_at_ns`: when it was read.

    A price without `payload_sha256` gets the one of the file afterwards.
    """

    def __call__(self, text: str, *, name: str, fetched_at_ns: int, options: Options) -> Harvest:
        """Raises FormatError where the file is not of this format, or says less than is needed."""
        ...


@dataclass(frozen=True, slots=True)
class Importer:
    """`kind` names the format, and the feed of every price from it; `recognises`: whether a text is of this format, from its first lines.

    `gated`: what differs wildly from the last import of this kind is refused. A price file of ours, or one written by hand, is not:
    its author means it.
    """

    kind: str
    recognises: Callable[[str], bool]
    parse: Parse
    gated: bool = True
