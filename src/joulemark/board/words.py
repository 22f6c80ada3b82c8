"""Words that an entry brings along: short, printable, and none of them a claim about speed."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from joulemark.errors import FormatError

LONGEST: Final = 120

WORK: Final = r"(?:tok(?:en)?s?|req(?:uest)?s?|quer(?:y|ies)|samples?|images?|steps?)"
EACH: Final = r"\s*(?:[/\u2044\u2215]|per|an?\b|p)\s*(?:s\b|sec|min|h\b|hour|gpu)"
SPEED: Final = re.compile(
    rf"\d\s*[kM]?\s*(?:{WORK}{EACH}|(?:tok|[tqrf])ps\b|(?-i:ms|µs|μs)\b|[kmgtp]?flops?(?:\b|/s))"
    rf"|\b(?:throughput|latency|ttft|tpot|itl|goodput|{WORK}{EACH}\w*)\W{{0,3}}\d",
    re.IGNORECASE,
)
"""A number with a unit of speed, or after one, or after a word that names one; of text in one form (NFKC), without the wide letters."""


def clean(text: str, *, longest: int = LONGEST) -> str:
    """`text` in one line, without control characters, cut after `longest` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * longest]).split())
    return line if len(line) <= longest else f"{line[: longest - 3].rstrip()}..."


def require_energy_only(text: str, *, where: str, longest: int = LONGEST) -> None:
    """Raise FormatError for a text that `clean` would change, or that tells how fast something was."""
    if found := SPEED.search(unicodedata.normalize("NFKC", text)):
        raise FormatError(f"{where} speaks of performance: {found[0]!r}", "the board is about energy alone; leave it out of the names")
    if text != clean(text, longest=longest):
        raise FormatError(f"{where} is not one short line of printable text", "shorten it")
