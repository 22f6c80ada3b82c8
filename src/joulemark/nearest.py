"""The nearest name to a mistyped one, for the next step of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def hint(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """`did you mean 'X'?` with the nearest of `known`, whatever its case; `otherwise` where none is near."""
    by_fold = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return f"did you mean {by_fold[near[0]]!r}?" if near else otherwise
