"""Figures on a page: every number stands beside the place in the JSON that it was taken from, so that a page can be held against it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from joulemark.cards.text import PRINTED
from joulemark.energy.uncertainty import displayed
from joulemark.markup import Markup, grouped, joined, tag
from joulemark.pricing import money
from joulemark.timebase import iso_utc

ABSENT: Final = "not known"
LONGEST_NUMBER: Final = 24
"""Characters of a number in plain digits; what has more is no measurement."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value and where it stands in its document, a JSON pointer (RFC 6901)."""

    value: Any
    pointer: str = ""

    def __getitem__(self, key: str | int) -> Place:
        return Place(self.value[key], f"{self.pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")

    def __iter__(self) -> Iterator[Place]:
        return (self[at] for at in (self.value if isinstance(self.value, Mapping) else range(len(self.value))))

    def __len__(self) -> int:
        return len(self.value)

    @property
    def key(self) -> str:
        """The last step of the way here."""
        return self.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")

    @property
    def known(self) -> bool:
        """Whether there is something to show: zero is, an empty text is not."""
        return self.value not in (None, "", [], {})


def absent(why: str = "") -> Markup:
    """What stands where a value is missing, with the reason."""
    return tag("span", f"{ABSENT}: {why}" if why else ABSENT, class_="absent")


def number(place: Place, text: str, unit: str = "", *, scale: float | None = None) -> Markup:
    """`text`, the number at `place` rounded, then its unit. `scale`: the text is the number times that."""
    value = place.value if isinstance(place.value, str) else json.dumps(place.value)
    made = tag("data", digits(text), value=value, data_from=place.pointer, data_scale=None if scale is None else f"{scale:g}")
    return joined([made, [Markup("\N{NO-BREAK SPACE}"), unit] if unit else None])


def digits(text: str) -> str:
    """The text of a number with its digits in groups; one that is too long to be a measurement with an exponent."""
    return grouped(text) if len(text) <= LONGEST_NUMBER else f"{Decimal(text):.6g}"


def rounded(place: Place, spec: str, unit: str = "", *, scale: float | None = None) -> Markup:
    """The number at `place` in the format `spec`, or that it is not known."""
    if not isinstance(place.value, int | float) or isinstance(place.value, bool):
        return absent()
    value = place.value * (1.0 if scale is None else scale)
    if not math.isfinite(value):
        return number(place, plain(place.value, spec))
    return number(place, plain(value, spec), unit, scale=scale)


def plain(value: float, spec: str) -> str:
    """`value` in a format of `format`, without the exponent that `g` writes for large and small ones."""
    text = format(value, spec)
    return f"{Decimal(text):f}" if "e" in text and abs(value) < 1e15 and (abs(value) >= 1e-9 or value == 0.0) else text


def count(place: Place) -> Markup:
    """How many there are at `place`."""
    return tag("data", grouped(str(len(place))), value=len(place), data_count=place.pointer)


def percent(place: Place, *, digits: int = 2) -> Markup:
    """A share in percent, rounded down: what is not whole is never shown as 100 %."""
    if not isinstance(place.value, int | float) or not 0.0 <= place.value < 1.0:
        return rounded(place, ".6g", "%", scale=100.0)
    text = (Decimal(repr(float(place.value))) * 100).quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR)
    return number(place, f"{text:f}", "%", scale=100.0)


def expanded(value: Place, u95: Place, unit: str = "") -> Markup:
    """A value with its expanded uncertainty, both rounded by UNC-5."""
    if value.value is None:
        return absent()
    if u95.value is None:
        return joined([number(value, plain(value.value, ".6g"), unit), " \N{PLUS-MINUS SIGN} ", absent()])
    texts = displayed(value.value, u95.value)
    return joined([number(value, texts[0]), " \N{PLUS-MINUS SIGN} ", number(u95, texts[1], unit)])


def printed(shown: Place, unit: str = "") -> Markup:
    """A block of `display`: value and uncertainty as the card prints them, and `unit`."""
    parts = [number(shown["value"], shown["value"].value), " \N{PLUS-MINUS SIGN} ", number(shown["u95"], shown["u95"].value, unit)]
    return joined(parts)


def amount(place: Place, unit: str = "") -> Markup:
    """A sum of money or of grams: decimal text, to four digits."""
    if place.value is None:
        return absent()
    return number(place, money.text(PRINTED.plus(Decimal(place.value))), unit)


def moment(place: Place, *, clock: bool = False) -> Markup:
    """A time in nanoseconds, to the second, in UTC; `clock`: the time of the day alone."""
    if not isinstance(place.value, int):
        return absent()
    text = iso_utc(place.value)[:19]
    said = text[11:] if clock else f"{text.replace('T', ' ')} UTC"
    return tag("time", said, datetime=f"{text}Z", data_from=place.pointer)


def value(place: Place, *, depth: int = 3) -> Markup:
    """Whatever stands at `place`: numbers to six digits, lists and objects in a line, nothing where nothing stands."""
    found = place.value
    if isinstance(found, bool):
        return joined(["yes" if found else "no"])
    if isinstance(found, float) and not math.isfinite(found):
        return joined([str(found)])
    if isinstance(found, int | float):
        return number(place, str(found) if isinstance(found, int) else plain(found, ".6g"))
    if found is None or depth == 0:
        return absent()
    if isinstance(found, Mapping):
        pairs = [[f"{one.key.replace('_', ' ')} ", value(one, depth=depth - 1)] for one in place]
        return listed(pairs)
    if isinstance(found, list | tuple):
        return listed([[value(one, depth=depth - 1)] for one in place])
    return joined([str(found)])


def listed(parts: list[list[Any]], *, most: int = 12) -> Markup:
    """Parts in a line with commas; of many the first, and that there are more."""
    apart = [[", ", *part] if at else part for at, part in enumerate(parts[:most])]
    return joined([*apart, ", and more" if len(parts) > most else None])


def headline(card: Place) -> Place | None:
    """The figure of a run as it is printed: its score, else that of the measured phases together; None where it is not known."""
    if card["score"].value is not None:
        return card["score"]["display"]
    shown = card["headline"]["display"]
    return shown["joules_per_1k_output_tokens"] if "joules_per_1k_output_tokens" in shown.value else None
