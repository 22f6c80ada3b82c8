"""Recomputation: every number that a bundle claims, held against the one that its readings give (INT-2). No stored figure is believed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

LEFT_OUT: Final = frozenset({"display", "hashes", "level", "level_reason"})
"""Keys below which nothing is compared: text for people, hashes, and verdicts, which are claims of another kind."""

WORDS: Final = frozenset({"scope", "boundary", "simulated", "complete", "run_id"})
"""Keys whose text or truth is compared too: a number says nothing without them."""

MONEY: Final = frozenset({"cost", "carbon"})
"""Keys below which decimal text is a number."""

DECIMAL: Final = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
Number = int | float | Decimal


class Unknown:
    """What stands where the recomputation has no such key."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A claim and what comes out in its place. `rel`: relative difference, None where there is no number to compare with.

    `known`: whether this version of the card has such a figure at all.
    """

    path: str
    claimed: Any
    recomputed: Any
    rel: float | None
    known: bool = True

    def beyond(self, limit: float) -> bool:
        """Whether the claim is not reproduced: where a whole number comes out, it has to be equal, however the claim is written."""
        whole = type(self.recomputed) is int
        return self.rel is None or self.rel > (0.0 if whole else limit)

    @property
    def text(self) -> str:
        """For people."""
        if not self.known:
            return f"{self.path}: {self.claimed} is claimed, and this version computes no such figure"
        return f"{self.path}: {self.claimed} is claimed, {self.recomputed} comes out"


def differences(claimed: Mapping[str, Any], recomputed: Mapping[str, Any], *, name: str) -> list[Difference]:
    """Every number in `claimed`, and every word that gives it its meaning, with what `recomputed` has in its place.

    `name`: what the paths begin with.
    """
    return list(compared(claimed, recomputed, path=name, money=False))


def compared(claimed: Any, recomputed: Any, *, path: str, money: bool) -> Iterator[Difference]:
    """The differences below one place."""
    if isinstance(claimed, Mapping):
        other: Mapping[str, Any] = recomputed if isinstance(recomputed, Mapping) else {}
        absent = Unknown if isinstance(recomputed, Mapping) or recomputed is Unknown else None
        for key, value in claimed.items():
            if key in LEFT_OUT:
                continue
            mine = other.get(key, absent)
            if key in WORDS and isinstance(value, str | bool):
                yield Difference(f"{path}.{key}", value, shown(mine), 0.0 if value == mine else None, mine is not Unknown)
            else:
                yield from compared(value, mine, path=f"{path}.{key}", money=money or key in MONEY)
    elif isinstance(claimed, Sequence) and not isinstance(claimed, str):
        # the readings say how many there are: one more is a claim that nothing bears out
        known = isinstance(recomputed, Sequence) and not isinstance(recomputed, str)
        for place, value in enumerate(claimed):
            beyond = None if known else recomputed
            mine = recomputed[place] if known and place < len(recomputed) else beyond
            yield from compared(value, mine, path=f"{path}[{place}]", money=money)
    elif (number := number_of(claimed, money=money)) is not None:
        mine = number_of(recomputed, money=money)
        rel = None if mine is None else relative(number, mine)
        yield Difference(path, claimed, shown(recomputed), rel, recomputed is not Unknown)


def shown(value: Any) -> Any:
    """What came out, for a message."""
    return None if value is Unknown else value


def number_of(value: Any, *, money: bool) -> Number | None:
    """The number that `value` is or, where it is money, spells; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if money and isinstance(value, str) and DECIMAL.fullmatch(value):
        return Decimal(value)
    return None


def relative(a: Number, b: Number) -> float:
    """|a - b| of the larger of both, 0 for two equal ones; computed exactly, so that no sum of 64-bit times is rounded away."""
    if a == b:
        return 0.0
    first, second = Decimal(a), Decimal(b)
    return float(abs(first - second) / max(abs(first), abs(second)))
