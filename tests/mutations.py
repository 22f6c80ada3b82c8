"""Valid files made wrong: pieces cut out, doubled, exchanged for what parsers choke on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

POISON = (
    *(b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b",", b'"', b"'", b"{", b"[", b"]]", b"}", b":", b"=", b"#", b"-", b"  "),
    *(b"NaN", b"nan", b"Infinity", b"-inf", b"1e999", b"1e308", b"-1", b"0", b"1e-400", b"9.91E+37", b"true", b"null", b"None", b"[N/A]"),
    *(b"9" * 19, b"9" * 400, b"-" + b"9" * 30, b"0x10", b"1_0", "\u0661\u0662".encode(), "\u2212".encode(), b"\\ud800", b"[" * 3000),
    *(b"0001-01-01", b"9999-12-31", b"24:60:61", b"+25:00", b"2024-02-30", b"../../etc/passwd", b"%s%n", b"{{7*7}}"),
)
PLACE = st.floats(0.0, 1.0)
EDIT = st.tuples(PLACE, st.integers(0, 24), st.sampled_from(POISON) | st.binary(max_size=6))


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    """`valid` with one to four pieces of up to 24 bytes exchanged for poison or random bytes, or one of its lines or words doubled."""
    out = valid
    for place, length, piece in draw(st.lists(EDIT, min_size=1, max_size=4)):
        at = round(place * len(out))
        match draw(st.integers(0, 2)):
            case 0:
                out = out[:at] + piece + out[at + length :]
            case 1:
                out = word_exchanged(out, at, piece)
            case _:
                out = out[:at] + out[at : at + 4 * length] + out[at:]
    return out


def word_exchanged(text: bytes, at: int, piece: bytes) -> bytes:
    """`text` with the word around `at` replaced: the mutation that stays closest to a valid file."""
    stops = b' \t\r\n,:;="[]{}|'
    begin, end = at, at
    while begin > 0 and text[begin - 1] not in stops:
        begin -= 1
    while end < len(text) and text[end] not in stops:
        end += 1
    return text[:begin] + piece + text[end:]


def numbers(value: Any) -> Iterator[float]:
    """Every number inside plain data."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict):
        yield from numbers([*value.keys(), *value.values()])
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for part in value:
            yield from numbers(part)


def finite(value: Any) -> bool:
    """Whether no number inside plain data is infinite or none at all."""
    return all(math.isfinite(number) for number in numbers(value))
