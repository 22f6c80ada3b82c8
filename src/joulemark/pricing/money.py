"""Money: `Decimal` in memory, text in files and tables, never a binary float on the way.

A float that was measured (seconds, joules) enters through its `repr`, the shortest text that stands for it, so the same
reading gives the same cent on every machine.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

from joulemark import document
from joulemark.errors import FormatError

CONTEXT: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)
"""Arithmetic of every price and cost: 50 digits; figures are cut only when they are printed."""

STORED_DIGITS: Final = 18
"""Significant digits of a computed cost in a file: far below any uncertainty, and it ends."""


LARGEST: Final = Decimal(10**15)
FINEST: Final = 30
"""Most digits behind the point of an amount in a file: with LARGEST, fewer than CONTEXT keeps."""

PLAIN: Final = re.compile(r"[-+.eE\d]+", re.ASCII)
"""Python also takes `1_0` and digits of other scripts, which other programs read differently."""


def decimal(value: Decimal | int | float | str) -> Decimal:
    """`value` exactly as it is written: a float through its shortest text.

    Raises ValueError for NaN, infinity, a truth value, and text that is not a number.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not number.is_finite():
        raise ValueError(f"{str(value)!r} is not a finite number")
    return number


def amount(value: object, where: str, *, signed: bool = False) -> Decimal:
    """The amount of money that a file gives as text, integer or decimal; `signed`: it may be below zero, as a market of electricity may.

    Raises FormatError for a float, for a negative one, and for one of LARGEST or more, or with more than FINEST decimals.
    """
    if isinstance(value, float) or not isinstance(value, str | int | Decimal):
        raise FormatError(f"{where} = {document.shown(value)} is not an amount", 'write it as text, for example "55.04"')
    try:
        number = decimal(value)
    except ValueError as error:
        raise FormatError(f"{where}: {error}", 'write it as text, for example "55.04"') from error
    if number < 0 and not signed:
        raise FormatError(f"{where} = {document.shown(value)} is negative", "correct the file")
    plain = not isinstance(value, str) or PLAIN.fullmatch(value)
    if not (plain and -LARGEST < number < LARGEST and int(number.as_tuple().exponent) >= -FINEST):
        raise FormatError(f"{where} = {document.shown(value)} is no believable amount", 'write it as plain digits, for example "55.04"')
    return number


def text(value: Decimal) -> str:
    """`value` without exponent and without trailing zeros, so that equal amounts are equal text (`32.7726000` -> `32.7726`)."""
    plain = format(value.normalize(CONTEXT), "f")
    return "0" if plain == "-0" else plain


def stored(value: Decimal) -> str:
    """`value` as text with at most `STORED_DIGITS` significant digits, for figures that are quotients and never end."""
    return text(Context(prec=STORED_DIGITS, rounding=ROUND_HALF_EVEN).plus(value))
