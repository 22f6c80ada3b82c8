"""A tutorial as a newcomer takes it: shell blocks in their order, and the words to be read before each. Standard library alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

WORDS_PER_MINUTE: Final = 200
"""How fast a newcomer reads, everything counted: prose, commands, and the output that is shown."""
FENCE: Final = re.compile(r"^(?:<!-- runs until: (?P<until>.+?) -->\n\n?)?```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of a shell to be run; `until`: what the output says when it is time for Ctrl-C, empty where the block ends by itself."""

    text: str
    words_before: int
    """Words of the page up to its end."""
    until: str = ""

    @property
    def commands(self) -> int:
        """Lines that a person types; one that ends in a backslash goes on in the next."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))


def words(text: str) -> int:
    """Words of a page as it is shown: comments are not, and of a link its text alone."""
    shown = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return len(re.findall(r"[^\W_][\w'.-]*", re.sub(r"\]\([^)]*\)", "]", shown)))


def blocks(page: str) -> Iterator[Block]:
    """Every `sh` block of a page."""
    for found in FENCE.finditer(page):
        yield Block(found["text"], words(page[: found.end()]), found["until"] or "")


def reading_s(count: int) -> float:
    """Seconds that reading so many words takes."""
    return 60 * count / WORDS_PER_MINUTE
