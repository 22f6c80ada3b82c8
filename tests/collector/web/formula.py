"""Reads a figure of a page back: the number at its place in a card, or what the formula of several places comes to."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from tests.cards.reading import at
from tests.collector.web.reading import Element


def value(document: Any, pointer: str) -> float:
    """What stands at `pointer`, or what a formula of pointers comes to."""
    text = re.sub(r"(?<!\w)/[\w/]+(?:-[\w/]+)*", lambda found: f"({at(document, found.group())!r})", pointer).replace(" over ", " / ")
    return float(eval(text, {"__builtins__": {}, "hypot": math.hypot}))  # of our own page


def untrue(page: Element, document: Any) -> list[str]:
    """The figures of a page that are no rounding of what stands at their place in `document`."""
    return [f"{one.attributes} shows {one.text}" for one in page.all("data") if not true(one, document)]


def true(one: Element, document: Any) -> bool:
    """Whether a figure is what its place says, to the digits that are shown."""
    exact = value(document, one.attributes["data-from"])
    text = one.text.replace(" ", "")  # the thin spaces between groups of digits, as `Element.text` gives them
    shown = Decimal(text)
    if not math.isclose(exact, float(one.attributes["value"]), rel_tol=1e-9, abs_tol=1e-12):
        return False
    scale = one.attributes.get("data-scale", "1")
    if scale not in ("1", "100", "200", "1e-06"):  # a relative uncertainty is shown with k = 2, in percent; bytes and ns by the million
        return False
    scaled = exact * float(scale)
    digits = shown.as_tuple().digits
    zeros = 0 if "." in text else len(text) - len(text.rstrip("0"))
    last = Decimal(1).scaleb(int(shown.as_tuple().exponent) + (zeros if any(digits) else 0))
    return abs(float(shown) - scaled) <= float(last)
